"""EfficientNet-Lite0, a net on ImageNet's 1,000 classes whose trained weights are in a Python package."""

from typing import Any, NamedTuple

import keras

from keras_intriguing.models.base import PresetModel

L: Any = keras.layers  # whose parameters Keras does not type

IMAGE_SHAPE = (224, 224, 3)
CLASSES = 1000
_MEAN, _SCALE = 127, 128  # of pixels from 0 to 255
_STEM, _HEAD = 32, 1280  # channels of the first and the last convolution
_EPSILON = 1e-3  # of batch normalization
_DROPOUT = 0.2


class Stage(NamedTuple):
    """Some blocks alike.

    Attributes:
        kernel: width and height of the depthwise kernels.
        blocks: how many; the first has the stride, the others add their input to their output.
        channels: of their output.
        expansion: how many times the channels of its input a block has in its middle.
        stride: of the first block.
    """

    kernel: int
    blocks: int
    channels: int
    expansion: int
    stride: int


STAGES = (
    Stage(3, 1, 16, 1, 1),
    Stage(3, 2, 24, 6, 2),
    Stage(5, 2, 40, 6, 2),
    Stage(3, 3, 80, 6, 2),
    Stage(5, 3, 112, 6, 1),
    Stage(5, 4, 192, 6, 2),
    Stage(3, 1, 320, 6, 1),
)


@keras.saving.register_keras_serializable(package="keras_intriguing")
class EfficientNetLite0(PresetModel):
    """EfficientNet-Lite0: images [B, 224, 224, 3], RGB in [0, 1], to logits [B, classes], 4,652,008 parameters.

    The network B0 of Tan and Le 2019 (arXiv:1905.11946) without squeeze-and-excitation and with ReLU6, as published in
    TensorFlow's `tpu` repository, with TensorFlow's "same" padding. Its first layer scales pixels to (255·x − 127)/128.

    Args:
        classes: number of logits.
        name: of the model.
    """

    def __init__(self, classes: int = CLASSES, name: str | None = None, **kwargs: Any) -> None:
        inputs = keras.Input(IMAGE_SHAPE, name="image")
        x = L.Rescaling(255 / _SCALE, -_MEAN / _SCALE, name="scale")(inputs)
        x = _convolution(x, _STEM, 3, 2, "stem")
        number = 0
        for stage in STAGES:
            for i in range(stage.blocks):
                x = _block(x, stage, stage.stride if i == 0 else 1, f"block{number}")
                number += 1
        x = _convolution(x, _HEAD, 1, 1, "head")
        x = L.GlobalAveragePooling2D(name="pool")(x)
        x = L.Dropout(_DROPOUT, name="dropout")(x)
        outputs = L.Dense(classes, name="logits")(x)
        super().__init__(inputs=inputs, outputs=outputs, name=name, **kwargs)
        self.classes = classes

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"classes": self.classes, **super().get_config()}


def _block(x: Any, stage: Stage, stride: int, name: str) -> Any:
    """More channels, a depthwise convolution, fewer channels; beside it the input where the shapes agree."""
    before, channels = x, x.shape[-1]
    if stage.expansion > 1:
        x = _convolution(x, stage.expansion * channels, 1, 1, f"{name}_expand")
    kernel = L.DepthwiseConv2D(
        stage.kernel, stride, padding="same", use_bias=False, name=f"{name}_depthwise_conv"
    )
    x = _normalized(kernel(x), f"{name}_depthwise")
    x = L.Conv2D(stage.channels, 1, use_bias=False, name=f"{name}_project_conv")(x)
    x = L.BatchNormalization(epsilon=_EPSILON, name=f"{name}_project_norm")(x)
    return L.Add(name=f"{name}_add")([x, before]) if x.shape == before.shape else x


def _convolution(x: Any, filters: int, kernel: int, stride: int, name: str) -> Any:
    x = L.Conv2D(filters, kernel, stride, padding="same", use_bias=False, name=f"{name}_conv")(x)
    return _normalized(x, name)


def _normalized(x: Any, name: str) -> Any:
    x = L.BatchNormalization(epsilon=_EPSILON, name=f"{name}_norm")(x)
    return L.ReLU(6.0, name=f"{name}_relu")(x)
