"""Straight lines below and above a step's values, the same for every bound that is carried through it."""

import tensorflow as tf

from keras_intriguing.certificates.steps.step import Passed, Penalized, Variables, total

_INFLATED, _RESIDUAL = 1 + 1e-6, 1e6  # (a + δ)² ≤ (1 + ε)·a² + (1 + 1/ε)·δ²


def lines(
    below: tf.Tensor,
    above: tf.Tensor,
    least_below: tf.Tensor,
    least_above: tf.Tensor,
    lost: tf.Tensor,
) -> Variables:
    """below·Δx + least_below ≤ Δy ≤ above·Δx − least_above, Δ being changes from the centre, for B images.

    They depend on the intervals only, not on the bound: so bounds of many values share them, and one more costs little.
    With slopes of such a kind alone this is CROWN (Zhang et al. 2018, arXiv:1811.00866).

    Args:
        below: a slope, [B, *shape of x].
        above: a slope, [B, *shape of x].
        least_below: of Δy − below·Δx on the intervals, or less, [B, *shape of y].
        least_above: of above·Δx − Δy on the intervals, or less, [B, *shape of y].
        lost: what rounding may add to c·Δy, for every |c|, [B, *shape of y].
    """
    both = {"below": below, "above": above, "lost": lost}
    return {**both, "least_below": least_below, "least_above": least_above}


def passed(bound: Penalized, of: Variables, slope: float) -> Passed:
    """A bound of y as one of x: by the line below where c > 0, else by that above.

    Args:
        bound: c and t of y; t becomes t·slope².
        of: the step, from `lines`.
        slope: a Lipschitz constant of y as a function of x.
    """
    up, down = tf.maximum(bound.c, 0), tf.maximum(-bound.c, 0)
    lost = of["lost"][:, None]
    constant = total(up * of["least_below"][:, None] + down * of["least_above"][:, None])
    all_lost = total((up + down) * lost) + _RESIDUAL * bound.t * total(lost**2)
    if len(of["below"].shape) > len(of["lost"].shape):  # several values make one
        up, down = up[..., None], down[..., None]
    g = up * of["below"][:, None] - down * of["above"][:, None]
    return Passed(constant, [Penalized(g, bound.t * (slope**2 * _INFLATED))], all_lost)
