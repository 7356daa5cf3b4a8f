"""AlexNet, the network of the paper's Table 5 and Figure 5, and a smaller one that trains on two cores."""

from typing import Any

import keras

from keras_intriguing.models.base import PresetModel
from keras_intriguing.models.normalization import LocalResponseNormalization

L: Any = keras.layers  # whose parameters Keras does not type

IMAGE_SHAPE = (227, 227, 3)
CLASSES = 1000
_STDDEV = 0.01
SMALL_IMAGE_SHAPE = (128, 128, 3)
_DROPOUT = 0.5
_SMALL_ALPHA = 0.41


@keras.saving.register_keras_serializable(package="keras_intriguing")
class AlexNet(PresetModel):
    """Krizhevsky, Sutskever and Hinton 2012: images [B, 227, 227, 3] to logits [B, classes], 60,965,224 parameters.

    Five convolutions and three dense layers, all but the last rectified; local response normalization, then 3×3 max
    pooling with stride 2, after the first two convolutions, pooling after the fifth; dropout of ½ after the
    first two dense layers. The published sizes of its maps need images of 227×227, where that paper writes 224. Kernels start
    from a normal distribution of stddev 0.01, biases from 1 in the second, fourth and fifth convolution and the first
    two dense layers, from 0 elsewhere, as published. The pixels' scale is up to the weights.

    Args:
        grouped: the second, fourth and fifth convolution in two groups, one for each of the two devices of 2012. Without
            it they have the sizes that Table 5 prints (96×5×5×256 and so on), 62,378,344 parameters in all.
        classes: number of logits.
        lrn_bias: k of both normalizations; 1 in Caffe's replication.
        lrn_alpha: α of both normalizations; 2e-5 in Caffe's replication (see `LocalResponseNormalization`).
        name: of the model.
    """

    _WIDTHS = (96, 256, 384, 384, 256, 4096, 4096)  # of all layers but the last

    def __init__(
        self,
        grouped: bool = True,
        classes: int = CLASSES,
        lrn_bias: float = 2.0,
        lrn_alpha: float = 1e-4,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        groups = 2 if grouped else 1
        normalization: dict[str, Any] = {"bias": lrn_bias, "alpha": lrn_alpha}
        width1, width2, width3, width4, width5, *dense_widths = self._WIDTHS
        inputs = keras.Input(IMAGE_SHAPE, name="image")
        x = _convolution("conv1", width1, 11, 0, strides=4, padding="valid")(inputs)
        x = LocalResponseNormalization(**normalization, name="norm1")(x)
        x = L.MaxPooling2D(3, 2, name="pool1")(x)
        x = _convolution("conv2", width2, 5, 1, groups=groups)(x)
        x = LocalResponseNormalization(**normalization, name="norm2")(x)
        x = L.MaxPooling2D(3, 2, name="pool2")(x)
        x = _convolution("conv3", width3, 3, 0)(x)
        x = _convolution("conv4", width4, 3, 1, groups=groups)(x)
        x = _convolution("conv5", width5, 3, 1, groups=groups)(x)
        x = L.MaxPooling2D(3, 2, name="pool5")(x)
        x = L.Flatten(name="flatten")(x)
        for name_, units in zip(("fc1", "fc2"), dense_widths, strict=True):
            x = L.Dense(units, "relu", kernel_initializer=_normal(), bias_initializer="ones", name=name_)(x)
            x = L.Dropout(_DROPOUT, name=f"{name_}_dropout")(x)
        outputs = L.Dense(classes, kernel_initializer=_normal(), name="fc3")(x)
        super().__init__(inputs=inputs, outputs=outputs, name=name, **kwargs)
        self.grouped, self.classes = grouped, classes
        self.lrn_bias, self.lrn_alpha = lrn_bias, lrn_alpha

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        own = {name: getattr(self, name) for name in ("grouped", "classes", "lrn_bias", "lrn_alpha")}
        return {**own, **super().get_config()}


@keras.saving.register_keras_serializable(package="keras_intriguing")
class AlexNetSmall(PresetModel):
    """AlexNet's design with fewer channels: images [B, 128, 128, 3] in [0, 1] to logits [B, 10], 2,252,362 parameters.

    The layers are AlexNet's, in its order but for one: normalization follows the first two poolings, as in Caffe's
    reference net, where maps are a quarter as large. Sizes: 48 kernels of 7×7 with stride 3 (41×41), pooling 3×3 with
    stride 2 (20×20), 128 of 5×5, pooling (9×9), 192, 192 and 128 of 3×3, pooling (4×4), 512, 512 and `classes` units;
    no groups. Pixels are scaled to [−2, 2] first. AlexNet's α = 1e-4 is for pixels of 0 to 255; in these, 64 times
    smaller, the same normalization has 64²·1e-4 = 0.41.

    Args:
        classes: number of logits.
        name: of the model.
    """

    def __init__(self, classes: int = 10, name: str | None = None, **kwargs: Any) -> None:
        inputs = keras.Input(SMALL_IMAGE_SHAPE, name="image")
        x = L.Rescaling(4.0, -2.0, name="scale")(inputs)
        x = L.Conv2D(48, 7, strides=3, activation="relu", name="conv1")(x)
        x = L.MaxPooling2D(3, 2, name="pool1")(x)
        x = LocalResponseNormalization(alpha=_SMALL_ALPHA, name="norm1")(x)
        x = L.Conv2D(128, 5, padding="same", activation="relu", name="conv2")(x)
        x = L.MaxPooling2D(3, 2, name="pool2")(x)
        x = LocalResponseNormalization(alpha=_SMALL_ALPHA, name="norm2")(x)
        for i, filters in enumerate((192, 192, 128), start=3):
            x = L.Conv2D(filters, 3, padding="same", activation="relu", name=f"conv{i}")(x)
        x = L.MaxPooling2D(3, 2, name="pool5")(x)
        x = L.Flatten(name="flatten")(x)
        for name_ in ("fc1", "fc2"):
            x = L.Dense(512, "relu", name=name_)(x)
            x = L.Dropout(_DROPOUT, name=f"{name_}_dropout")(x)
        # logits in float32 whatever the policy: in half precision the loss would be rounded
        outputs = L.Dense(classes, name="fc3", dtype="float32")(x)
        super().__init__(inputs=inputs, outputs=outputs, name=name, **kwargs)
        self.classes = classes

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"classes": self.classes, **super().get_config()}


def _convolution(name: str, filters: int, taps: int, bias: float, **settings: Any) -> Any:
    return L.Conv2D(
        filters,
        taps,
        activation="relu",
        kernel_initializer=_normal(),
        bias_initializer=keras.initializers.Constant(bias),
        name=name,
        **{"padding": "same", **settings},
    )


def _normal() -> keras.initializers.Initializer:
    return keras.initializers.RandomNormal(stddev=_STDDEV)
