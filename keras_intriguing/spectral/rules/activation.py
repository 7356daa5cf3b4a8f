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
    a, b = slope.at + step, slope.at - step
    if slope is slopes.activation_slope(
        keras.activations.softmax, ""
    ):  # two classes alike, all others far below
        a, b = (np.full(shape, -100.0) for _ in range(2))
        a[..., :2], b[..., :2] = 0, 0
        a[..., 0] += _STEP
        b[..., 1] += _STEP
    images = [np.asarray(function(tf.constant(point))) for point in (a, b)]
    ratio = float(np.linalg.norm(images[0] - images[1]) / np.linalg.norm(a - b))
    return NormBounds(min(max(0.0, ratio - 1e-9), slope.bound), slope.bound, "slope", (a, b))


def activation(layer: Any, shape: tuple[int, ...]) -> NormBounds:
    """Of an `Activation` layer."""
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
        raise ValueError(f"{named(layer)} works on axis {layer.axis}; only the last one has a rule.")
    return _attained(slopes.activation_slope(keras.activations.softmax, ""), layer.call, shape)
