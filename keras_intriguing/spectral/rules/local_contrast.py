"""The Lipschitz constant of local contrast normalization."""

from typing import Any

import numpy as np

from keras_intriguing.spectral.bounds import NormBounds
from keras_intriguing.spectral.layer_settings import as_computed
from keras_intriguing.spectral.numerics.matrix import matrix_norm

_ROUNDING = 1 + 1e-12  # of a few operations, or of sums of a few hundred numbers of one sign


def local_contrast(layer: Any, input_shape: tuple[int, ...]) -> NormBounds:
    """Of local contrast normalization: the norm of the subtraction times a constant of the division.

    Subtraction, v = x − Gm with m the mean over maps and G the Gaussian means: what differs between maps is kept, what
    is alike in all goes through I − G, so its norm is max(1, ‖I − G‖).

    Division, y = v/s with s = max(floor, σ) and σ_p² = Σ_q g_pq·‖v_q‖²/C for the C maps v_q of a position q. By Cauchy,
    |ds_p|² ≤ Σ_q g_pq·‖dv_q‖²/C, and ‖v_p‖² ≤ C·σ_p²/g_pp. So dy = dv/s − v·ds/s² has

        ‖dy‖ ≤ ‖dv‖/floor + √(Σ_p ‖v_p‖²·ds_p²/s_p⁴) ≤ (1 + √(max_q Σ_p g_pq/g_pp))·‖dv‖/floor.

    From below: for small inputs s is `floor`, and all is linear.
    """
    height, width, maps = input_shape
    floor = float(np.sqrt(as_computed(layer, layer.floor**2)))
    rows, columns = (as_computed(layer, layer.weights_along(n)) for n in (height, width))
    subtraction = matrix_norm(np.eye(height * width) - np.kron(rows, columns))
    shares = np.prod([(g / np.diag(g)[:, None]).sum(axis=0).max() for g in (rows, columns)])
    upper = max(1.0, subtraction.upper) * (1 + np.sqrt(shares)) / floor * _ROUNDING
    # small enough that no standard deviation reaches the floor
    alike = subtraction.vector.reshape(height, width, 1) / np.linalg.norm(subtraction.vector)
    witness = np.repeat(alike, maps, axis=2) * floor / (2 * np.sqrt(maps) * max(1.0, subtraction.upper))
    lower = subtraction.lower / floor / _ROUNDING
    return NormBounds(lower, float(upper), "subtraction times division", (witness, np.zeros_like(witness)))
