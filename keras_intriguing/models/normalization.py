"""Krizhevsky's local response normalization."""

from typing import Any

import keras
import numpy as np


@keras.saving.register_keras_serializable(package="keras_intriguing")
class LocalResponseNormalization(keras.layers.Layer):
    """Divides every channel by a power of the energy of the channels beside it (Krizhevsky et al. 2012, §3.3).

    y_i = x_i / (bias + alpha · Σ_j x_j²)^beta, j over the `size` channels around i at the same position, fewer at the
    ends; channels on the last axis. The defaults are the paper's k = 2, n = 5, α = 1e-4, β = 0.75. TensorFlow's
    `local_response_normalization` is the same with size = 2·depth_radius + 1. Caffe and PyTorch divide their alpha by
    `size`: theirs of 1e-4 is 2e-5 here; Caffe's AlexNet also has bias = 1.

    Args:
        size: n, channels of a window; odd.
        bias: k, above zero.
        alpha: factor of the squares, not divided by `size`; above zero.
        beta: exponent, above zero.

    Raises:
        ValueError: an even size, or a number that is not positive.
    """

    def __init__(
        self, size: int = 5, bias: float = 2.0, alpha: float = 1e-4, beta: float = 0.75, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if size < 1 or size % 2 == 0:
            raise ValueError(
                f"size must be odd and positive, not {size}: a window has a channel in its middle."
            )
        if min(bias, alpha, beta) <= 0:
            raise ValueError(f"bias, alpha and beta must be positive, not {bias}, {alpha} and {beta}.")
        self.size, self.bias, self.alpha, self.beta = size, bias, alpha, beta

    def call(self, x: Any) -> Any:
        """[B, …, C] to the same shape."""
        # a product with a band of ones: TensorFlow's own operation has no second derivative, and sums of slices took
        # ten times as long
        apart = np.abs(np.subtract.outer(*2 * [np.arange(x.shape[-1])]))
        band = keras.ops.cast(apart <= self.size // 2, x.dtype)
        energy: Any = keras.ops.matmul(keras.ops.square(x), band)
        return x * (self.bias + self.alpha * energy) ** -self.beta

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """That of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        own = {"size": self.size, "bias": self.bias, "alpha": self.alpha, "beta": self.beta}
        return {**super().get_config(), **own}
