"""Exact projections onto half-spaces and a box."""

import tensorflow as tf

from keras_intriguing.attack.problem import Box

_STEPS = 12
_NEWTON_STEPS, _SWEEPS = 6, 20  # of the dual problem of several half-spaces


def project(p: tf.Tensor, v: tf.Tensor, h: tf.Tensor, a: tf.Tensor, box: Box) -> tuple[tf.Tensor, tf.Tensor]:
    """Projects p onto {h + a·(u − v) ≤ 0} ∩ box, exactly but for rounding.

    min ½‖u − p‖² s.t. h + a·(u − v) ≤ 0, u in the box has u = clip(p − λa) with one scalar λ ≥ 0. The residual falls
    convexly in λ, so Newton's method from λ = 0 rises to it and never passes it.

    Args:
        p: points [B, n].
        v: where the constraint was linearized [B, n].
        h: the constraint there [B].
        a: its gradient there [B, n].
        box: of every pixel.

    Returns:
        u [B, n] and λ [B]. Where no point of the box is in the half-space, u is as near to it as Newton's steps came.
    """

    def newton(i, lam, _):
        w = p - lam[:, None] * a
        residual = h + tf.reduce_sum(a * (box.clip(w) - v), axis=-1)
        # pixels that move when λ grows: also those on a bound that they are about to leave
        moves = ((w > box.lower) | ((w == box.lower) & (a < 0))) & (
            (w < box.upper) | ((w == box.upper) & (a > 0))
        )
        slope = tf.reduce_sum(tf.where(moves, a * a, 0.0), axis=-1)
        longer = tf.maximum(lam + tf.math.divide_no_nan(residual, slope), 0.0)
        return i + 1, longer, tf.reduce_any(tf.abs(longer - lam) > 1e-6 * longer)

    state = (0, tf.zeros_like(h), tf.constant(True))
    _, lam, _ = tf.while_loop(lambda i, _, moving: (i < _STEPS) & moving, newton, state)
    return box.clip(p - lam[:, None] * a), lam


def project_onto_all(
    p: tf.Tensor, a: tf.Tensor, c: tf.Tensor, lam: tf.Tensor, box: Box
) -> tuple[tf.Tensor, tf.Tensor]:
    """Projects p onto ∩ {aᵢ·u + cᵢ ≤ 0} ∩ box, nearly.

    u = clip(p − Σ λᵢaᵢ) with λ ≥ 0. Newton's method on the dual problem, whose Hessian is the Gram matrix of the aᵢ over the
    pixels strictly inside the box; each of its quadratic problems by coordinate ascent, which needs no pixels.

    Args:
        p: points [B, n].
        a: the normals [B, m, n].
        c: [B, m].
        lam: a first guess of λ [B, m]; negative where there is no half-space.
        box: of every pixel.

    Returns:
        u [B, n] and λ [B, m], negative where there is no half-space.
    """
    there = lam >= 0
    a = tf.where(there[:, :, None], a, 0.0)
    tiny = 1e-7 * tf.reduce_sum(a * a, axis=-1) + 1e-30

    def at(lam: tf.Tensor) -> tf.Tensor:
        return p - tf.einsum("bm,bmn->bn", lam, a)

    def newton(i, lam, _):
        w = at(lam)
        u = box.clip(w)
        inside = tf.where((w >= box.lower) & (w <= box.upper), 1.0, 0.0)
        gram = tf.einsum("bmn,bkn->bmk", a * inside[:, None], a)
        goal = tf.einsum("bmn,bn->bm", a, u) + c + tf.einsum("bmk,bk->bm", gram, lam)
        diagonal = tf.linalg.diag_part(gram) + tiny

        def sweep(i, lam):
            for k in range(a.shape[1]):
                rest = goal[:, k] - tf.reduce_sum(gram[:, k] * lam, axis=-1)
                better = tf.nn.relu(lam[:, k] + rest / diagonal[:, k])
                lam = tf.where(tf.range(a.shape[1]) == k, better[:, None], lam)
            return i + 1, lam

        _, better = tf.while_loop(lambda i, _: i < _SWEEPS, sweep, (0, lam))
        largest = tf.reduce_max(better, axis=-1, keepdims=True)
        return i + 1, better, tf.reduce_any(tf.abs(better - lam) > 1e-4 * largest)

    state = (0, tf.nn.relu(lam), tf.constant(True))
    _, lam, _ = tf.while_loop(lambda i, _, moving: (i < _NEWTON_STEPS) & moving, newton, state)
    return box.clip(at(lam)), tf.where(there, lam, -1.0)
