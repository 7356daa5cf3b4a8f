"""The largest of several values, as in max pooling."""

import math
from collections.abc import Sequence

import tensorflow as tf

from keras_intriguing.certificates.steps.lines import lines, passed
from keras_intriguing.certificates.steps.step import (
    Enclosure,
    Passed,
    Penalized,
    Step,
    Variables,
    by_row,
    total,
)

_NO_PENALTY = -3.0


class Maximum(Step):
    """The largest value along the last axis.

    Whichever value xᵢ is the largest, y = xᵢ and xⱼ ≤ xᵢ for all others. So a bound c·Δy − ½·t·Δy² of a group is at
    least g·Δx − ½·p·‖Δx‖² plus the least, over i, of the minimum on the intervals of

        c·(xᵢ − ŷ) − ½·t·(xᵢ − ŷ)² − g·Δx + ½·p·‖Δx‖² + Σⱼ νⱼ·(xⱼ − xᵢ)

    with any multipliers ν ≥ 0; it falls apart into the single values. Where c > 0, ν = max(g, 0) takes the others out.
    """

    def __init__(self, source: int, shape: Sequence[int], count: int) -> None:
        super().__init__([source], shape)
        self._count = count

    def value(self, values: Sequence[tf.Tensor]) -> tf.Tensor:
        """The largest along the last axis."""
        return tf.reduce_max(values[0], axis=-1)

    def enclose(self, sources: Sequence[Enclosure], rounding: float) -> Enclosure:
        """Nothing is rounded, and no distance grows."""
        x = sources[0]
        centre, lower, upper = (tf.reduce_max(v, axis=-1) for v in x[:3])
        return Enclosure(centre, lower, upper, x.radius)

    def start(self, sources: Sequence[Enclosure], rows: int) -> Variables:
        """The slopes of the values that are largest at the image."""
        x = sources[0]
        first = tf.one_hot(tf.argmax(x.centre, axis=-1), self._count, dtype=x.centre.dtype)
        shape = (first.shape[0], rows)
        return {
            "slope": tf.repeat(first[:, None], rows, axis=1),
            "penalty": tf.fill(shape, tf.constant(_NO_PENALTY, first.dtype)),
            "kept": tf.zeros(shape, first.dtype),
        }

    def lines(self, sources: Sequence[Enclosure], result: Enclosure, rounding: float) -> Variables:
        """Below, the value that is largest at the image; above, values by how far they can surpass what the largest is at least."""
        x = sources[0]
        first = tf.one_hot(tf.argmax(x.centre, axis=-1), self._count, dtype=x.centre.dtype)
        room = tf.maximum(x.upper - tf.reduce_max(x.lower, axis=-1, keepdims=True), 0)
        whole = tf.reduce_sum(room, axis=-1, keepdims=True)
        above = tf.where(whole > 0, tf.math.divide_no_nan(room, whole), first)
        one = tf.ones_like(result.centre)[:, None]
        zero = tf.zeros_like(one[..., None])
        least_below, least_above = (
            self._least_of_windows(
                sign * one[..., None], zero, sign * slope[:, None], zero, x, result.centre
            )[:, 0]
            for sign, slope in ((1.0, first), (-1.0, above))
        )
        sizes = [
            self._sizes(one[..., None], zero, slope[:, None], zero, x, result.centre)[:, 0]
            for slope in (first, above)
        ]
        return lines(first, above, least_below, least_above, rounding * tf.maximum(*sizes))

    def pass_on(
        self,
        bound: Penalized,
        sources: Sequence[Enclosure],
        result: Enclosure,
        variables: Variables,
        rounding: float,
    ) -> Passed:
        """See the class; by `lines` where these are what is chosen."""
        if "below" in variables:
            return passed(bound, variables, 1.0)
        x, c = sources[0], bound.c[..., None]
        g = c * variables["slope"]
        tiny = tf.constant(1e-30, c.dtype)
        best = tf.stop_gradient(tf.sqrt(total(bound.c**2)) / (x.radius + tiny)[:, None])
        p = best * tf.exp(variables["penalty"]) + bound.t * tf.exp(variables["kept"])
        of_windows = c, by_row(bound.t, c), g, by_row(p, c), x, result.centre
        lost = tf.zeros_like(bound.t)
        if rounding:
            lost = rounding * total(self._sizes(*of_windows))
        return Passed(total(self._least_of_windows(*of_windows)), [Penalized(g, p)], lost)

    def _least_of_windows(
        self, c: tf.Tensor, t: tf.Tensor, g: tf.Tensor, p: tf.Tensor, x: Enclosure, result: tf.Tensor
    ) -> tf.Tensor:
        """The least of every window: [B, m, *shape]; c, t, g, p [B, m, *shape, values of a window], or broadcast to that."""
        multiplier = tf.where(c > 0, tf.maximum(g, 0), tf.zeros_like(g))
        centre, low, high = (v[:, None] for v in x[:3])
        away = centre - result[:, None, ..., None]
        others = _least(multiplier - g, p + tf.zeros_like(g), low - centre, high - centre)
        others += multiplier * centre
        all_others = tf.reduce_sum(others, axis=-1, keepdims=True)
        all_multipliers = tf.reduce_sum(multiplier, axis=-1, keepdims=True)
        first = tf.maximum(
            low, tf.reduce_max(low, axis=-1, keepdims=True)
        )  # the largest is no less than any lower bound
        rest = all_multipliers - multiplier
        winner = _least(
            c - t * away - g - rest,
            p - t + tf.zeros_like(g),
            tf.minimum(first, high) - centre,
            high - centre,
        )
        found = winner + away * (c - 0.5 * t * away) - rest * centre + all_others - others
        found = tf.where(high < first, tf.constant(math.inf, c.dtype), found)
        return tf.reduce_min(found, axis=-1)

    def _sizes(
        self, c: tf.Tensor, t: tf.Tensor, g: tf.Tensor, p: tf.Tensor, x: Enclosure, result: tf.Tensor
    ) -> tf.Tensor:
        """What `_least_of_windows` is rounded in relation to, of every window."""
        span, size = x.span[:, None], tf.abs(x.centre[:, None])
        away = tf.abs(x.centre - result[..., None])[:, None]
        slopes = tf.abs(c) + tf.reduce_sum(tf.abs(g), axis=-1, keepdims=True)
        wins = x.upper >= tf.reduce_max(x.lower, axis=-1, keepdims=True)
        reach = span + tf.where(wins[:, None], away, 0)
        sizes = slopes * (span + size + away) + (t + p) * reach**2
        return 4 * self._count * tf.reduce_sum(sizes, axis=-1)


def _least(slope: tf.Tensor, bend: tf.Tensor, lower: tf.Tensor, upper: tf.Tensor) -> tf.Tensor:
    """The minimum of slope·s + ½·bend·s² on [lower, upper]."""
    level = tf.clip_by_value(-slope / tf.where(bend > 0, bend, tf.ones_like(bend)), lower, upper)
    of_ends = slope * lower + 0.5 * bend * lower**2, slope * upper + 0.5 * bend * upper**2
    at = tf.where(bend > 0, level, tf.where(of_ends[0] < of_ends[1], lower + tf.zeros_like(level), upper))
    at = tf.stop_gradient(at)
    return slope * at + 0.5 * bend * at**2
