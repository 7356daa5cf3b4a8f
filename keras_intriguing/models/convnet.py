"""The convolutional MNIST net of Figures 1 and 2."""

from typing import Any

import keras

from keras_intriguing.models.base import PresetModel
from keras_intriguing.models.dense import CLASSES, IMAGE_SHAPE


@keras.saving.register_keras_serializable(package="keras_intriguing")
class MNISTConvNet(PresetModel):
    """A plain LeNet with ReLU and max pooling, for the paper's "convolutional network trained on MNIST" (§3).

    The paper gives no architecture. This is the LeNet that came with Caffe in its year: 20 and 50 kernels of
    5×5 without padding, each followed by ReLU and disjoint 2×2 max pooling, a layer of 500 ReLU units and a
    linear one. Images [B, 28, 28, 1] in [0, 1] to logits [B, 10]: 431,080 parameters.
    """

    def __init__(self, name: str | None = None, **kwargs: Any) -> None:
        inputs = keras.Input(IMAGE_SHAPE, name="image")
        x = inputs
        for i, kernels in enumerate((20, 50), start=1):
            x = keras.layers.Conv2D(kernels, 5, activation="relu", name=f"conv{i}")(x)
            x = keras.layers.MaxPooling2D(2, name=f"pool{i}")(x)
        x = keras.layers.Flatten(name="flatten")(x)
        x = keras.layers.Dense(500, activation="relu", name="hidden")(x)
        outputs = keras.layers.Dense(CLASSES, name="logits")(x)
        super().__init__(inputs=inputs, outputs=outputs, name=name, **kwargs)
