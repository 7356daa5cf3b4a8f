"""Keras' convolution layers as linear maps in float64."""

from typing import Any

import keras
import numpy as np

from keras_intriguing.spectral.convolutions.convolution import Convolution
from keras_intriguing.spectral.layer_settings import (
    channels_last,
    each,
    from_shape,
    output_size,
    weight,
    zeros_before,
)

L = keras.layers
TRANSPOSED = (L.Conv1DTranspose, L.Conv2DTranspose, L.Conv3DTranspose)
SEPARABLE = (L.SeparableConv1D, L.SeparableConv2D)
DEPTHWISE = (L.DepthwiseConv1D, L.DepthwiseConv2D)
CONVOLUTIONS = (L.Conv1D, L.Conv2D, L.Conv3D, *DEPTHWISE, *SEPARABLE, *TRANSPOSED)


def linear_map(layer: Any, shape: tuple[int, ...]) -> tuple[Convolution, float]:
    """The convolution behind a layer, or behind its adjoint where it is transposed, and a bound on its kernel's error.

    Args:
        layer: of a class in `CONVOLUTIONS`.
        shape: of its input, in its own order.
    """
    last = channels_last(layer, shape)
    if type(layer) in TRANSPOSED:
        return transposed(layer, last), 0.0
    if type(layer) in SEPARABLE:
        return separable(layer, last), separable_error(layer)
    if type(layer) in DEPTHWISE:
        return depthwise(layer, last), 0.0
    return convolution(layer, last), 0.0


def any_shape(layer: Any) -> tuple[int, ...]:
    """An input shape that the layer takes; the supremum over frequencies does not depend on it."""
    if type(layer) in TRANSPOSED:
        channels = layer.kernel.shape[-1]
    elif type(layer) in SEPARABLE:
        channels = layer.depthwise_kernel.shape[-2]
    else:
        channels = layer.kernel.shape[-2] * getattr(layer, "groups", 1)
    taps = layer.kernel_size
    sizes = [(k - 1) * d + 1 for k, d in zip(taps, each(layer.dilation_rate, len(taps)), strict=True)]
    return from_shape(layer, (*sizes, channels))


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
        zeros_before(layer.padding, size, n, k, s, d)
        for size, n, k, s, d in zip(
            sizes, input_shape, kernel.shape, layer.strides, layer.dilation_rate, strict=False
        )
    )
    shape = (*sizes, kernel.shape[-2])
    return Convolution(
        kernel, shape, tuple(input_shape[:-1]), tuple(layer.strides), tuple(layer.dilation_rate), before
    )


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
        before.append(zeros_before(layer.padding, size, n, k, s, d))
    return Convolution(kernel, tuple(input_shape), tuple(sizes), strides, dilation, tuple(before), groups)


def strides_of(layer: Any) -> tuple[int, ...]:
    """A convolution's strides along every axis."""
    return each(layer.strides, len(layer.kernel_size))
