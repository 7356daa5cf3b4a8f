"""Convolutions with all their options, by TensorFlow's own; nowhere is there a matrix."""

from typing import Any

import numpy as np
import tensorflow as tf

from keras_intriguing.certificates.circuit import Circuit
from keras_intriguing.certificates.operators.activation import activated
from keras_intriguing.spectral.convolutions.convolution import Convolution
from keras_intriguing.spectral.convolutions.layers import TRANSPOSED, linear_map
from keras_intriguing.spectral.graph import Node
from keras_intriguing.spectral.layer_settings import weight


def convolution(node: Node, circuit: Circuit, sources: list[int]) -> int:
    """Of a Conv, DepthwiseConv, SeparableConv or ConvTranspose layer, and its own activation."""
    layer = node.operation
    operator, _ = linear_map(layer, node.input_shapes[0])
    norm = circuit.constants.layer_bounds(layer, node.input_shapes[0]).bounds.upper
    first = layer.data_format == "channels_first"
    rank = len(operator.strides)
    to_last, to_first = (0, *range(2, rank + 2), 1), (0, rank + 1, *range(1, rank + 1))
    adjoint = type(layer) in TRANSPOSED
    kernel = _spread(operator)

    def apply(weights: tuple[tf.Tensor, ...], x: tf.Tensor) -> tf.Tensor:
        x = tf.transpose(x, to_last) if first else x
        y = _adjoint(operator, weights[0], x) if adjoint else _convolved(operator, weights[0], x)
        return tf.transpose(y, to_first) if first else y

    position = circuit.linear(sources[0], node.shape, apply, [kernel], _bias(layer, rank), norm)
    return activated(layer, circuit, position)


def _bias(layer: Any, rank: int) -> np.ndarray:
    if not layer.use_bias:
        return np.zeros(())
    bias = weight(layer, "bias")
    return bias.reshape(-1, *[1] * rank) if layer.data_format == "channels_first" else bias


def _spread(operator: Convolution) -> np.ndarray:
    """The kernel with zeros between its taps in place of dilation."""
    sizes = [e + 1 for e in operator.extent]
    kernel = np.zeros((*sizes, *operator.kernel.shape[-2:]))
    kernel[tuple(slice(None, None, d) for d in operator.dilation)] = operator.kernel
    return kernel


def _convolved(operator: Convolution, kernel: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """[N, *sizes, C_in] to [N, *sizes, C_out]."""
    x = tf.pad(x, [(0, 0), *_padding(operator), (0, 0)])
    groups = operator.groups
    if groups == 1:
        return _plain(operator, kernel, x)
    if operator.kernel.shape[-2] == 1 and len(operator.strides) == 2 and len(set(operator.strides)) == 1:
        by_channel = tf.reshape(kernel, (*kernel.shape[:2], groups, -1))
        return tf.nn.depthwise_conv2d(x, by_channel, (1, *operator.strides, 1), "VALID")
    parts = zip(tf.split(x, groups, axis=-1), tf.split(kernel, groups, axis=-1), strict=True)
    return tf.concat([_plain(operator, part_kernel, part) for part, part_kernel in parts], axis=-1)


def _padding(operator: Convolution) -> list[tuple[int, int]]:
    axes = zip(
        operator.output_sizes,
        operator.strides,
        operator.extent,
        operator.before,
        operator.input_shape,
        strict=False,
    )
    return [(before, max(0, (n - 1) * s + e + 1 - before - size)) for n, s, e, before, size in axes]


def _plain(operator: Convolution, kernel: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    rank, strides = len(operator.strides), operator.strides
    if rank == 1:
        return tf.nn.conv2d(x[:, None], kernel[None], (1, 1, strides[0], 1), "VALID")[:, 0]
    if rank == 2:
        return tf.nn.conv2d(x, kernel, (1, *strides, 1), "VALID")
    return tf.nn.conv3d(x, kernel, (1, *strides, 1), "VALID")


def _adjoint(operator: Convolution, kernel: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """[N, *sizes, C_out] to [N, *sizes, C_in]."""
    x = tf.zeros((tf.shape(y)[0], *operator.input_shape), y.dtype)
    with tf.GradientTape() as tape:
        tape.watch(x)
        image = _convolved(operator, kernel, x)
    return tape.gradient(image, x, output_gradients=y)
