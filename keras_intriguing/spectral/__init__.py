"""Certified operator norms of layers (paper §4.3)."""

from keras_intriguing.spectral.bounds import NormBounds
from keras_intriguing.spectral.layers import frequency_supremum, operator_norm, register, supported

__all__ = ["NormBounds", "frequency_supremum", "operator_norm", "register", "supported"]
