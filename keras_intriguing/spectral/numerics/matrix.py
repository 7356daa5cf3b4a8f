"""The largest singular value of dense matrices, between two proved numbers."""

from typing import NamedTuple

import numpy as np
import scipy.linalg
import scipy.sparse.linalg

from keras_intriguing.spectral.numerics.rounding import UNIT, gamma

_FULL = 400  # rows of a Gram matrix up to which all of its eigenvalues are computed at once


class Norm(NamedTuple):
    """σ₁ of a matrix: `lower` is ‖A·vector‖/‖vector‖, rounded down; `upper` is proved."""

    lower: float
    upper: float
    vector: np.ndarray


def matrix_norm(a: np.ndarray) -> Norm:
    """Both sides of the spectral norm of a real or complex matrix [m, n].

    The lower side is attained by a vector. The upper side: if a Cholesky factorization of λI − AᴴA runs to its
    end in floating point, then σ₁² ≤ λ + c, with c for the rounding in the factorization and in the product
    (Rump 2006, Verification of positive definiteness).
    """
    a = np.asarray(a, np.result_type(a, np.float64))
    largest = np.max(np.abs(a), initial=0.0)
    if largest == 0:
        return Norm(0.0, 0.0, np.ones(a.shape[1]) / np.sqrt(max(1, a.shape[1])))
    scale = 2.0 ** float(
        np.floor(np.log2(largest))
    )  # a power of two, so that squares neither over- nor underflow
    a = a / scale
    if a.shape[0] < a.shape[1]:
        norm = _tall_norm(np.ascontiguousarray(a.conj().T))
        vector = a.conj().T @ norm.vector
        norm = Norm(attained(float(np.linalg.norm(a @ vector)), a, vector), norm.upper, vector)
    else:
        norm = _tall_norm(a)
    return Norm(norm.lower * scale, norm.upper * scale, norm.vector)


def _tall_norm(a: np.ndarray) -> Norm:
    rows, columns = a.shape
    gram = a.conj().T @ a
    vector = top_eigenvector(gram)
    lower = attained(float(np.linalg.norm(a @ vector)), a, vector)
    frobenius = float(np.vdot(a, a).real) * (1 + gamma(4 * a.size))  # without the array of all squares
    # twice as many operations where a product is complex
    rounding = gamma(4 * rows) * frobenius + 4 * UNIT * frobenius
    slack = max(rounding / max(lower**2, np.finfo(float).tiny), 1e-12)
    while not are_definite(gram, bound := lower**2 * (1 + slack)):
        slack *= 4
    cholesky = gamma(4 * (columns + 1)) / (1 - gamma(4 * (columns + 1))) * columns * bound
    return Norm(lower, float(np.sqrt((bound + cholesky + rounding) * (1 + 8 * UNIT))), vector)


def top_eigenvector(gram: np.ndarray) -> np.ndarray:
    """A vector near the top eigenvector of a Hermitian matrix [n, n]."""
    size = len(gram)
    if size <= _FULL:
        return scipy.linalg.eigh(gram, subset_by_index=[size - 1, size - 1])[1][:, 0]
    start = np.random.default_rng(0).normal(size=size)
    try:
        return scipy.sparse.linalg.eigsh(gram, k=1, v0=start, tol=1e-8, ncv=40)[1][:, 0]
    except scipy.sparse.linalg.ArpackNoConvergence:  # a cluster at the top: any of its vectors will do
        return scipy.linalg.eigh(gram, subset_by_index=[size - 1, size - 1])[1][:, 0]


def attained(length: float, a: np.ndarray, vector: np.ndarray) -> float:
    """‖A·vector‖/‖vector‖ less what rounding may have added, for the computed `length` of A·vector."""
    size = np.linalg.norm(vector)
    lost = gamma(4 * sum(a.shape)) * np.linalg.norm(a)
    return max(0.0, float((length / size - lost) * (1 - gamma(4 * sum(a.shape)))))


def are_definite(grams: np.ndarray, bound: float) -> bool:
    """Whether Cholesky factorizations of bound·I − gram run to their end for Hermitian matrices [..., n, n].

    Only their lower triangles are read.
    """
    shifted = -grams
    diagonal = np.arange(grams.shape[-1])
    shifted[..., diagonal, diagonal] += bound
    try:
        if grams.ndim == 2:
            scipy.linalg.cholesky(shifted, lower=True, overwrite_a=True, check_finite=False)
        else:
            np.linalg.cholesky(shifted)
    except np.linalg.LinAlgError:
        return False
    return True
