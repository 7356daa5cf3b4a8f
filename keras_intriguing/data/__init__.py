"""Images to train on and to attack: MNIST's digits, folders of photographs."""

from keras_intriguing.data.digits import NAMES, SPLITS, from_tfds, half, load

__all__ = ["NAMES", "SPLITS", "from_tfds", "half", "load"]
