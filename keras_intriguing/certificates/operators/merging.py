"""Layers and operations that join tensors, or a tensor and constants."""

from collections.abc import Callable

import numpy as np

from keras_intriguing.certificates.circuit import Circuit
from keras_intriguing.certificates.operators.moving import broadcast
from keras_intriguing.spectral.graph import Node


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
    """Tensors side by side."""
    _checked(node, circuit)
    return circuit.concatenation(sources, node.operation.axis % (len(node.shape) + 1) - 1)


def maximum(node: Node, circuit: Circuit, sources: list[int]) -> int:
    """The larger of tensors."""
    _checked(node, circuit)
    return _largest(node, circuit, sources)


def minimum(node: Node, circuit: Circuit, sources: list[int]) -> int:
    """The smaller of tensors."""
    _checked(node, circuit)
    return circuit.scaled(_largest(node, circuit, [circuit.scaled(s, -1.0) for s in sources]), -1.0)


def _largest(node: Node, circuit: Circuit, sources: list[int]) -> int:
    apart = [
        circuit.linear(broadcast(circuit, s, node.shape), (*node.shape, 1), lambda weights, x: x[..., None])
        for s in sources
    ]
    return circuit.maximum(circuit.concatenation(apart, len(node.shape)))
