"""Dense layers."""

import numpy as np
import tensorflow as tf

from keras_intriguing.certificates.circuit import Circuit
from keras_intriguing.certificates.operators.activation import activated
from keras_intriguing.spectral.graph import Node
from keras_intriguing.spectral.layer_settings import weight


def dense(node: Node, circuit: Circuit, sources: list[int], with_activation: bool = True) -> int:
    """x·kernel + bias on the last axis, and the layer's own activation."""
    layer = node.operation
    bias = weight(layer, "bias") if layer.use_bias else np.zeros(())
    norm = circuit.constants.layer_bounds(layer, node.input_shapes[0]).bounds.upper
    kernel = weight(layer, "kernel")
    position = circuit.linear(sources[0], node.shape, _product, [kernel], bias, norm)
    return activated(layer, circuit, position) if with_activation else position


def _product(weights: tuple[tf.Tensor, ...], x: tf.Tensor) -> tf.Tensor:
    return tf.tensordot(x, weights[0], 1)


def einsum_dense(node: Node, circuit: Circuit, sources: list[int]) -> int:
    """einsum(equation, x, kernel) + bias, and the layer's own activation."""
    layer = node.operation
    bias = weight(layer, "bias") if layer.bias_axes else np.zeros(())
    norm = circuit.constants.layer_bounds(layer, node.input_shapes[0]).bounds.upper
    equation = layer.equation
    operands, outputs = equation.replace(" ", "").split("->")
    inputs, weights = operands.split(",")
    kernel = weight(layer, "kernel")
    # an index of the kernel alone is summed: so that every entry of the matrix is one weight
    alone = [index for index in weights if index not in inputs + outputs]
    kernel = kernel.sum(axis=tuple(weights.index(index) for index in alone))
    kept = "".join(index for index in weights if index not in alone)

    def apply(of_kernel: tuple[tf.Tensor, ...], x: tf.Tensor) -> tf.Tensor:
        return tf.einsum(f"{inputs},{kept}->{outputs}", x, of_kernel[0])

    position = circuit.linear(sources[0], node.shape, apply, [kernel], bias, norm)
    return activated(layer, circuit, position)
