"""The norm of normalization with stored means and variances."""

from typing import Any

import numpy as np

from keras_intriguing.spectral.bounds import NormBounds
from keras_intriguing.spectral.layer_settings import as_computed, weight
from keras_intriguing.spectral.recognition import named
from keras_intriguing.spectral.rules.rescaling import scaling


def batch_factors(layer: Any, shape: tuple[int, ...]) -> np.ndarray:
    """γ/√(variance + ε) of a `BatchNormalization` in inference, in the shape to be broadcast to the input's.

    Raises:
        ValueError: a negative variance, or another number of channels.
    """
    variance = weight(layer, "moving_variance")
    scale = weight(layer, "gamma") if layer.scale else np.ones_like(variance)
    spread = variance + as_computed(layer, layer.epsilon)
    if (spread <= 0).any():
        raise ValueError(f"The variance of {named(layer)} is negative.")
    axis = channel_axis(layer, len(shape))
    if variance.size != shape[axis]:
        raise ValueError(f"{variance.size} channels, but the input shape is {shape}.")
    return along(scale / np.sqrt(spread), axis, len(shape))


def channel_axis(layer: Any, rank: int) -> int:
    """A `BatchNormalization`'s axis, counted without the batch axis.

    Raises:
        ValueError: it is the batch axis.
    """
    axis = layer.axis % (rank + 1)
    if axis == 0:
        raise ValueError(f"{named(layer)} works along the images of a batch.")
    return axis - 1


def along(values: np.ndarray, axis: int, rank: int) -> np.ndarray:
    """One value a channel, to be broadcast along the other axes."""
    return values.reshape((-1, *(1,) * (rank - 1 - axis)))


def batch_normalization(layer: Any, shape: tuple[int, ...]) -> NormBounds:
    """Max |γ| / √(variance + ε), of inference."""
    return scaling(np.abs(batch_factors(layer, shape)), shape)
