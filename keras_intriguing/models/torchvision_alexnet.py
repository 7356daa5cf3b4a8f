"""torchvision's `alexnet`, which is another network than that of 2012."""

from typing import Any

import keras

from keras_intriguing.models.base import PresetModel

L: Any = keras.layers  # whose parameters Keras does not type

IMAGE_SHAPE = (224, 224, 3)
CLASSES = 1000
MEAN, STDDEV = (
    (0.485, 0.456, 0.406),
    (0.229, 0.224, 0.225),
)  # of ImageNet's pixels in [0, 1]: red, green, blue
_DROPOUT = 0.5


@keras.saving.register_keras_serializable(package="keras_intriguing")
class TorchvisionAlexNet(PresetModel):
    """torchvision's `alexnet`: images [B, 224, 224, 3], RGB in [0, 1], to logits [B, classes], 61,100,840 parameters.

    Krizhevsky 2014 (arXiv:1404.5997), without its parallel parts. Beside `AlexNet`: 64, 192, 384, 256 and 256 kernels,
    no groups, no local response normalization, images of 224×224 padded by two zeros in the first layer, and dropout
    before the first two dense layers instead of after them. The first layer brings the pixels to ImageNet's mean 0 and
    standard deviation 1, as torchvision's transforms do.

    Args:
        classes: number of logits.
        name: of the model.
    """

    _WIDTHS = (64, 192, 384, 256, 256, 4096, 4096)  # of all layers but the last

    def __init__(self, classes: int = CLASSES, name: str | None = None, **kwargs: Any) -> None:
        width1, width2, width3, width4, width5, *dense_widths = self._WIDTHS
        offsets = [-mean / stddev for mean, stddev in zip(MEAN, STDDEV, strict=True)]
        inputs = keras.Input(IMAGE_SHAPE, name="image")
        x = L.Rescaling([1 / stddev for stddev in STDDEV], offsets, name="standardize")(inputs)
        # with a stride, "same" would put fewer zeros before the image than after it
        x = L.ZeroPadding2D(2, name="pad1")(x)
        x = L.Conv2D(width1, 11, strides=4, activation="relu", name="conv1")(x)
        x = L.MaxPooling2D(3, 2, name="pool1")(x)
        x = L.Conv2D(width2, 5, padding="same", activation="relu", name="conv2")(x)
        x = L.MaxPooling2D(3, 2, name="pool2")(x)
        for i, filters in enumerate((width3, width4, width5), start=3):
            x = L.Conv2D(filters, 3, padding="same", activation="relu", name=f"conv{i}")(x)
        x = L.MaxPooling2D(3, 2, name="pool5")(x)
        x = L.Flatten(name="flatten")(x)
        for name_, units in zip(("fc1", "fc2"), dense_widths, strict=True):
            x = L.Dropout(_DROPOUT, name=f"{name_}_dropout")(x)
            x = L.Dense(units, "relu", name=name_)(x)
        outputs = L.Dense(classes, name="fc3")(x)
        super().__init__(inputs=inputs, outputs=outputs, name=name, **kwargs)
        self.classes = classes

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"classes": self.classes, **super().get_config()}
