"""Lanczos iteration for the top eigenvector of a positive operator."""

from collections.abc import Callable

import numpy as np

_STEPS = 120
_PATIENCE = 4


def top_vector(apply: Callable[[np.ndarray], np.ndarray], size: int, tolerance: float = 1e-6) -> np.ndarray:
    """A vector [size] near the top eigenvector of a symmetric positive semidefinite operator.

    With full reorthogonalization; it ends when the largest Ritz value has grown by less than the tolerance over
    some steps, when the Krylov space is exhausted (an invariant subspace), or after 120 steps.
    """
    vector = np.random.default_rng(0).normal(size=size)
    basis = np.empty((min(_STEPS, size), size))  # untouched pages take no memory
    basis[0] = vector / np.linalg.norm(vector)
    diagonal, below, values = [], [], []
    for step in range(1, len(basis) + 1):
        image = apply(basis[step - 1])
        diagonal.append(float(basis[step - 1] @ image))
        image = _orthogonalized(image, basis[:step])
        tridiagonal = np.diag(diagonal) + np.diag(below, 1) + np.diag(below, -1)
        ritz, vectors = np.linalg.eigh(tridiagonal)
        values.append(float(ritz[-1]))
        length = float(np.linalg.norm(image))
        settled = len(values) > _PATIENCE and values[-1] <= values[-1 - _PATIENCE] * (1 + tolerance)
        if settled or length <= 1e-14 * abs(values[-1]) or step == len(basis):
            break
        below.append(length)
        basis[step] = image / length
    return vectors[:, -1] @ basis[:step]


def _orthogonalized(vector: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """A vector less its part in the span of a basis, to rounding: done again where most of it was taken away."""
    for _ in range(2):
        before = np.linalg.norm(vector)
        vector = vector - (basis @ vector) @ basis
        if np.linalg.norm(vector) > 0.7 * before:
            break
    return vector
