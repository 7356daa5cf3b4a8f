"""The Lipschitz constant of local response normalization, between two proved numbers."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from keras_intriguing.spectral.bounds import NormBounds
from keras_intriguing.spectral.layer_settings import as_computed
from keras_intriguing.spectral.recognition import named

_TOLERANCE = 1e-4
_STEP = 1e-3  # between the two inputs of the witness, in units of √(bias/alpha)
_ROUNDING = 1e-12  # of some twenty operations; of a power it grows with the exponent
_LARGEST = 100  # of |log₁₀ k^−β|, so that the constant's square is still a number
# of β: bisection takes a second there for windows of 5 channels, a quarter of a minute for 21
_STEEPEST = 1e4


def local_response(layer: Any, input_shape: tuple[int, ...]) -> NormBounds:
    """Of y_i = x_i·(k + α·Σ_{j ∈ W(i)} x_j²)^−β: k^−β from below, √(R·Q)·k^−β from above, 1.0301·k^−β for n = 5, β = ¾.

    From below: near zero all channels are multiplied by nearly k^−β. From above: a position's channels meet those of
    that position only, and with z = √(α/k)·x the Jacobian is k^−β·J,

        J_ij = δ_ij·s_i^−β − 2β·s_i^(−β−1)·z_i·z_j·[j ∈ W(i)],    s_i = 1 + Σ_{j ∈ W(i)} z_j².

    By Schur's test ‖J‖² ≤ R·Q, with bounds R of Σ_j |J_ij| for every row and Q of Σ_i |J_ij| for every column. Let n be
    the channels of a window and r = (n − 1)/2 those on either side.

    Rows. Let s_i = 1 + t, ρ = t/(1 + t) and z_i² = t·cos²φ. The others' |z_j| sum to at most √(n−1)·√t·sin φ (Cauchy),
    so the row sums to at most (1−ρ)^β·(|1 − 2βρ·cos²φ| + 2βρ·√(n−1)·sin φ·cos φ). Over all φ that is at most

        (1−ρ)^β·(|1 − βρ| + βρ·√n),    R its supremum over 0 ≤ ρ ≤ 1,

    because ±(1 − βρ − βρ·cos 2φ) + βρ·√(n−1)·sin 2φ ≤ |1 − βρ| + βρ·√(1 + (n−1)).

    Columns. Let c = 1 + z_j², ρ = z_j²/c, and c·a be the squares of the r channels on one side of j, c·b those on the
    other. Channels on one side are in each other's windows and in j's, so s_i ≥ c·(1 + a) for each of them;
    with v^(−β−1) decreasing, and Cauchy again, that side's |J_ij| sum to at most
    2β·(1−ρ)^β·√ρ·√r·ψ(a), where ψ(a) = √a·(1 + a)^(−β−1). J_jj has s_j = c·(1 + a + b). On [0, a*], where
    a* = 1/(2β+1) is ψ's maximum, ψ is concave: with q = (β+1)·a/(1+a) ≤ ½ there, a²·ψ''/ψ ≤ q² − ¼ ≤ 0. So
    ψ(min(a, a*)) is concave and increasing everywhere, ψ(a) + ψ(b) ≤ 2·ψ(min(m, a*)) for the mean m, and a column sums to at most

        (1−ρ)^β·((1+2m)^−β·|1 − 2βρ/(1+2m)| + 4β·√(ρ·r)·ψ(min(m, a*))),    Q its supremum over ρ and m.

    Both suprema are found by bisection of boxes. No search found a Jacobian of norm above 1.

    Args:
        layer: a `LocalResponseNormalization`.
        input_shape: without the batch axis.

    Raises:
        ValueError: a setting is 0 in the layer's precision, or β or the constant too large.
    """
    bias, alpha, beta = (float(as_computed(layer, n)) for n in (layer.bias, layer.alpha, layer.beta))
    if min(bias, alpha, beta) <= 0 or beta > _STEEPEST or abs(beta * math.log10(bias)) > _LARGEST:
        raise ValueError(
            f"{named(layer)} has bias {layer.bias}, alpha {layer.alpha} and beta {layer.beta}; certified are settings above 0 "
            f"in {layer.compute_dtype}, beta up to {_STEEPEST:g} and bias ** -beta within 1e±{_LARGEST}."
        )
    scale, rounding = bias**-beta, 1 + _ROUNDING * (1 + beta)
    window = min(layer.size, input_shape[-1])
    side = min(layer.size // 2, input_shape[-1] - 1)
    upper = np.sqrt(_largest_row(beta, window) * _largest_column(beta, side)) * scale
    witness = np.zeros(input_shape)
    witness.flat[0] = _STEP / 2 * np.sqrt(bias / alpha)
    lower = scale * (1 + (_STEP / 2) ** 2) ** -beta
    return NormBounds(lower / rounding, float(upper) * rounding, "Schur test", (witness, -witness))


def _largest_row(beta: float, window: int) -> float:
    """R: above one ρ, below another."""

    def bound(low: np.ndarray, high: np.ndarray) -> np.ndarray:
        inner = np.maximum(abs(1 - beta * low[:, 0]), abs(1 - beta * high[:, 0]))
        return (1 - low[:, 0]) ** beta * (inner + beta * high[:, 0] * np.sqrt(window))

    return _supremum(bound, 1)


def _largest_column(beta: float, side: int) -> float:
    """Q, with m = ½·τ/(1−τ) for τ in [0, 1], so that 1 + 2m = 1/(1−τ)."""
    top = 1 / (2 * beta + 1)

    def bound(low: np.ndarray, high: np.ndarray) -> np.ndarray:
        (rho, tau), (more_rho, more_tau) = low.T, high.T
        least, most = 2 * beta * rho * (1 - more_tau), 2 * beta * more_rho * (1 - tau)
        diagonal = (1 - tau) ** beta * np.maximum(abs(1 - least), abs(1 - most))
        mean = np.minimum(0.5 * more_tau / np.maximum(1 - more_tau, 1e-300), top)
        rest = 4 * beta * np.sqrt(more_rho * side * mean) * (1 + mean) ** (-beta - 1)
        return (1 - rho) ** beta * (diagonal + rest)

    return _supremum(bound, 2)


def _supremum(bound: Callable[[np.ndarray, np.ndarray], np.ndarray], dimensions: int) -> float:
    """An upper bound, to a relative 1e-4, of a function's supremum over the unit cube.

    Args:
        bound: of the function on boxes from `low` [N, d] to `high` [N, d]; its value where both are equal.
        dimensions: of the cube.
    """
    halves = np.array(list(itertools.product((0.0, 1.0), repeat=dimensions)))
    low, width, attained = np.zeros((1, dimensions)), 1.0, 0.0
    while True:
        width /= 2
        low = (low[:, None] + width * halves).reshape(-1, dimensions)
        # a box is left out where its bound was attained elsewhere, so that what was attained must not be forgotten
        bounds, attained = bound(low, low + width), max(attained, float(bound(low, low).max()))
        if bounds.max() <= attained * (1 + _TOLERANCE):
            return max(attained, float(bounds.max()))
        low = low[bounds > attained]
