"""Projections onto half-spaces and a box: exact onto one half-space, nearly so onto several."""

import math

import tensorflow as tf

from keras_intriguing.attack.problem import Box

_STEPS = 12  # of Newton's method for one half-space
_TOLERANCE = 1e-5  # relative, of its multiplier: a step's linearization is no more exact
_NEWTON_STEPS, _SWEEPS = 5, 10  # of the dual problem of several half-spaces
_BLOCK = 16  # rows whose half-spaces are solved for at once, while they lie in a core's cache


def dot(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """The inner products of rows, [B, n] and [B, n] to [B]: by a product with ones, which XLA vectorizes, unlike a sum."""
    return tf.linalg.matvec(a * b, tf.ones(a.shape[-1]))


def norm(a: tf.Tensor) -> tf.Tensor:
    """The L2 norms of rows, [B, n] to [B]."""
    return tf.sqrt(dot(a, a))


def project(
    p: tf.Tensor, v: tf.Tensor, h: tf.Tensor, a: tf.Tensor, lam: tf.Tensor, box: Box
) -> tuple[tf.Tensor, tf.Tensor]:
    """Projects p onto {h + a·(u − v) ≤ 0} ∩ box, exactly but for rounding.

    min ½‖u − p‖² s.t. h + a·(u − v) ≤ 0, u in the box has u = clip(p − λa) with one scalar λ ≥ 0. The residual falls
    convexly in λ, so a step of Newton's method from above the root ends below it, and from there it rises to the root and
    never passes it.

    Args:
        p: points [B, n].
        v: where the constraint was linearized [B, n].
        h: the constraint there [B].
        a: its gradient there [B, n].
        lam: a first guess of λ [B].
        box: of every pixel.

    Returns:
        u [B, n] and λ [B]. Where no point of the box is in the half-space, u is as near to it as Newton's steps came.
    """

    def newton(i, lam, _):
        w = p - lam[:, None] * a
        u = box.clip(w)
        residual = h + dot(a, u - v)
        slope = dot(a, tf.where(u == w, a, 0.0))
        step = tf.math.divide_no_nan(residual, slope)
        # a guess so large that all pixels are on their bounds tells nothing
        longer = tf.where((residual < 0) & (slope == 0), 0.0, tf.maximum(lam + step, 0.0))
        return i + 1, longer, tf.reduce_any(tf.abs(longer - lam) > _TOLERANCE * longer)

    state = (0, lam, tf.constant(True))
    _, lam, _ = tf.while_loop(lambda i, _, moving: (i < _STEPS) & moving, newton, state)
    return box.clip(p - lam[:, None] * a), lam


def project_onto_all(
    p: tf.Tensor, a: tf.Tensor, c: tf.Tensor, lam: tf.Tensor, box: Box
) -> tuple[tf.Tensor, tf.Tensor]:
    """Projects p onto ∩ {aᵢ·u + cᵢ ≤ 0} ∩ box, nearly; exactly where there is one half-space, as for most rows.

    Rows are solved for in blocks, in the order of how many half-spaces they have.

    Args:
        p: points [B, n].
        a: the normals [B, m, n].
        c: [B, m].
        lam: a first guess of λ [B, m]; negative where there is no half-space.
        box: of every pixel.

    Returns:
        u [B, n] and λ [B, m], negative where there is no half-space.
    """
    count = tf.reduce_sum(tf.cast(lam >= 0, tf.int32), axis=-1)
    order = tf.argsort(count)

    def solve(rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        points, normals, offsets, guess = (tf.gather(of_row, rows) for of_row in (p, a, c, lam))
        return tf.cond(
            tf.reduce_max(tf.gather(count, rows)) <= 1,
            lambda: _onto_one(points, normals, offsets, guess, box),
            lambda: _onto_several(points, normals, offsets, guess, box),
        )

    blocks = tf.reshape(order, [-1, math.gcd(p.shape[0], _BLOCK)])
    u, multipliers = tf.map_fn(solve, blocks, fn_output_signature=(p.dtype, lam.dtype))
    places = tf.argsort(order)
    return tf.gather(tf.reshape(u, p.shape), places), tf.gather(tf.reshape(multipliers, lam.shape), places)


def _onto_one(
    p: tf.Tensor, a: tf.Tensor, c: tf.Tensor, lam: tf.Tensor, box: Box
) -> tuple[tf.Tensor, tf.Tensor]:
    """As `project_onto_all`, where every row has at most one half-space."""
    there = lam >= 0
    the_one = tf.cast(there, p.dtype)
    u, multiplier = project(
        p,
        tf.zeros_like(p),
        tf.reduce_sum(c * the_one, axis=-1),
        tf.einsum("bmn,bm->bn", a, the_one),
        tf.reduce_sum(lam * the_one, axis=-1),
        box,
    )
    return u, tf.where(there, multiplier[:, None], -1.0)


def _onto_several(
    p: tf.Tensor, a: tf.Tensor, c: tf.Tensor, lam: tf.Tensor, box: Box
) -> tuple[tf.Tensor, tf.Tensor]:
    """As `project_onto_all`, by Newton's method on the dual problem.

    u = clip(p − Σ λᵢaᵢ) with λ ≥ 0. The dual's Hessian is the Gram matrix of the aᵢ over the pixels inside the box; each of
    its quadratic problems is solved by coordinate ascent, which needs no pixels.
    """
    there = lam >= 0
    a = tf.where(there[:, :, None], a, 0.0)
    c = tf.where(there, c, 0.0)
    tiny = 1e-7 * tf.reduce_sum(a * a, axis=-1) + 1e-30

    def at(lam: tf.Tensor) -> tf.Tensor:
        return p - tf.einsum("bm,bmn->bn", lam, a)

    def newton(i, lam, _):
        w = at(lam)
        u = box.clip(w)
        inside = tf.cast(u == w, p.dtype)
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
