"""Lipschitz constants of layers that treat every value alone, or only move values."""

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_intriguing.spectral import keras_layers
from keras_intriguing.spectral.bounds import NormBounds
from keras_intriguing.spectral.numerics import slopes

L = keras.layers

_STEP = 1e-3  # between the two inputs of an activation's witness


def batch_normalization(layer: Any, shape: tuple[int, ...]) -> NormBounds:
    """Max |γ| / √(variance + ε), of inference."""
    variance = keras_layers.weight(layer, "moving_variance")
    scale = keras_layers.weight(layer, "gamma") if layer.scale else np.ones_like(variance)
    if (variance + layer.epsilon <= 0).any():
        raise ValueError(f"The variance of {keras_layers.named(layer)} is negative.")
    factors = np.abs(scale) / np.sqrt(variance + layer.epsilon)
    axis = layer.axis if layer.axis >= 0 else layer.axis + len(shape) + 1  # counted with the batch axis
    if factors.size != shape[axis - 1]:
        raise ValueError(f"{factors.size} channels, but the input shape is {shape}.")
    return _scaling(factors.reshape((-1, *(1,) * (len(shape) - axis))), shape)


def rescaling(layer: Any, shape: tuple[int, ...]) -> NormBounds:
    """The largest |scale|, which may differ between channels."""
    return _scaling(np.abs(np.asarray(layer.scale, np.float64)), shape)


def _scaling(factors: np.ndarray, shape: tuple[int, ...]) -> NormBounds:
    """A factor for every value, broadcast to the input's shape."""
    factors = np.broadcast_to(factors, shape)
    witness = np.zeros(shape)
    witness.flat[factors.argmax()] = 1
    largest = float(factors.max())
    return NormBounds(largest * (1 - 1e-14), largest * (1 + 1e-14), "exact", (witness, np.zeros(shape)))


def isometry(layer: Any, shape: tuple[int, ...]) -> NormBounds:
    """Layers that only move, drop or add zeros: no distance grows, and that of one inner value is kept."""
    witness = np.zeros(shape)
    witness[tuple(size // 2 for size in shape)] = 1
    kept = float(np.linalg.norm(np.asarray(layer(witness[None].astype(np.float32), training=False))))
    return NormBounds(min(1.0, kept), 1.0, "exact", (witness, np.zeros(shape)) if kept else None)


def repetition(layer: Any, shape: tuple[int, ...]) -> NormBounds:
    """Every value is repeated equally often; nearest-neighbour upsampling."""
    if getattr(layer, "interpolation", "nearest") != "nearest":
        raise ValueError(
            f"{keras_layers.named(layer)} interpolates; only nearest-neighbour upsampling has a rule."
        )
    times = layer.n if isinstance(layer, L.RepeatVector) else math.prod(keras_layers.each(layer.size, 1))
    witness = np.zeros(shape)
    witness.flat[0] = 1
    return NormBounds(math.sqrt(times), math.sqrt(times), "exact", (witness, np.zeros(shape)))


def activation(slope: slopes.Slope, function: Callable, shape: tuple[int, ...]) -> NormBounds:
    """The slope's bound, and what the function itself does around where its slope is largest."""
    step = np.zeros(shape)
    step.flat[0] = _STEP
    a, b = slope.at + step, slope.at - step
    if slope is slopes.of_function(keras.activations.softmax, ""):  # two classes alike, all others far below
        a, b = (np.full(shape, -100.0) for _ in range(2))
        a[..., :2], b[..., :2] = 0, 0
        a[..., 0] += _STEP
        b[..., 1] += _STEP
    images = [np.asarray(function(tf.constant(point))) for point in (a, b)]
    ratio = float(np.linalg.norm(images[0] - images[1]) / np.linalg.norm(a - b))
    return NormBounds(min(max(0.0, ratio - 1e-9), slope.bound), slope.bound, "slope", (a, b))


def of_activation(layer: Any, shape: tuple[int, ...]) -> NormBounds:
    """Of an `Activation` layer."""
    return activation(
        slopes.of_function(layer.activation, keras_layers.named(layer)), layer.activation, shape
    )


def of_relu(layer: Any, shape: tuple[int, ...]) -> NormBounds:
    """Of a `ReLU` layer, also leaky or with a largest value."""
    if layer.threshold:
        raise ValueError(f"{keras_layers.named(layer)} has a threshold of {layer.threshold}, where it jumps.")
    return activation(slopes.of_leaky(float(layer.negative_slope)), layer.call, shape)


def of_softmax(layer: Any, shape: tuple[int, ...]) -> NormBounds:
    """Of a `Softmax` layer on the last axis."""
    if layer.axis not in (-1, len(shape)):
        raise ValueError(
            f"{keras_layers.named(layer)} works on axis {layer.axis}; only the last one has a rule."
        )
    return activation(slopes.of_function(keras.activations.softmax, ""), layer.call, shape)
