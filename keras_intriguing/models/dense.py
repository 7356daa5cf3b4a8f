"""The paper's fully connected MNIST nets: FC10, FC100-100-10, FC200-200-10 and FC123-456-10."""

from typing import Any, ClassVar

import keras

from keras_intriguing.models.base import PresetModel

IMAGE_SHAPE = (28, 28, 1)
CLASSES = 10


class DenseClassifier(PresetModel):
    """Sigmoid layers and a linear one: images [B, 28, 28, 1] in [0, 1] to logits [B, 10].

    The softmax of the paper belongs to the loss; the models give logits. Kernels start from Glorot's uniform
    distribution, biases from zero.
    """

    hidden_units: ClassVar[tuple[int, ...]] = ()

    def __init__(self, name: str | None = None, **kwargs: Any) -> None:
        inputs = keras.Input(IMAGE_SHAPE, name="image")
        x = keras.layers.Flatten(name="flatten")(inputs)
        for i, units in enumerate(self.hidden_units, start=1):
            x = keras.layers.Dense(units, activation="sigmoid", name=f"hidden{i}")(x)
        outputs = keras.layers.Dense(CLASSES, name="logits")(x)
        super().__init__(inputs=inputs, outputs=outputs, name=name, **kwargs)


@keras.saving.register_keras_serializable(package="keras_intriguing")
class FC10(DenseClassifier):
    """Softmax regression, 7,850 parameters (paper, Table 1: FC10(λ))."""


@keras.saving.register_keras_serializable(package="keras_intriguing")
class FC100_100_10(DenseClassifier):
    """Two sigmoid layers of 100 units, 89,610 parameters (paper, Tables 1 and 3)."""

    hidden_units = (100, 100)


@keras.saving.register_keras_serializable(package="keras_intriguing")
class FC200_200_10(DenseClassifier):
    """Two sigmoid layers of 200 units, 199,210 parameters (paper, Table 1)."""

    hidden_units = (200, 200)


@keras.saving.register_keras_serializable(package="keras_intriguing")
class FC123_456_10(DenseClassifier):
    """Sigmoid layers of 123 and 456 units, 157,669 parameters (paper, Table 3)."""

    hidden_units = (123, 456)
