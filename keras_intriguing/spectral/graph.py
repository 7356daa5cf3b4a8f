"""The graph of a functional Keras model: its order, and the chain of dense layers that some are."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_intriguing.spectral import keras_layers

L = keras.layers
_KEEPING = (L.InputLayer, L.Identity, L.Reshape, L.Dropout, L.ActivityRegularization)


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


def in_order(model: keras.Model) -> list[Any]:
    """A tensor of every operation of a model, those that it rests on first."""
    order: list[Any] = []
    seen = {tensor._keras_history[:2] for tensor in model.inputs}
    pending = [(tensor, False) for tensor in reversed(model.outputs)]
    while pending:
        tensor, ready = pending.pop()
        key = tensor._keras_history[:2]
        if ready:
            order.append(tensor)
        elif key not in seen:
            seen.add(key)
            pending.append((tensor, True))
            operation, node = key
            pending += [(source, False) for source in operation._inbound_nodes[node].input_tensors]
    return order


def dense_chain(model: keras.Model) -> DenseChain | None:
    """The dense layers of a model that consists of them alone, of rescaling before and activations after them.

    Returns:
        Weights in float64; None for any other model.

    Raises:
        ValueError: weights that are not finite or not float32 or float64.
    """
    scale, offset, layers = 1.0, 0.0, []
    for tensor in in_order(model):
        layer, node, _ = tensor._keras_history
        sources = layer._inbound_nodes[node].input_tensors
        if len(sources) != 1:
            return None
        if type(layer) is L.Dense and len(sources[0].shape) == 2:
            kernel = keras_layers.weight(layer, "kernel")
            bias = keras_layers.weight(layer, "bias") if layer.use_bias else np.zeros(kernel.shape[1])
            layers.append(Affine(kernel, bias, layer.activation))
        elif (applied := _activation(layer)) and layers and layers[-1].activation is keras.activations.linear:
            layers[-1] = layers[-1]._replace(activation=applied)
        elif type(layer) is L.Rescaling and not layers and np.ndim(layer.scale) == np.ndim(layer.offset) == 0:
            scale, offset = scale * float(layer.scale), offset * float(layer.scale) + float(layer.offset)
        elif not (type(layer) in _KEEPING or _flattens(layer)):
            return None
    return DenseChain(scale, offset, layers) if layers else None


def _flattens(layer: Any) -> bool:
    return type(layer) is L.Flatten and layer.data_format == "channels_last"


def _activation(layer: Any) -> Callable | None:
    """What an activation layer without settings of its own computes."""
    if type(layer) is L.Activation:
        return layer.activation
    if type(layer) is L.ReLU and layer.max_value is None and not (layer.negative_slope or layer.threshold):
        return keras.activations.relu
    return keras.activations.softmax if type(layer) is L.Softmax and layer.axis == -1 else None
