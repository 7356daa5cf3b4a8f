"""Keras' layers for augmented images."""

import keras

_CHANGING_IN_TRAINING = [
    "RandomFlip",
    "RandomRotation",
    "RandomTranslation",
    "RandomZoom",
    "RandomShear",
    "RandomPerspective",
    "RandomElasticTransform",
    "RandomBrightness",
    "RandomContrast",
    "RandomHue",
    "RandomSaturation",
    "RandomColorJitter",
    "RandomColorDegeneration",
    "RandomGrayscale",
    "RandomInvert",
    "RandomPosterization",
    "RandomSharpness",
    "RandomGaussianBlur",
    "RandomErasing",
    "RandAugment",
    "AugMix",
    "MixUp",
    "CutMix",
]  # without RandomCrop, which may resize
AUGMENTATIONS = tuple(
    getattr(keras.layers, name) for name in _CHANGING_IN_TRAINING if hasattr(keras.layers, name)
)
"""Layers that change images in training only; a graph says that they are called in training, which `predict` overrides."""
