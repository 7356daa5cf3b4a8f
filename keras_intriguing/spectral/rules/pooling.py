"""Constants of pooling, along every axis by itself: a window of several axes is their product."""

import math
from typing import Any

import numpy as np

from keras_intriguing.spectral.bounds import NormBounds
from keras_intriguing.spectral.layer_settings import (
    channels_last,
    from_channels_last,
    output_size,
    window_before,
)
from keras_intriguing.spectral.numerics.matrix import matrix_norm


def average(layer: Any, input_shape: tuple[int, ...]) -> NormBounds:
    """The norm of average pooling: the product of the norms along the axes, a Kronecker product.

    With `same` padding Keras divides by how many values of a window lie inside, which is a product over the
    axes as well.
    """
    sizes = channels_last(layer, input_shape)[:-1]
    axes = zip(sizes, layer.pool_size, layer.strides, strict=True)
    norms = [matrix_norm(averages_along(layer.padding, n, k, s)) for n, k, s in axes]
    return _product(layer, input_shape, [(n.lower, n.upper, n.vector) for n in norms])


def global_average(layer: Any, input_shape: tuple[int, ...]) -> NormBounds:
    """The norm of the mean over all positions: 1/√(their number)."""
    sizes = channels_last(layer, input_shape)[:-1]
    norms = [matrix_norm(np.full((1, n), 1 / n)) for n in sizes]
    return _product(layer, input_shape, [(n.lower, n.upper, n.vector) for n in norms])


def maximum(layer: Any, input_shape: tuple[int, ...]) -> NormBounds:
    """The Lipschitz constant of max pooling: √(the most windows that share an input), attained.

    |max a − max b| over a window is at most |aⱼ − bⱼ| for some j in it; squared and summed over windows, each
    input counts once for every window that holds it. It is attained between 0 and an image that is 1 at an
    input in the most windows. So it is 1 for disjoint windows, 2 for 3×3 windows with stride 2.
    """
    sizes = channels_last(layer, input_shape)[:-1]
    factors = []
    for n, k, s in zip(sizes, layer.pool_size, layer.strides, strict=True):
        windows = windows_along(layer.padding, n, k, s).sum(axis=0)
        one = np.zeros(n)
        one[windows.argmax()] = 1
        factors.append((float(np.sqrt(windows.max())), float(np.sqrt(windows.max())), one))
    return _product(layer, input_shape, factors)


def global_maximum(layer: Any, input_shape: tuple[int, ...]) -> NormBounds:
    """The Lipschitz constant of the maximum over all positions: 1."""
    sizes = channels_last(layer, input_shape)[:-1]
    return _product(layer, input_shape, [(1.0, 1.0, np.eye(n)[0]) for n in sizes])


def windows_along(padding: str, size: int, taps: int, stride: int) -> np.ndarray:
    """Which values every window holds: 0/1 [windows, size]."""
    count = output_size(padding, size, taps, stride)
    if count < 1:
        raise ValueError(f"A pooling window of {taps} does not fit an axis of {size} values.")
    first = np.arange(count)[:, None] * stride - window_before(padding, size, taps, stride)
    at = np.arange(size)
    return ((at >= first) & (at < first + taps)).astype(float)


def averages_along(padding: str, size: int, taps: int, stride: int) -> np.ndarray:
    """Average pooling along an axis: a matrix [windows, size]."""
    windows = windows_along(padding, size, taps, stride)
    return windows / windows.sum(axis=1, keepdims=True)


def _product(
    layer: Any, input_shape: tuple[int, ...], factors: list[tuple[float, float, np.ndarray]]
) -> NormBounds:
    witness = np.ones(())
    for _, _, vector in factors:
        witness = np.multiply.outer(witness, vector)
    channels = channels_last(layer, input_shape)[-1]
    witness = np.multiply.outer(witness, np.eye(channels)[0])
    lower = math.prod(low for low, _, _ in factors)
    upper = math.prod(high for _, high, _ in factors)
    roundings = 1 + 4 * len(factors) * 2.0**-53
    witness = from_channels_last(layer, witness)
    return NormBounds(lower / roundings, upper * roundings, "axis by axis", (witness, np.zeros_like(witness)))
