"""Constants of operations of `keras.ops` on one tensor."""

import math
from collections.abc import Callable

import keras

from keras_intriguing.spectral.graph import Node
from keras_intriguing.spectral.numerics import slopes
from keras_intriguing.spectral.recognition import named, operation_class

ops = keras.ops


def _unchanged(node: Node) -> float:
    return 1.0


def _moved(node: Node) -> float:
    """Values that are moved within their image."""
    source, axes = node.input_shapes[0], getattr(node.operation, "axes", (0,))
    if None in (*source, *node.shape):
        raise ValueError(f"{named(node.operation)} takes a tensor of unknown sizes {source}; give numbers.")
    if math.prod(source) != math.prod(node.shape) or axes is None or axes[0] != 0:
        raise ValueError(f"{named(node.operation)} moves values from one image of a batch to another.")
    return 1.0


def _softmax(node: Node) -> float:
    if node.operation.axis not in (-1, len(node.shape)):
        raise ValueError(
            f"{named(node.operation)} works on axis {node.operation.axis}; only the last one has a rule. "
            "Permute before and after it."
        )
    return slopes.activation_slope(keras.activations.softmax, named(node.operation)).bound


def _slope_of(function: Callable) -> Callable[[Node], float]:
    return lambda node: slopes.activation_slope(function, named(node.operation)).bound


OPERATIONS: dict[type, Callable[[Node], float]] = {
    operation_class(ops.negative, (1, 1)): _unchanged,
    operation_class(ops.absolute, (1, 1)): _unchanged,
    operation_class(lambda x: ops.reshape(x, (1, 1)), (1, 1)): _moved,
    operation_class(ops.transpose, (1, 1)): _moved,
    operation_class(ops.squeeze, (1, 1)): _moved,
    operation_class(lambda x: ops.expand_dims(x, 1), (1, 1)): _moved,
    operation_class(ops.softmax, (1, 2)): _softmax,
    **{
        operation_class(getattr(ops, name), (1, 1)): _slope_of(getattr(keras.activations, name))
        for name in (
            "relu",
            "relu6",
            "sigmoid",
            "tanh",
            "softplus",
            "silu",
            "hard_sigmoid",
            "hard_tanh",
            "softsign",
        )
    },
}
"""By the class of the operation."""
