"""What Keras' layers are set to: weights and numbers in float64, sizes and shapes in one order."""

import math
from typing import Any

import numpy as np

from keras_intriguing.spectral.recognition import named

_LARGEST = 1e100  # of weights, whose squares and products of a few layers' are still numbers


def weight(layer: Any, name: str) -> np.ndarray:
    """A layer's weight in float64, exactly.

    Raises:
        ValueError: it is neither float32 nor float64, or not finite, or so large or a kernel so small that norms, their squares
            and products leave the range of float64.
    """
    variable = getattr(layer, name)
    dtype = str(getattr(variable, "dtype", ""))
    if dtype not in ("float32", "float64"):
        raise ValueError(
            f"The layer {layer.name!r} has a {name} of type {dtype}; norms are certified for float32 and float64."
        )
    values = np.asarray(variable, np.float64)
    if not np.isfinite(values).all():
        raise ValueError(f"The {name} of the layer {layer.name!r} is not finite.")
    largest = float(np.abs(values).max(initial=0))
    if largest > _LARGEST or ("kernel" in name and 0 < largest < 1 / _LARGEST):
        raise ValueError(
            f"The {name} of the layer {layer.name!r} has values up to {largest:.2g}; squares and products of norms of that size "
            "leave the range of float64. Scale the layer's weights, for example all by one factor."
        )
    return values


def as_computed(layer: Any, values: Any) -> np.ndarray:
    """Settings of a layer, numbers, as it computes with them: rounded to its precision; then in float64.

    Raises:
        ValueError: they are not finite.
    """
    rounded = np.asarray(np.asarray(values, np.float64).astype(layer.compute_dtype), np.float64)
    if not np.isfinite(rounded).all():
        raise ValueError(f"A setting of {named(layer)} is not finite: {values}.")
    return rounded


def channels_last(layer: Any, input_shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape [*sizes, C] of an input in the layer's own order."""
    if getattr(layer, "data_format", None) == "channels_first":
        return (*input_shape[1:], input_shape[0])
    return tuple(input_shape)


def from_channels_last(layer: Any, x: np.ndarray) -> np.ndarray:
    """An input [*sizes, C] in the layer's own order."""
    return np.moveaxis(x, -1, 0) if getattr(layer, "data_format", None) == "channels_first" else x


def from_shape(layer: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape [*sizes, C] in the layer's own order."""
    return (shape[-1], *shape[:-1]) if getattr(layer, "data_format", None) == "channels_first" else shape


def each(value: Any, rank: int) -> tuple[int, ...]:
    """A setting for every axis, which Keras also takes as one number."""
    return (value,) * rank if isinstance(value, int) else tuple(value)


def output_size(padding: str, size: int, taps: int, stride: int, dilation: int = 1) -> int:
    """How many positions a window has along an axis, by Keras' rules."""
    reach = (taps - 1) * dilation
    return (size - reach - 1) // stride + 1 if padding == "valid" else math.ceil(size / stride)


def zeros_before(padding: str, size: int, outputs: int, taps: int, stride: int, dilation: int) -> int:
    """The zeros before an axis' first value."""
    reach = (taps - 1) * dilation
    if padding == "valid":
        return 0
    if padding == "causal":
        return reach
    return max((outputs - 1) * stride + reach + 1 - size, 0) // 2


def window_before(padding: str, size: int, taps: int, stride: int) -> int:
    """The padding before an axis' first value for a pooling window."""
    return zeros_before(padding, size, output_size(padding, size, taps, stride), taps, stride, 1)
