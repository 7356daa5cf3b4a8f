"""Local response normalization, which divides every value by a power of the energy of those beside it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_intriguing.certificates.steps.step import (
    Enclosure,
    Passed,
    Penalized,
    Step,
    Variables,
    by_row,
    length,
    misplaced,
    total,
)

_INFLATED = 1 + 1e-6  # more than products are rounded by


class _Power(NamedTuple):
    """(k + α·Σ x_j²)^−exponent: at the image, its least and its largest value on the intervals, [B, …, C] each."""

    centre: tf.Tensor
    least: tf.Tensor
    largest: tf.Tensor

    @property
    def span(self) -> tf.Tensor:
        return tf.maximum(self.largest - self.centre, self.centre - self.least)


class LocalResponse(Step):
    """y_i = x_i·d_i^−β with d_i = k + α·Σ x_j², j over the channels around i, on the last axis.

    With J the Jacobian at the image and any number s, c·Δy = s·Jᵀc·Δx + c·R. The rest R is no longer than D·‖Δx‖, where D
    bounds ‖J(x) − s·J‖ on the intervals, by |s|·‖J(x) − J‖ + |1 − s|·L. So for every λ > 0

        c·Δy − ½·t·‖Δy‖² ≥ s·Jᵀc·Δx − ½·(t·L² + λ·D²)·‖Δx‖² − ½·‖c‖²/λ,

    which keeps the direction of c; s = 0 is what a Lipschitz constant L alone gives.

    Args:
        source: position of x.
        shape: of x and y.
        size: channels of a window, odd.
        bias, alpha, beta: k, α and β, as the layer computes with them.
        constant: L, of y as a function of x.
    """

    def __init__(
        self,
        source: int,
        shape: Sequence[int],
        size: int,
        bias: float,
        alpha: float,
        beta: float,
        constant: float,
    ) -> None:
        super().__init__([source], shape)
        self._bias, self._alpha, self._beta, self._constant = bias, alpha, beta, constant
        channels = np.arange(shape[-1])
        self._band = (np.abs(np.subtract.outer(channels, channels)) <= size // 2).astype(np.float64)

    def value(self, values: Sequence[tf.Tensor]) -> tf.Tensor:
        """x·d^−β."""
        return values[0] * self._energy(values[0] ** 2) ** -self._beta

    def enclose(self, sources: Sequence[Enclosure], rounding: float) -> Enclosure:
        """The narrower of interval arithmetic and of the ball that the Lipschitz constant gives."""
        x = sources[0]
        centre, factor = self.value([x.centre]), self._power(x, self._beta)
        of_ball = by_row(self._constant * x.radius, centre)
        lower = tf.maximum(tf.minimum(x.lower * factor.least, x.lower * factor.largest), centre - of_ball)
        upper = tf.minimum(tf.maximum(x.upper * factor.least, x.upper * factor.largest), centre + of_ball)
        wide = self._of_powers(rounding) * (tf.maximum(tf.abs(lower), tf.abs(upper)) + of_ball)
        lower, upper = tf.minimum(lower - wide, centre), tf.maximum(upper + wide, centre)
        in_box = length(tf.maximum(upper - centre, centre - lower))
        radius = tf.minimum(self._constant * x.radius + length(wide), in_box) * (1 + 1e-9)
        return Enclosure(centre, lower, upper, radius)

    def start(self, sources: Sequence[Enclosure], rows: int) -> Variables:
        """The Jacobian, unless it may change by more than L, and the λ that is best if nothing else is known."""
        x = sources[0]
        slope = tf.cast(self._change_of_jacobian(x, 0.0) < self._constant, x.radius.dtype)
        return {
            "slope": tf.repeat(slope[:, None], rows, axis=1),
            "penalty": tf.zeros((slope.shape[0], rows), slope.dtype),
        }

    def pass_on(
        self,
        bound: Penalized,
        sources: Sequence[Enclosure],
        result: Enclosure,
        variables: Variables,
        rounding: float,
    ) -> Passed:
        """See the class."""
        x, c, s = sources[0], bound.c, variables["slope"]
        rest = tf.abs(s) * self._change_of_jacobian(x, rounding)[:, None] + tf.abs(1 - s) * self._constant
        square, tiny = total(c**2), tf.constant(1e-30, c.dtype)
        best = tf.stop_gradient((tf.sqrt(square) + tiny) / (rest * x.radius[:, None] + tiny))
        multiplier = best * tf.exp(variables["penalty"])
        t = (bound.t * self._constant**2 + multiplier * rest**2) * _INFLATED
        g = by_row(s, c) * self._through_jacobian(c, x.centre)
        constant = -square / (2 * multiplier)
        lost = tf.zeros_like(constant)
        if rounding:
            rounding = self._of_powers(rounding)
            off = rounding * tf.abs(result.centre)
            of_slopes = self._through_jacobian(tf.abs(c), tf.abs(x.centre), 1.0) * by_row(tf.abs(s), c)
            lost = total(tf.abs(c) * off[:, None]) + misplaced(bound.t, result.radius, off)
            lost += rounding * (total(of_slopes * x.span[:, None]) + square / multiplier)
        return Passed(constant, [Penalized(g, t)], lost)

    def _through_jacobian(self, c: tf.Tensor, x: tf.Tensor, sign: float = -1.0) -> tf.Tensor:
        """Jᵀ·c of c [B, m, …, C] at x [B, …, C]; with sign 1, of |c| and |x|, a bound of its terms' size."""
        energy = self._energy(x**2)[:, None]
        shared = self._summed(c * x[:, None] * energy ** (-self._beta - 1))
        return c * energy**-self._beta + sign * 2 * self._alpha * self._beta * x[:, None] * shared

    def _change_of_jacobian(self, x: Enclosure, rounding: float) -> tf.Tensor:
        """A bound [B] of ‖J(x) − J‖ for all x on the intervals.

        J_ij = δ_ij·d_i^−β − 2αβ·x_i·x_j·d_i^(−β−1). Every entry changes by no more than its factors allow. By Schur's test
        the norm squared is no more than the largest sum of a row times that of a column, position by position.
        """
        factor, shrink = self._power(x, self._beta), self._power(x, self._beta + 1)
        size, most = tf.abs(x.centre), tf.maximum(tf.abs(x.lower), tf.abs(x.upper))
        span, twice = x.span, 2 * self._alpha * self._beta
        rows = shrink.largest * (span * self._summed(most) + size * self._summed(span))
        rows += shrink.span * size * self._summed(size)
        columns = most * self._summed(shrink.largest * span) + span * self._summed(shrink.largest * size)
        columns += size * self._summed(shrink.span * size)
        rounding = self._of_powers(rounding)
        wide = rounding * (factor.largest + twice * most * self._summed(shrink.largest * most))
        wide += rounding * twice * shrink.largest * most * self._summed(most)
        rows, columns = (
            tf.reduce_max(factor.span + twice * sums + wide, axis=-1) for sums in (rows, columns)
        )
        products = tf.reshape(rows * columns, (x.centre.shape[0], -1))
        return tf.sqrt(tf.reduce_max(products, axis=1)) * _INFLATED

    def _power(self, x: Enclosure, exponent: float) -> _Power:
        nearest = tf.maximum(tf.maximum(x.lower, -x.upper), 0)
        farthest = tf.maximum(tf.abs(x.lower), tf.abs(x.upper))
        centre, largest, least = (self._energy(v**2) ** -exponent for v in (x.centre, nearest, farthest))
        return _Power(centre, least, largest)

    def _of_powers(self, rounding: float) -> float:
        """Of the results: a power multiplies the relative error of what it is of by its exponent, at most β + 1."""
        return rounding * (2 + self._beta)

    def _energy(self, squares: tf.Tensor) -> tf.Tensor:
        return self._bias + self._alpha * self._summed(squares)

    def _summed(self, values: tf.Tensor) -> tf.Tensor:
        """Over the window of every channel."""
        return tf.tensordot(values, tf.constant(self._band, values.dtype), 1)
