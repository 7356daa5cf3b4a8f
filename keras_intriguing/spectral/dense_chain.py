"""A network that is one dense layer after another, where a graph is one."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_intriguing.classifiers.augmentations import AUGMENTATIONS
from keras_intriguing.spectral.graph import Node
from keras_intriguing.spectral.layer_settings import as_computed, weight

L = keras.layers
_KEEPING = (L.InputLayer, L.Identity, L.Reshape, L.Dropout, L.ActivityRegularization, *AUGMENTATIONS)


class Affine(NamedTuple):
    """A dense layer: x ↦ activation(x·kernel + bias)."""

    kernel: np.ndarray
    bias: np.ndarray
    activation: Callable


class DenseChain(NamedTuple):
    """A network that is one dense layer after another, on its flattened images times `scale` plus `offset`."""

    scale: float
    offset: float
    layers: list[Affine]


def dense_chain(nodes: Sequence[Node]) -> DenseChain | None:
    """The dense layers of a graph that consists of them alone, of rescaling before and activations after them.

    Returns:
        Weights in float64; None for any other graph.

    Raises:
        ValueError: weights that are not finite or not float32 or float64.
    """
    scale, offset, layers = 1.0, 0.0, []
    for position, node in enumerate(nodes[1:]):
        layer = node.operation
        if node.operands != (position,):
            return None
        shape = node.input_shapes[0]
        if type(layer) is L.Dense and len(shape) == 1:
            kernel = weight(layer, "kernel")
            bias = weight(layer, "bias") if layer.use_bias else np.zeros(kernel.shape[1])
            layers.append(Affine(kernel, bias, layer.activation))
        elif (
            (applied := _activation(layer, shape))
            and layers
            and layers[-1].activation is keras.activations.linear
        ):
            layers[-1] = layers[-1]._replace(activation=applied)
        elif (
            type(layer) is L.Rescaling and not layers and _is_number(layer.scale) and _is_number(layer.offset)
        ):
            factor = float(as_computed(layer, layer.scale))
            scale, offset = scale * factor, offset * factor + float(as_computed(layer, layer.offset))
        elif not (type(layer) in _KEEPING or _flattens(layer)):
            return None
    return DenseChain(scale, offset, layers) if layers and scale else None


def _flattens(layer: Any) -> bool:
    return type(layer) is L.Flatten and layer.data_format == "channels_last"


def _is_number(value: Any) -> bool:
    return np.ndim(value) == 0


def _activation(layer: Any, shape: tuple[int | None, ...]) -> Callable | None:
    """What an activation layer without settings of its own computes."""
    applied = None
    if type(layer) is L.Activation:
        applied = layer.activation
    elif type(layer) is L.ReLU and layer.max_value is None and not (layer.negative_slope or layer.threshold):
        applied = keras.activations.relu
    elif type(layer) is L.Softmax and layer.axis == -1:
        applied = keras.activations.softmax
    over_all = len(shape) == 1  # a softmax of a reshaped tensor is one of a part of the values
    return None if applied is keras.activations.softmax and not over_all else applied
