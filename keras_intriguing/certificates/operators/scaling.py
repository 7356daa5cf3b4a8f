"""Layers and operations that multiply every value by a number and add one."""

import numpy as np

from keras_intriguing.certificates.circuit import Circuit
from keras_intriguing.spectral.graph import Node
from keras_intriguing.spectral.layer_settings import as_computed, weight
from keras_intriguing.spectral.rules.batch_normalization import along, batch_factors, channel_axis
from keras_intriguing.spectral.rules.rescaling import normalization_factors, rescaling_factors


def batch_normalization(node: Node, circuit: Circuit, sources: list[int]) -> int:
    """γ·(x − mean)/√(variance + ε) + β."""
    layer, shape = node.operation, node.input_shapes[0]
    factors = batch_factors(layer, shape)
    axis, rank = channel_axis(layer, len(shape)), len(shape)
    bias = -factors * along(weight(layer, "moving_mean"), axis, rank)
    if layer.center:
        bias = bias + along(weight(layer, "beta"), axis, rank)
    return circuit.scaled(sources[0], factors, bias)


def rescaling(node: Node, circuit: Circuit, sources: list[int]) -> int:
    """scale·x + offset."""
    layer = node.operation
    return circuit.scaled(sources[0], rescaling_factors(layer), as_computed(layer, layer.offset))


def normalization(node: Node, circuit: Circuit, sources: list[int]) -> int:
    """(x − mean)/√variance."""
    factors = normalization_factors(node.operation)
    return circuit.scaled(sources[0], factors, -factors * np.asarray(node.operation.mean, np.float64)[0])


def negative(node: Node, circuit: Circuit, sources: list[int]) -> int:
    """−x."""
    return circuit.scaled(sources[0], -1.0)
