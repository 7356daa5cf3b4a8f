"""Constants of operations that join tensors, or a tensor and constants."""

import math
from collections.abc import Callable, Sequence

import keras
import numpy as np

from keras_intriguing.spectral.graph import Node
from keras_intriguing.spectral.recognition import named, operation_class

L, ops = keras.layers, keras.ops
Merge = Callable[[Node, Sequence[float]], float]
_ONE_BIT = 1 + 2.0**-50  # for every sum or product of a few numbers


def _sum(node: Node, constants: Sequence[float]) -> float:
    return sum(_broadcast(node, constants)) * _ONE_BIT


def _average(node: Node, constants: Sequence[float]) -> float:
    return _sum(node, constants) / len(node.operands) * _ONE_BIT


def _largest(node: Node, constants: Sequence[float]) -> float:
    """Where the larger of two is taken, the change is at most the larger of both changes."""
    return math.sqrt(sum(constant**2 for constant in _broadcast(node, constants))) * _ONE_BIT


def _concatenation(node: Node, constants: Sequence[float]) -> float:
    axis = node.operation.axis
    if axis % (len(node.shape) + 1) == 0:
        raise ValueError(f"{named(node.operation)} joins the images of a batch.")
    return math.sqrt(sum(constant**2 for constant in constants)) * _ONE_BIT


def _product(node: Node, constants: Sequence[float]) -> float:
    """Of one tensor with constants: the largest √(Σ factor²) over what becomes of a value."""
    if len(constants) != 1:
        raise ValueError(
            f"{named(node.operation)} multiplies {len(constants)} tensors, which has no Lipschitz constant."
        )
    factor = np.ones(())
    for operand in node.operands:
        factor = factor if isinstance(operand, int) else factor * operand
    return constants[0] * _scaled(node, factor)


def _quotient(node: Node, constants: Sequence[float]) -> float:
    first, divisor = node.operands
    if not isinstance(first, int) or isinstance(divisor, int) or not divisor.all():
        raise ValueError(
            f"{named(node.operation)} has a Lipschitz constant only where a tensor is divided by numbers that are not zero."
        )
    return constants[0] * _scaled(node, 1 / divisor)


def _scaled(node: Node, factor: np.ndarray) -> float:
    _check_rank(node)
    squares = np.broadcast_to(factor**2, node.shape)
    repeated = tuple(i for i, size in enumerate(node.input_shapes[0]) if size != node.shape[i])
    return math.sqrt(float(squares.sum(axis=repeated).max())) * (1 + 2.0**-50 * (4 + squares.size))


def _broadcast(node: Node, constants: Sequence[float]) -> list[float]:
    """The constants of the tensors once they have the output's shape: times √ of how often every value stands there."""
    _check_rank(node)
    repeated = [math.prod(node.shape) / math.prod(shape) for shape in node.input_shapes]
    return [
        constant * math.sqrt(times) * _ONE_BIT for constant, times in zip(constants, repeated, strict=True)
    ]


def _check_rank(node: Node) -> None:
    for shape in node.input_shapes:
        if None in (*shape, *node.shape):
            raise ValueError(
                f"{named(node.operation)} takes a tensor of unknown sizes {shape}; give numbers."
            )
        if len(shape) != len(node.shape):
            raise ValueError(
                f"{named(node.operation)} broadcasts a tensor of shape {shape} to {node.shape}, with another number of axes. "
                "Reshape it first."
            )


MERGES: dict[type, Merge] = {
    L.Add: _sum,
    L.Subtract: _sum,
    L.Average: _average,
    L.Maximum: _largest,
    L.Minimum: _largest,
    L.Concatenate: _concatenation,
    operation_class(lambda x: ops.add(x, 1.0), (1, 1)): _sum,
    operation_class(lambda x: ops.subtract(x, 1.0), (1, 1)): _sum,
    operation_class(lambda x: ops.maximum(x, 1.0), (1, 1)): _largest,
    operation_class(lambda x: ops.minimum(x, 1.0), (1, 1)): _largest,
    operation_class(lambda x: ops.multiply(x, 1.0), (1, 1)): _product,
    operation_class(lambda x: ops.true_divide(x, 1.0), (1, 1)): _quotient,
    operation_class(lambda x: ops.divide(x, 1.0), (1, 1)): _quotient,
    operation_class(lambda x: ops.concatenate([x, x]), (1, 1)): _concatenation,
}
"""By the class of the layer or operation."""

MERGING_LAYERS = ", ".join(sorted(kind.__name__ for kind in MERGES if issubclass(kind, L.Layer)))
"""Those of them that are layers, for messages."""
