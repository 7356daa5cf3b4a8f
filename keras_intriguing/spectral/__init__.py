"""Certified operator norms of layers, Lipschitz bounds of networks (paper §4.3)."""

from keras_intriguing.spectral.bounds import NormBounds
from keras_intriguing.spectral.layers import frequency_norms, frequency_supremum, operator_norm
from keras_intriguing.spectral.network import LayerBounds, NetworkBounds, analyze, analyze_layer
from keras_intriguing.spectral.registry import register, supported

__all__ = [
    "LayerBounds",
    "NetworkBounds",
    "NormBounds",
    "analyze",
    "analyze_layer",
    "frequency_norms",
    "frequency_supremum",
    "operator_norm",
    "register",
    "supported",
]
