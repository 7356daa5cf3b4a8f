"""The norm of dense layers."""

from typing import Any

import numpy as np

from keras_intriguing.spectral.bounds import NormBounds
from keras_intriguing.spectral.layer_settings import weight
from keras_intriguing.spectral.numerics.matrix import matrix_norm
from keras_intriguing.spectral.recognition import named


def dense(layer: Any, shape: tuple[int, ...]) -> NormBounds:
    """The norm of x ↦ x·kernel on the last axis."""
    kernel = weight(layer, "kernel")
    if shape[-1] != len(kernel):
        raise ValueError(
            f"{named(layer)} takes {len(kernel)} values on its last axis, but the input shape is {shape}."
        )
    norm = matrix_norm(kernel.T)
    witness = np.zeros(shape)  # the other axes are like a batch: the norm is that of one row
    witness[(0,) * (len(shape) - 1)] = norm.vector
    return NormBounds(norm.lower, norm.upper, "dense", (witness, np.zeros(shape)))
