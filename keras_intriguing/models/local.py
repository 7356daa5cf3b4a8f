"""The three sublayers of Le et al. 2012: local filters, L2 pooling, local contrast normalization."""

from typing import Any

import keras
import numpy as np

Shape = tuple[Any, ...]  # of a batch, as Keras gives it: None for a size that is not known


@keras.saving.register_keras_serializable(package="keras_intriguing")
class LocalFilters(keras.layers.Layer):
    """A convolution whose kernel is another one at every position: weights are not shared (Le et al. 2012, §3).

    Images [B, H, W, C] to [B, h, w, filters], h = (H − size) // stride + 1; no padding and no activation. There are
    h·w·(size²·C + 1)·filters weights. Kernels start from a normal distribution, with filters of norm about 1.

    Args:
        filters: outputs at every position.
        size: side of the square that a filter sees.
        stride: between two positions.

    Raises:
        ValueError: a number below one, or, when it is built, an image without known sizes or smaller than a filter.
    """

    def __init__(self, filters: int, size: int, stride: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if min(filters, size, stride) < 1:
            raise ValueError(
                f"filters, size and stride must be at least 1, not {filters}, {size} and {stride}."
            )
        self.filters, self.size, self.stride = filters, size, stride

    def build(self, input_shape: Shape) -> None:
        """Makes the kernel [h, w, size, size, C, filters] and the bias [h, w, filters]."""
        _, height, width, outputs = self.compute_output_shape(input_shape)
        self.kernel = self.add_weight(
            name="kernel",
            shape=(height, width, self.size, self.size, input_shape[-1], outputs),
            initializer=keras.initializers.RandomNormal(stddev=(self.size**2 * input_shape[-1]) ** -0.5),
        )
        self.bias = self.add_weight(name="bias", shape=(height, width, outputs), initializer="zeros")

    def call(self, x: Any) -> Any:
        """[B, H, W, C] to [B, h, w, filters]."""
        products = keras.ops.einsum("bhiwjc,hwijcm->bhwm", self.patches(x), self.kernel)
        return products + self.bias

    def patches(self, x: Any) -> Any:
        """What the filters of every position see: [B, H, W, C] to [B, h, size, w, size, C]."""
        # two gathers: their slopes are sums, twice as fast as those of slices, and without a convolution
        x = keras.ops.take(x, self._seen(x.shape[1]), axis=1)
        return keras.ops.take(x, self._seen(x.shape[3]), axis=3)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """[B, h, w, filters]."""
        if len(input_shape) != 4 or None in input_shape[1:] or min(input_shape[1:3]) < self.size:
            raise ValueError(
                f"{self.name} takes images [B, H, W, C] of known sizes of at least {self.size}, but the input "
                f"shape is {tuple(input_shape)}."
            )
        sizes = (len(self._seen(size)) for size in input_shape[1:3])
        return (input_shape[0], *sizes, self.filters)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        mine = {"filters": self.filters, "size": self.size, "stride": self.stride}
        return {**super().get_config(), **mine}

    def _seen(self, size: int) -> np.ndarray:
        """Along an axis, the indices that every position sees: [positions, self.size]."""
        first = np.arange(0, size - self.size + 1, self.stride)
        return first[:, None] + np.arange(self.size)


@keras.saving.register_keras_serializable(package="keras_intriguing")
class L2Pooling(keras.layers.Layer):
    """The root of the sum of squares over square windows, map by map: [B, H, W, C] to [B, h, w, C].

    √(Σx² + ε), so that slopes are finite where all is zero. No padding: h = (H − size) // stride + 1.

    Args:
        size: side of a window.
        stride: between two windows.

    Raises:
        ValueError: a number below one, or an image smaller than a window.
    """

    epsilon = 1e-6

    def __init__(self, size: int, stride: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if min(size, stride) < 1:
            raise ValueError(f"size and stride must be at least 1, not {size} and {stride}.")
        self.size, self.stride = size, stride

    def build(self, input_shape: Shape) -> None:
        """Checks the images' sizes; there are no weights."""
        if min(size or self.size for size in input_shape[1:3]) < self.size:
            raise ValueError(f"{self.name} has windows of {self.size}, but the input shape is {input_shape}.")

    def call(self, x: Any) -> Any:
        """[B, H, W, C] to [B, h, w, C]."""
        means: Any = keras.ops.average_pool(keras.ops.square(x), self.size, self.stride)
        return keras.ops.sqrt(self.size**2 * means + self.epsilon)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """[B, h, w, C]."""
        sizes = ((size - self.size) // self.stride + 1 if size else None for size in input_shape[1:3])
        return (input_shape[0], *sizes, input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "size": self.size, "stride": self.stride}


@keras.saving.register_keras_serializable(package="keras_intriguing")
class LocalContrastNormalization(keras.layers.Layer):
    """Takes the local mean away and divides by the local standard deviation (Jarrett et al. 2009, §2).

    v = x − Σ g·x and y = v / max(floor, √(Σ g·v²)); the sums go over a square window and over all maps, with Gaussian
    weights g of stddev size/4 whose sum is 1, also at the border, where they are cut. [B, H, W, C] to the same shape;
    a constant image becomes 0.

    Args:
        size: side of the window; odd.
        floor: what the standard deviation counts as at least, so that flat regions are not blown up.

    Raises:
        ValueError: an even size, or a floor that is not positive.
    """

    def __init__(self, size: int = 5, floor: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if size < 1 or size % 2 == 0:
            raise ValueError(
                f"size must be odd and positive, not {size}: a window has a value in its middle."
            )
        if not floor > 0:
            raise ValueError(f"floor must be positive, not {floor}.")
        self.size, self.floor = size, floor

    def call(self, x: Any) -> Any:
        """[B, H, W, C] to the same shape."""
        v = x - self._local_mean(x)
        variance = self._local_mean(keras.ops.square(v))
        return v / keras.ops.sqrt(keras.ops.maximum(variance, self.floor**2))

    def weights_along(self, size: int) -> np.ndarray:
        """The weights along an axis of `size` values, float64 [size, size]: rows are windows and sum to 1."""
        apart = np.abs(np.subtract.outer(np.arange(size), np.arange(size)))
        weights = np.where(apart <= self.size // 2, np.exp(-8 * (apart / self.size) ** 2), 0)
        return weights / weights.sum(axis=1, keepdims=True)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """That of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "size": self.size, "floor": self.floor}

    def _local_mean(self, x: Any) -> Any:
        """[B, H, W, C] to [B, H, W, 1]."""
        rows, columns = (keras.ops.cast(self.weights_along(x.shape[i]), x.dtype) for i in (1, 2))
        mean: Any = keras.ops.einsum("ph,bhw,qw->bpq", rows, keras.ops.mean(x, axis=-1), columns)
        return mean[..., None]
