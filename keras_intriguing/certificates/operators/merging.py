"""Layers and operations that join tensors, or a tensor and constants."""

from collections.abc import Callable

import numpy as np

from keras_intriguing.certificates.circuit import Circuit
from keras_intriguing.certificates.operators.moving import broadcast
from keras_intriguing.spectral.graph import Node
from keras_intriguing.spectral.recognition import named


def _checked(node: Node, circuit: Circuit) -> None:
    circuit.constants.of_node(node, [1.0] * len(node.sources))  # refuses what has no constant


def added(*signs: float) -> Callable[[Node, Circuit, list[int]], int]:
    """A rule for sums with these signs, the last for all further operands."""

    def rule(node: Node, circuit: Circuit, sources: list[int]) -> int:
        _checked(node, circuit)
        of_operands = [signs[min(i, len(signs) - 1)] for i in range(len(node.operands))]
        return _sum(node, circuit, sources, of_operands)

    return rule


def average(node: Node, circuit: Circuit, sources: list[int]) -> int:
    """The mean of tensors."""
    _checked(node, circuit)
    return _sum(node, circuit, sources, [1 / len(node.operands)] * len(node.operands))


def _sum(node: Node, circuit: Circuit, sources: list[int], signs: list[float]) -> int:
    bias = np.zeros(())
    tensors, of_tensors = [], []
    left = iter(sources)
    for sign, operand in zip(signs, node.operands, strict=True):
        if isinstance(operand, int):
            tensors.append(broadcast(circuit, next(left), node.shape))
            of_tensors.append(sign)
        else:
            bias = bias + sign * operand
    if len(tensors) == 1:
        return circuit.scaled(tensors[0], of_tensors[0], bias)
    position = circuit.total(tensors, of_tensors)
    return circuit.scaled(position, 1.0, bias) if bias.any() else position


def product(node: Node, circuit: Circuit, sources: list[int]) -> int:
    """A tensor times constants."""
    _checked(node, circuit)
    factor = np.ones(())
    for operand in node.operands:
        factor = factor if isinstance(operand, int) else factor * operand
    return circuit.scaled(broadcast(circuit, sources[0], node.shape), factor)


def quotient(node: Node, circuit: Circuit, sources: list[int]) -> int:
    """A tensor divided by constants."""
    _checked(node, circuit)
    return circuit.scaled(broadcast(circuit, sources[0], node.shape), 1 / node.operands[1])


def concatenation(node: Node, circuit: Circuit, sources: list[int]) -> int:
    """Tensors side by side.

    Raises:
        ValueError: one of them is a constant.
    """
    _checked(node, circuit)
    if len(sources) < len(node.operands):
        raise ValueError(f"{named(node.operation)} joins a constant, for which there is no rule.")
    return circuit.concatenation(sources, node.operation.axis % (len(node.shape) + 1) - 1)


def maximum(node: Node, circuit: Circuit, sources: list[int]) -> int:
    """The larger of tensors and constants."""
    _checked(node, circuit)
    return _largest(node, circuit, _operands(node, circuit, sources))


def minimum(node: Node, circuit: Circuit, sources: list[int]) -> int:
    """The smaller of tensors and constants."""
    _checked(node, circuit)
    opposite = [circuit.scaled(position, -1.0) for position in _operands(node, circuit, sources)]
    return circuit.scaled(_largest(node, circuit, opposite), -1.0)


def _operands(node: Node, circuit: Circuit, sources: list[int]) -> list[int]:
    """The positions of all operands in the result's shape; a constant is a tensor times 0, plus the constant."""
    left = iter(sources)
    tensors = [
        broadcast(circuit, next(left), node.shape) for operand in node.operands if isinstance(operand, int)
    ]
    constants = [operand for operand in node.operands if not isinstance(operand, int)]
    return [*tensors, *(circuit.scaled(tensors[0], 0.0, constant) for constant in constants)]


def _largest(node: Node, circuit: Circuit, positions: list[int]) -> int:
    apart = [
        circuit.linear(position, (*node.shape, 1), lambda weights, x: x[..., None]) for position in positions
    ]
    return circuit.maximum(circuit.concatenation(apart, len(node.shape)))
