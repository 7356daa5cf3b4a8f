"""Lipschitz constants of layers that apply a function to every value, and of softmax."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_intriguing.spectral.bounds import NormBounds
from keras_intriguing.spectral.layer_settings import as_computed, weight
from keras_intriguing.spectral.numerics import slopes
from keras_intriguing.spectral.recognition import named

_STEP = 1e-3  # between the two inputs of an activation's witness


def _attained(slope: slopes.Slope, function: Callable, shape: tuple[int, ...]) -> NormBounds:
    """The slope's bound, and what the function itself does around where its slope is largest."""
    step = np.zeros(shape)
    step.flat[0] = _STEP
    return _between(slope, function, slope.at + step, slope.at - step)


def _between(slope: slopes.Slope, function: Callable, a: np.ndarray, b: np.ndarray) -> NormBounds:
    """The slope's bound, and what the function itself does between two inputs."""
    images = [np.asarray(function(tf.constant(point))) for point in (a, b)]
    ratio = float(np.linalg.norm(images[0] - images[1]) / np.linalg.norm(a - b))
    return NormBounds(min(max(0.0, ratio - 1e-9), slope.bound), slope.bound, "slope", (a, b))


def activation(layer: Any, shape: tuple[int, ...]) -> NormBounds:
    """Of an `Activation` layer."""
    if layer.activation is keras.activations.softmax:
        return _softmax(named(layer), shape)
    return _attained(slopes.activation_slope(layer.activation, named(layer)), layer.activation, shape)


def relu(layer: Any, shape: tuple[int, ...]) -> NormBounds:
    """Of a `ReLU` layer, also leaky or with a largest value."""
    if layer.threshold:
        raise ValueError(f"{named(layer)} has a threshold of {layer.threshold}, where it jumps.")
    return leaky_relu(layer, shape)


def leaky_relu(layer: Any, shape: tuple[int, ...]) -> NormBounds:
    """Of a `LeakyReLU` layer."""
    slope = slopes.leaky_relu_slope(float(as_computed(layer, layer.negative_slope)))
    return _attained(slope, layer.call, shape)


def elu(layer: Any, shape: tuple[int, ...]) -> NormBounds:
    """Of an `ELU` layer."""
    return _attained(slopes.elu_slope(float(as_computed(layer, layer.alpha))), layer.call, shape)


def prelu(layer: Any, shape: tuple[int, ...]) -> NormBounds:
    """Of a `PReLU` layer."""
    alpha = weight(layer, "alpha")
    return _attained(slopes.prelu_slope(alpha), lambda x: tf.where(x > 0, x, alpha * x), shape)


def softmax(layer: Any, shape: tuple[int, ...]) -> NormBounds:
    """Of a `Softmax` layer on the last axis."""
    if layer.axis not in (-1, len(shape)):
        raise ValueError(
            f"{named(layer)} works on axis {layer.axis}; only the last one has a rule. Permute before and after it."
        )
    return _softmax(named(layer), shape)


def _softmax(owner: str, shape: tuple[int, ...]) -> NormBounds:
    if shape[-1] == 1:
        raise ValueError(
            f"{owner} is a softmax of one value, which is always 1. Take it out, or use a sigmoid."
        )
    a, b = (np.full(shape, -100.0) for _ in range(2))  # two classes alike, all others far below
    a[..., :2], b[..., :2] = 0, 0
    a[..., 0] += _STEP
    b[..., 1] += _STEP
    slope = slopes.activation_slope(keras.activations.softmax, owner)
    return _between(slope, keras.activations.softmax, a, b)
