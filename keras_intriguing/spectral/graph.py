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
    """A tensor of every operation of a model, those that it rests on first.

    Raises:
        ValueError: the model computes something else than its graph.
    """
    own = [
        kind
        for kind in type(model).__mro__
        if "call" in vars(kind) and not kind.__module__.startswith("keras.")
    ]
    if own:
        raise ValueError(
            f"{model.name} is a {own[0].__name__}, whose own call() may compute something else than its graph of layers. "
            "Put what call() does into layers."
        )
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
        elif (
            (applied := _activation(layer, sources[0]))
            and layers
            and layers[-1].activation is keras.activations.linear
        ):
            layers[-1] = layers[-1]._replace(activation=applied)
        elif (
            type(layer) is L.Rescaling and not layers and _is_number(layer.scale) and _is_number(layer.offset)
        ):
            scale, offset = scale * float(layer.scale), offset * float(layer.scale) + float(layer.offset)
        elif not (type(layer) in _KEEPING or _flattens(layer)):
            return None
    return DenseChain(scale, offset, layers) if layers and scale else None


def _flattens(layer: Any) -> bool:
    return type(layer) is L.Flatten and layer.data_format == "channels_last"


def _is_number(value: Any) -> bool:
    return np.ndim(value) == 0


def _activation(layer: Any, source: Any) -> Callable | None:
    """What an activation layer without settings of its own computes."""
    applied = None
    if type(layer) is L.Activation:
        applied = layer.activation
    elif type(layer) is L.ReLU and layer.max_value is None and not (layer.negative_slope or layer.threshold):
        applied = keras.activations.relu
    elif type(layer) is L.Softmax and layer.axis == -1:
        applied = keras.activations.softmax
    over_all = len(source.shape) == 2  # a softmax of a reshaped tensor is one of a part of the values
    return None if applied is keras.activations.softmax and not over_all else applied
