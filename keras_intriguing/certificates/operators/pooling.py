"""Max pooling, the largest of every window; average pooling of volumes."""

import functools
import math
from typing import Any

import numpy as np
import tensorflow as tf

from keras_intriguing.certificates.circuit import Circuit
from keras_intriguing.spectral.graph import Node
from keras_intriguing.spectral.layer_settings import channels_last
from keras_intriguing.spectral.rules.pooling import averages_along, windows_along


def max_pooling(node: Node, circuit: Circuit, sources: list[int]) -> int:
    """Of a MaxPooling or GlobalMaxPooling layer."""
    layer, shape = node.operation, node.input_shapes[0]
    sizes = channels_last(layer, shape)[:-1]
    first = layer.data_format == "channels_first"
    windows = _windows(layer, sizes)
    outputs, taps = windows.shape[:-1], windows.shape[-1]
    channels = channels_last(layer, shape)[-1]
    flat, rank = windows.ravel(), len(sizes)

    def apply(weights: tuple[tf.Tensor, ...], x: tf.Tensor) -> tf.Tensor:
        x = tf.transpose(x, (0, *range(2, rank + 2), 1)) if first else x
        values = tf.gather(tf.reshape(x, (-1, math.prod(sizes), channels)), flat, axis=1)
        return tf.transpose(tf.reshape(values, (-1, math.prod(outputs), taps, channels)), (0, 1, 3, 2))

    shared = math.sqrt(np.bincount(flat).max()) * (1 + 1e-14)
    in_windows = circuit.linear(sources[0], (math.prod(outputs), channels, taps), apply, norm=shared)

    def restored(weights: tuple[tf.Tensor, ...], x: tf.Tensor) -> tf.Tensor:
        x = tf.transpose(x, (0, 2, 1)) if first else x
        return tf.reshape(x, (-1, *node.shape))

    return circuit.linear(circuit.maximum(in_windows), node.shape, restored)


def _windows(layer: Any, sizes: tuple[int, ...]) -> np.ndarray:
    """Which of an image's positions, counted in one row, every window holds: [*windows, taps].

    A window that reaches beyond the border holds some value twice instead, which does not change its maximum.
    """
    axes = []
    for i, size in enumerate(sizes):
        if hasattr(layer, "pool_size"):
            inside = windows_along(layer.padding, size, layer.pool_size[i], layer.strides[i])
            taps = layer.pool_size[i]
        else:
            inside, taps = np.ones((1, size)), size
        axes.append(np.array([np.resize(np.flatnonzero(row), taps) for row in inside]))
    rank = len(sizes)
    parts = []
    for i, axis in enumerate(axes):
        shape = [1] * (2 * rank)
        shape[i], shape[rank + i] = axis.shape
        parts.append(axis.reshape(shape) * math.prod(sizes[i + 1 :]))
    whole = functools.reduce(np.add, parts)
    return whole.reshape(*whole.shape[:rank], -1)


def average_pooling_3d(node: Node, circuit: Circuit, sources: list[int]) -> int:
    """Of an AveragePooling3D layer, axis by axis: TensorFlow has no kernel for it in float64."""
    layer, shape = node.operation, node.input_shapes[0]
    axes = zip(channels_last(layer, shape)[:-1], layer.pool_size, layer.strides, strict=True)
    averages = [averages_along(layer.padding, *axis) for axis in axes]
    first = layer.data_format == "channels_first"
    equation = "bcxyz,ux,vy,wz->bcuvw" if first else "bxyzc,ux,vy,wz->buvwc"

    def apply(weights: tuple[tf.Tensor, ...], x: tf.Tensor) -> tf.Tensor:
        return tf.einsum(equation, x, *weights)

    norm = circuit.constants.layer_bounds(layer, shape).bounds.upper
    return circuit.linear(sources[0], node.shape, apply, averages, norm=norm)
