"""The Lipschitz constant of L2 pooling."""

from typing import Any

import numpy as np

from keras_intriguing.spectral.bounds import NormBounds
from keras_intriguing.spectral.rules.pooling import windows_along

_ROUNDING = 1 + 1e-12  # of a few operations
_LARGE = 1e3  # beside the 1e-6 under the root of L2 pooling


def l2_pooling(layer: Any, input_shape: tuple[int, ...]) -> NormBounds:
    """√(the most windows that share a value): a window's √(Σx² + ε) is the length of a vector with x in it.

    So it changes by no more than x does, and a value counts once for every window that holds it. A single large value
    in the most windows, against zero, attains nearly that.
    """
    shared = [windows_along("valid", n, layer.size, layer.stride).sum(axis=0) for n in input_shape[:2]]
    witness = np.zeros(input_shape)
    witness[int(shared[0].argmax()), int(shared[1].argmax()), 0] = _LARGE
    upper = float(np.sqrt(shared[0].max() * shared[1].max()))
    ratio = (np.sqrt(_LARGE**2 + layer.epsilon) - np.sqrt(layer.epsilon)) / _LARGE
    return NormBounds(
        upper * ratio / _ROUNDING, upper * _ROUNDING, "windows of a value", (witness, np.zeros_like(witness))
    )
