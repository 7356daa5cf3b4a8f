"""Lipschitz constants of QuocNet's sublayers: local filters, L2 pooling, local contrast normalization."""

from typing import Any

import numpy as np

from keras_intriguing.spectral import keras_layers
from keras_intriguing.spectral.bounds import NormBounds
from keras_intriguing.spectral.numerics.matrix import matrix_norm
from keras_intriguing.spectral.rules.pooling import windows_along

_ROUNDING = 1 + 1e-12  # of a few operations, or of sums of a few hundred numbers of one sign
_LARGE = 1e3  # beside the 1e-6 under the root of L2 pooling


def filters(layer: Any, input_shape: tuple[int, ...]) -> NormBounds:
    """The norm of local filters, from the norms of every position's kernel W_p.

    ‖Wx‖² = Σ_p ‖W_p x_p‖² ≤ Σ_p ‖W_p‖²·‖x_p‖², in which a value of x counts with the sum of ‖W_p‖² over the positions p
    that see it. The largest such sum bounds ‖W‖² from above, the largest ‖W_p‖ bounds ‖W‖ from below.

    Raises:
        ValueError: an input shape that is not the layer's.
    """
    kernel = keras_layers.weight(layer, "kernel")
    height, width, size, _, channels, _ = kernel.shape
    expected = layer.compute_output_shape((None, *input_shape))[1:3]
    if (height, width) != expected or channels != input_shape[-1]:
        raise ValueError(
            f"{keras_layers.named(layer)} has filters at {height}×{width} positions for {channels} channels; they do not "
            f"fit the input shape {input_shape}."
        )
    flat = kernel.reshape(height * width, size * size * channels, -1)
    norms = [matrix_norm(np.swapaxes(position, 0, 1)) for position in flat]
    squares = np.array([norm.upper**2 for norm in norms]).reshape(height, width)
    rows, columns = (windows_along("valid", n, size, layer.stride) for n in input_shape[:2])
    best = int(np.argmax([norm.lower for norm in norms]))
    witness = np.zeros(input_shape)
    top, left = (layer.stride * at for at in divmod(best, width))
    witness[top : top + size, left : left + size] = norms[best].vector.reshape(size, size, channels)
    upper = float(np.sqrt((rows.T @ squares @ columns).max())) * _ROUNDING
    return NormBounds(norms[best].lower, upper, "position by position", (witness, np.zeros_like(witness)))


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


def contrast(layer: Any, input_shape: tuple[int, ...]) -> NormBounds:
    """Of local contrast normalization: the norm of the subtraction times a constant of the division.

    Subtraction, v = x − Gm with m the mean over maps and G the Gaussian means: what differs between maps is kept, what
    is alike in all goes through I − G, so its norm is max(1, ‖I − G‖).

    Division, y = v/s with s = max(floor, σ) and σ_p² = Σ_q g_pq·‖v_q‖²/C for the C maps v_q of a position q. By Cauchy,
    |ds_p|² ≤ Σ_q g_pq·‖dv_q‖²/C, and ‖v_p‖² ≤ C·σ_p²/g_pp. So dy = dv/s − v·ds/s² has

        ‖dy‖ ≤ ‖dv‖/floor + √(Σ_p ‖v_p‖²·ds_p²/s_p⁴) ≤ (1 + √(max_q Σ_p g_pq/g_pp))·‖dv‖/floor.

    From below: for small inputs s is `floor`, and all is linear.
    """
    height, width, maps = input_shape
    rows, columns = layer.weights_along(height), layer.weights_along(width)
    subtraction = matrix_norm(np.eye(height * width) - np.kron(rows, columns))
    shares = np.prod([(g / np.diag(g)[:, None]).sum(axis=0).max() for g in (rows, columns)])
    upper = max(1.0, subtraction.upper) * (1 + np.sqrt(shares)) / layer.floor * _ROUNDING
    # small enough that no standard deviation reaches the floor
    alike = subtraction.vector.reshape(height, width, 1) / np.linalg.norm(subtraction.vector)
    witness = np.repeat(alike, maps, axis=2) * layer.floor / (2 * np.sqrt(maps) * max(1.0, subtraction.upper))
    lower = subtraction.lower / layer.floor / _ROUNDING
    return NormBounds(lower, float(upper), "subtraction times division", (witness, np.zeros_like(witness)))
