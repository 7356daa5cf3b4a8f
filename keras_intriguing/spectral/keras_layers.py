"""Keras' convolutions and dense layers as linear maps in float64."""

import math
from typing import Any

import numpy as np

from keras_intriguing.spectral.convolutions.convolution import Convolution


def named(layer: Any) -> str:
    """A layer in a message: its name and class."""
    return f"the layer {getattr(layer, 'name', layer)!r} of class {type(layer).__name__}"


def weight(layer: Any, name: str) -> np.ndarray:
    """A layer's weight in float64, exactly.

    Raises:
        ValueError: it is neither float32 nor float64, or not finite.
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
    return values


def channels_last(layer: Any, input_shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape [*sizes, C] of an input in the layer's own order."""
    if getattr(layer, "data_format", None) == "channels_first":
        return (*input_shape[1:], input_shape[0])
    return tuple(input_shape)


def from_channels_last(layer: Any, x: np.ndarray) -> np.ndarray:
    """An input [*sizes, C] in the layer's own order."""
    return np.moveaxis(x, -1, 0) if getattr(layer, "data_format", None) == "channels_first" else x


def convolution(layer: Any, input_shape: tuple[int, ...]) -> Convolution:
    """Of Conv1D, Conv2D or Conv3D, for inputs [*sizes, C]."""
    return _forward(layer, weight(layer, "kernel"), input_shape, layer.groups)


def depthwise(layer: Any, input_shape: tuple[int, ...]) -> Convolution:
    """Of DepthwiseConv1D or DepthwiseConv2D: a group for every channel."""
    kernel = weight(layer, "kernel")
    *taps, channels, multiplier = kernel.shape
    return _forward(layer, kernel.reshape(*taps, 1, channels * multiplier), input_shape, channels)


def separable(layer: Any, input_shape: tuple[int, ...]) -> Convolution:
    """Of SeparableConv1D or SeparableConv2D: both steps multiplied out, to rounding (see `separable_error`)."""
    first, second = weight(layer, "depthwise_kernel"), weight(layer, "pointwise_kernel")
    return _forward(layer, _multiplied(first, second), input_shape, 1)


def separable_error(layer: Any) -> float:
    """A bound on the operator norm of what rounding does to the kernel that `separable` multiplies out."""
    first, second = np.abs(weight(layer, "depthwise_kernel")), np.abs(weight(layer, "pointwise_kernel"))
    product = _multiplied(first, second)
    taps = product.reshape(-1, *product.shape[-2:])
    return (first.shape[-1] + 2) * 2.0**-52 * float(np.linalg.norm(taps, axis=(1, 2)).sum())


def _multiplied(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    second = second.reshape(first.shape[-2], first.shape[-1], -1)
    return np.einsum("...cm,cmo->...co", first, second)


def transposed(layer: Any, input_shape: tuple[int, ...]) -> Convolution:
    """The convolution whose adjoint a ConvNDTranspose layer is, for that layer's inputs [*sizes, C]."""
    kernel = weight(layer, "kernel")
    output = layer.compute_output_shape((1, *from_shape(layer, input_shape)))[1:]
    sizes = channels_last(layer, tuple(output))[:-1]
    if min(sizes) < 1:
        raise ValueError(f"The layer {layer.name!r} has no output for the input shape {tuple(input_shape)}.")
    before = tuple(
        _before(layer.padding, size, n, k, s, d)
        for size, n, k, s, d in zip(
            sizes, input_shape, kernel.shape, layer.strides, layer.dilation_rate, strict=False
        )
    )
    shape = (*sizes, kernel.shape[-2])
    return Convolution(
        kernel, shape, tuple(input_shape[:-1]), tuple(layer.strides), tuple(layer.dilation_rate), before
    )


def from_shape(layer: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape [*sizes, C] in the layer's own order."""
    return (shape[-1], *shape[:-1]) if getattr(layer, "data_format", None) == "channels_first" else shape


def _forward(layer: Any, kernel: np.ndarray, input_shape: tuple[int, ...], groups: int) -> Convolution:
    if kernel.shape[-2] * groups != input_shape[-1]:
        raise ValueError(
            f"The layer {layer.name!r} takes {kernel.shape[-2] * groups} channels, but the input shape "
            f"{tuple(input_shape)} has {input_shape[-1]}."
        )
    sizes, before = [], []
    strides, dilation = each(layer.strides, kernel.ndim - 2), each(layer.dilation_rate, kernel.ndim - 2)
    for size, k, s, d in zip(input_shape, kernel.shape, strides, dilation, strict=False):
        n = output_size(layer.padding, size, k, s, d)
        if n < 1:
            raise ValueError(
                f"The layer {layer.name!r} has a kernel of {(k - 1) * d + 1} along an axis of {size} values."
            )
        sizes.append(n)
        before.append(_before(layer.padding, size, n, k, s, d))
    return Convolution(kernel, tuple(input_shape), tuple(sizes), strides, dilation, tuple(before), groups)


def strides_of(layer: Any) -> tuple[int, ...]:
    """A convolution's strides along every axis."""
    return each(layer.strides, len(layer.kernel_size))


def each(value: Any, rank: int) -> tuple[int, ...]:
    """A setting for every axis, which Keras also takes as one number."""
    return (value,) * rank if isinstance(value, int) else tuple(value)


def output_size(padding: str, size: int, taps: int, stride: int, dilation: int = 1) -> int:
    """How many positions a window has along an axis, by Keras' rules."""
    reach = (taps - 1) * dilation
    return (size - reach - 1) // stride + 1 if padding == "valid" else math.ceil(size / stride)


def _before(padding: str, size: int, outputs: int, taps: int, stride: int, dilation: int) -> int:
    """The zeros before an axis' first value."""
    reach = (taps - 1) * dilation
    if padding == "valid":
        return 0
    if padding == "causal":
        return reach
    return max((outputs - 1) * stride + reach + 1 - size, 0) // 2


def window_before(padding: str, size: int, taps: int, stride: int) -> int:
    """The padding before an axis' first value for a pooling window."""
    return _before(padding, size, output_size(padding, size, taps, stride), taps, stride, 1)
