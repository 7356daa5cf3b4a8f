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
    vector /= np.linalg.norm(vector)
    basis, diagonal, below = [vector], [], []
    values: list[float] = []
    while True:
        image = apply(basis[-1])
        diagonal.append(float(basis[-1] @ image))
        stacked = np.stack(basis)
        for _ in range(2):  # twice is enough for orthogonality to rounding
            image = image - stacked.T @ (stacked @ image)
        tridiagonal = np.diag(diagonal) + np.diag(below, 1) + np.diag(below, -1)
        ritz, vectors = np.linalg.eigh(tridiagonal)
        values.append(float(ritz[-1]))
        length = float(np.linalg.norm(image))
        settled = len(values) > _PATIENCE and values[-1] <= values[-1 - _PATIENCE] * (1 + tolerance)
        if settled or length <= 1e-14 * abs(values[-1]) or len(basis) == min(_STEPS, size):
            return stacked.T @ vectors[:, -1]
        below.append(length)
        basis.append(image / length)
