"""The norm of layers that multiply every value by a number."""

from typing import Any

import keras
import numpy as np

from keras_intriguing.spectral.bounds import NormBounds
from keras_intriguing.spectral.layer_settings import as_computed
from keras_intriguing.spectral.recognition import named


def rescaling(layer: Any, shape: tuple[int, ...]) -> NormBounds:
    """The largest |scale|, which may differ between channels."""
    return scaling(np.abs(rescaling_factors(layer)), shape)


def rescaling_factors(layer: Any) -> np.ndarray:
    """The scale of a `Rescaling` layer, in the shape in which it is broadcast."""
    return in_channels(as_computed(layer, layer.scale))


def in_channels(values: np.ndarray) -> np.ndarray:
    """Numbers for channels, which Keras broadcasts along the first axis where its default is `channels_first`."""
    if values.ndim and keras.config.image_data_format() == "channels_first":
        return values.reshape(values.shape + (1,) * (3 - values.ndim))
    return values


def normalization(layer: Any, shape: tuple[int, ...]) -> NormBounds:
    """The largest 1/max(√variance, ε) of a `Normalization` layer."""
    return scaling(np.abs(normalization_factors(layer)), shape)


def normalization_factors(layer: Any) -> np.ndarray:
    """What a `Normalization` layer multiplies by, in the shape in which it is broadcast.

    Raises:
        ValueError: it was not adapted, or inverts.
    """
    if layer.invert or getattr(layer, "mean", None) is None:
        raise ValueError(f"{named(layer)} was not adapted, or inverts.")
    variance = np.asarray(layer.variance, np.float64)[0]
    if not np.isfinite(variance).all() or (variance < 0).any():
        raise ValueError(f"The variance of {named(layer)} is negative or not finite.")
    return 1 / np.maximum(np.sqrt(variance), as_computed(layer, keras.config.epsilon()))


def scaling(factors: np.ndarray, shape: tuple[int, ...]) -> NormBounds:
    """A factor ≥ 0 for every value, broadcast to the input's shape."""
    factors = np.broadcast_to(factors, shape)
    witness = np.zeros(shape)
    witness.flat[factors.argmax()] = 1
    largest = float(factors.max())
    return NormBounds(largest * (1 - 1e-14), largest * (1 + 1e-14), "exact", (witness, np.zeros(shape)))
