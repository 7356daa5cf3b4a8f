"""Layers that move, drop or repeat values; average pooling, which adds up some."""

import math

import keras
import tensorflow as tf

from keras_intriguing.certificates.circuit import Circuit
from keras_intriguing.spectral.graph import Node

L = keras.layers


def unchanged(node: Node, circuit: Circuit, sources: list[int]) -> int:
    """Layers that do nothing in inference."""
    return sources[0]


def moved(node: Node, circuit: Circuit, sources: list[int]) -> int:
    """Layers that only move, drop or add zeros, by their own call."""
    return circuit.linear(sources[0], node.shape, _own(node))


def summed(node: Node, circuit: Circuit, sources: list[int]) -> int:
    """Average pooling and repetition, by their own call; no entry of their matrices is above 1."""
    norm = circuit.constants.layer_bounds(node.operation, node.input_shapes[0]).bounds.upper
    return circuit.linear(sources[0], node.shape, _own(node), norm=norm)


def _own(node: Node):
    call, shape = node.operation.call, node.shape

    def apply(weights: tuple[tf.Tensor, ...], x: tf.Tensor) -> tf.Tensor:
        return tf.reshape(call(x), (-1, *shape))

    return apply


def reshaped(node: Node, circuit: Circuit, sources: list[int]) -> int:
    """Operations that give an image's values another shape, in the same order."""
    circuit.constants.of_node(node, [1.0])  # refuses what mixes images
    return circuit.linear(sources[0], node.shape, lambda weights, x: tf.reshape(x, (-1, *node.shape)))


def transposed(node: Node, circuit: Circuit, sources: list[int]) -> int:
    """Operations that change the order of an image's axes."""
    circuit.constants.of_node(node, [1.0])
    axes = tuple(node.operation.axes)
    return circuit.linear(sources[0], node.shape, lambda weights, x: tf.transpose(x, axes))


def broadcast(circuit: Circuit, source: int, shape: tuple[int, ...]) -> int:
    """Values repeated along axes of size 1."""
    if circuit.shape(source) == tuple(shape):
        return source
    times = math.prod(shape) / circuit.size(source)

    def apply(weights: tuple[tf.Tensor, ...], x: tf.Tensor) -> tf.Tensor:
        return x + tf.zeros((1, *shape), x.dtype)

    return circuit.linear(source, shape, apply, norm=math.sqrt(times) * (1 + 1e-14))
