"""QuocNet: the design of Le et al. 2012, scaled down, with a classifier of one class."""

from typing import Any, NamedTuple

import keras

from keras_intriguing.models.base import PresetModel
from keras_intriguing.models.local import L2Pooling, LocalContrastNormalization, LocalFilters


class _Stage(NamedTuple):
    """Sides and strides, in values, of a stage's filters and windows."""

    filter: int
    filter_stride: int
    window: int
    window_stride: int


_STAGES = (_Stage(8, 4, 2, 1), _Stage(4, 2, 2, 1))
_MAPS = (32, 96)


@keras.saving.register_keras_serializable(package="keras_intriguing")
class QuocNet(PresetModel):
    """Stages of local filters, L2 pooling and local contrast normalization, and a linear classifier on the last.

    The design of Le et al. 2012, *Building high-level features using large scale unsupervised learning*, with two of
    its three stages, on smaller images with smaller fields and more maps. Images [B, 64, 64, 3] in [0, 1] to logits
    [B, 2], the rest and the class: 3,167,330 parameters. Filters of 8×8 with stride 4 (15×15×32), pooling 2×2 with
    stride 1 (14×14×32), normalization; filters of 4×4 with stride 2 (6×6×96), pooling 2×2 with stride 1 (5×5×96),
    normalization; the 2,400 units of the layer `features`; two logits. The filters are others at every position.

    Args:
        image_size: side of the images.
        maps: filters at every position, for each of the two stages.
        name: of the model.
    """

    def __init__(
        self,
        image_size: int = 64,
        maps: tuple[int, int] = _MAPS,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        inputs = keras.Input((image_size, image_size, 3), name="image")
        x = inputs
        for i, (stage, filters) in enumerate(zip(_STAGES, maps, strict=True), start=1):
            x = LocalFilters(filters, stage.filter, stage.filter_stride, name=f"filters{i}")(x)
            x = L2Pooling(stage.window, stage.window_stride, name=f"pool{i}")(x)
            x = LocalContrastNormalization(name=f"contrast{i}")(x)
        x = keras.layers.Flatten(name="features")(x)
        outputs = keras.layers.Dense(2, name="logits")(x)
        super().__init__(inputs=inputs, outputs=outputs, name=name, **kwargs)
        self.image_size, self.maps = image_size, tuple(maps)

    @property
    def stages(self) -> list[tuple[LocalFilters, L2Pooling, LocalContrastNormalization]]:
        """The sublayers of every stage."""
        kinds = ("filters", "pool", "contrast")
        return [tuple(self.get_layer(f"{kind}{i}") for kind in kinds) for i in range(1, len(self.maps) + 1)]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"image_size": self.image_size, "maps": list(self.maps), **super().get_config()}
