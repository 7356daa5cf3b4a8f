"""A Lipschitz bound of a chain of dense layers, tighter than the product of their norms.

With slopes in [0, s], hidden units obey Δφᵢ·(s·Δzᵢ − Δφᵢ) ≥ 0, and so does any sum with weights T ≥ 0. If

    ρ‖d₀‖² − ‖W_L d_{L−1}‖² − 2 Σₖ dₖᵀ Tₖ (sₖ Wₖ d_{k−1} − dₖ) ≥ 0   for all d₀ … d_{L−1},

a block-tridiagonal matrix that is positive semidefinite, then √ρ is a Lipschitz constant: the dual of the
semidefinite program LipSDP-neuron (Fazlyab et al. 2019, arXiv:1906.04893). Its best weights need a solver; here the
weights are parametrized so that every choice is feasible, and improved by first-order steps.
"""

from collections.abc import Sequence

import numpy as np
import scipy.linalg
import tensorflow as tf

from keras_intriguing.spectral.numerics.rounding import gamma

_STEPS = 300
_RATE = 0.03


def chain_bound(kernels: Sequence[np.ndarray], slopes: Sequence[float]) -> float:
    """A certified Lipschitz constant of x ↦ φ(… φ(x·W₁) …)·W_L.

    Args:
        kernels: float64 [inputs, outputs] of at least two dense layers, in order.
        slopes: of the activations between them: every slope lies in [0, s].
    """
    matrices = [s * k.T for s, k in zip([*slopes, 1.0], kernels, strict=True)]
    weights = [tf.Variable(tf.zeros(len(m), tf.float64)) for m in matrices[:-1]]
    margins = [tf.Variable(tf.constant(0.0, tf.float64)) for _ in matrices[:-1]]
    constants = [tf.constant(m) for m in matrices]
    variables = [*weights, *margins]

    @tf.function(autograph=False)
    def gradients() -> tuple[tf.Tensor, list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            rho, _ = _eliminated(constants, weights, margins)
            loss = tf.math.log(rho)
        return rho, tape.gradient(loss, variables)

    # Adam by hand would be a few lines too; Keras' needs its own variables
    moments = [(np.zeros(v.shape), np.zeros(v.shape)) for v in variables]
    best, kept = np.inf, [v.numpy() for v in variables]
    for step in range(1, _STEPS + 1):
        rho, found = gradients()
        if float(rho) < best:
            best, kept = float(rho), [v.numpy() for v in variables]
        rate = _RATE * (1 - (step - 1) / _STEPS)
        for i, (variable, gradient) in enumerate(zip(variables, found, strict=True)):
            first, second = moments[i]
            first = 0.9 * first + 0.1 * gradient.numpy()
            second = 0.99 * second + 0.01 * gradient.numpy() ** 2
            moments[i] = first, second
            update = (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.99**step)) + 1e-12)
            variable.assign_sub(rate * update)
    for variable, value in zip(variables, kept, strict=True):
        variable.assign(value)
    rho, diagonals = _eliminated(constants, weights, margins)
    return _certified(matrices, [d.numpy() for d in diagonals], float(rho))


def _eliminated(
    matrices: Sequence[tf.Tensor], weights: Sequence[tf.Tensor], margins: Sequence[tf.Tensor]
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """The smallest ρ for feasible diagonals T, which are made from free numbers; the Schur complements one by one."""
    half = matrices[-1]  # whose Gram matrix is what is left
    diagonals: list[tf.Tensor] = []
    for matrix, weight, margin in zip(matrices[-2::-1], weights[::-1], margins[::-1], strict=True):
        gram = tf.matmul(half, half, transpose_a=True)
        free = tf.exp(weight)
        scaled = gram / tf.sqrt(free[:, None] * free[None, :])
        diagonal = 0.5 * tf.linalg.eigvalsh(scaled)[-1] * (1 + tf.exp(margin)) * free
        diagonals.insert(0, diagonal)
        factor = tf.linalg.cholesky(tf.linalg.diag(2 * diagonal) - gram)
        half = tf.linalg.triangular_solve(factor, diagonal[:, None] * matrix)
    # of the inputs the Gram matrix's smaller form will do
    return tf.linalg.eigvalsh(tf.matmul(half, half, transpose_b=True))[-1], diagonals


def _certified(matrices: Sequence[np.ndarray], diagonals: Sequence[np.ndarray], rho: float) -> float:
    """√ρ for the least ρ near the computed one for which the whole matrix is proved to be positive definite."""
    sizes = [matrices[0].shape[1], *(len(d) for d in diagonals)]
    starts = np.cumsum([0, *sizes])
    whole = np.zeros((starts[-1], starts[-1]))
    for k, (matrix, diagonal) in enumerate(zip(matrices[:-1], diagonals, strict=True)):
        block = slice(starts[k + 1], starts[k + 2])
        whole[block, slice(starts[k], starts[k + 1])] = -diagonal[:, None] * matrix
        whole[block, block] += np.diag(2 * diagonal)
    whole[block, block] -= matrices[-1].T @ matrices[-1]
    whole = np.tril(whole)
    # products are rounded once, the last Gram matrix as often as it has terms
    lost = gamma(4) * np.linalg.norm(whole) + gamma(len(matrices[-1]) + 4) * np.linalg.norm(matrices[-1]) ** 2
    first = np.diag_indices(sizes[0])
    slack = 1e-9
    while True:
        bound = rho * (1 + slack)
        whole[first] = bound
        shifted = whole.copy()
        trace = float(np.trace(whole))
        shifted[np.diag_indices_from(shifted)] -= 2 * lost + 2 * gamma(len(whole) + 2) * trace
        try:
            scipy.linalg.cholesky(shifted, lower=True, overwrite_a=True, check_finite=False)
        except np.linalg.LinAlgError:
            slack *= 10
            continue
        return float(np.sqrt(bound) * (1 + 1e-15))
