"""Activation functions, in layers of their own and as settings of others."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_intriguing.certificates.circuit import Circuit
from keras_intriguing.certificates.steps.curves import CURVES, Curve, PiecewiseLinear, elu
from keras_intriguing.spectral.graph import Node
from keras_intriguing.spectral.layer_settings import as_computed, weight
from keras_intriguing.spectral.numerics.slopes import activation_slope
from keras_intriguing.spectral.recognition import named, operation_class

_BY_FUNCTION = {getattr(keras.activations, name): curve for name, curve in CURVES.items()}
_BY_OPERATION = {
    operation_class(getattr(keras.ops, name), (1, 1)): CURVES[name]
    for name in ("relu", "relu6", "sigmoid", "tanh", "softplus", "silu", "hard_tanh", "softsign")
}


def activated(layer: Any, circuit: Circuit, position: int) -> int:
    """A step's values behind a layer's own activation."""
    return _applied(layer.activation, named(layer), circuit, position)


def activation(node: Node, circuit: Circuit, sources: list[int]) -> int:
    """Of an `Activation` layer."""
    return _applied(node.operation.activation, named(node.operation), circuit, sources[0])


def _applied(function: Callable, owner: str, circuit: Circuit, position: int) -> int:
    if function is keras.activations.linear:
        return position
    curve = next((curve for known, curve in _BY_FUNCTION.items() if known is function), None)
    if curve is not None:
        return circuit.activation(position, curve)
    constant = activation_slope(function, owner).bound

    def values(x: tf.Tensor) -> tf.Tensor:
        return function(tf.cast(x, tf.float32))

    return circuit.lipschitz(position, circuit.shape(position), values, constant)


def operation(node: Node, circuit: Circuit, sources: list[int]) -> int:
    """Of an operation of `keras.ops`."""
    return circuit.activation(sources[0], _BY_OPERATION[type(node.operation)])


OPERATIONS = tuple(_BY_OPERATION)


def leaky_relu(node: Node, circuit: Circuit, sources: list[int]) -> int:
    """Of a `LeakyReLU` layer."""
    return circuit.activation(
        sources[0], _leaky(float(as_computed(node.operation, node.operation.negative_slope)))
    )


def relu(node: Node, circuit: Circuit, sources: list[int]) -> int:
    """Of a `ReLU` layer, also leaky or with a largest value."""
    layer = node.operation
    below = float(as_computed(layer, layer.negative_slope))
    if layer.max_value is None:
        return circuit.activation(sources[0], _leaky(below))
    most = float(as_computed(layer, layer.max_value))
    return circuit.activation(sources[0], PiecewiseLinear([0.0, most], [below, 1.0, 0.0]))


def elu_layer(node: Node, circuit: Circuit, sources: list[int]) -> int:
    """Of an `ELU` layer."""
    return circuit.activation(sources[0], elu(float(as_computed(node.operation, node.operation.alpha))))


def prelu(node: Node, circuit: Circuit, sources: list[int]) -> int:
    """Of a `PReLU` layer: a slope for every value."""
    return circuit.activation(sources[0], PiecewiseLinear([0.0], [weight(node.operation, "alpha"), 1.0]))


def _leaky(below: float) -> Curve:
    return PiecewiseLinear([0.0], [below, 1.0])


def absolute(node: Node, circuit: Circuit, sources: list[int]) -> int:
    """|x|."""
    return circuit.activation(sources[0], PiecewiseLinear([0.0], [-1.0, np.float64(1.0)]))
