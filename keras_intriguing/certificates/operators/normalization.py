"""Local response normalization."""

from keras_intriguing.certificates.circuit import Circuit
from keras_intriguing.spectral.graph import Node
from keras_intriguing.spectral.layer_settings import as_computed


def local_response(node: Node, circuit: Circuit, sources: list[int]) -> int:
    """Of a `ki.models.LocalResponseNormalization`."""
    layer = node.operation
    bias, alpha, beta = (float(as_computed(layer, n)) for n in (layer.bias, layer.alpha, layer.beta))
    constant = circuit.constants.layer_bounds(layer, node.input_shapes[0]).bounds.upper
    return circuit.local_response(sources[0], layer.size, bias, alpha, beta, constant)
