"""A function applied to every value."""

from collections.abc import Sequence

import tensorflow as tf

from keras_intriguing.certificates.steps.curves import Curve
from keras_intriguing.certificates.steps.step import (
    Enclosure,
    Passed,
    Penalized,
    Step,
    Variables,
    by_row,
    length,
    total,
)

_ABSOLUTE = (
    0.1  # what errors of small values are relative to where a function is a difference, as of exp(z) and 1
)
_NO_PENALTY = -3.0  # the first penalty's logarithm, in shares of the best one where there are no intervals


class Activation(Step):
    """y = f(z) for every value by itself.

    A bound c·Δy − ½·t·‖Δy‖² becomes one of Δz: for any slopes g and any penalty p it is at least

        g·Δz − ½·p·‖Δz‖² + Σ over units of the minimum of c·Δf − ½·t·Δf² − g·Δs + ½·p·Δs² on the unit's interval,

    one number a unit, however the units depend on each other. The penalty is what the units have in common: below, it
    is paid for once with the radius of the ball. p = 0 gives CROWN's lines (Zhang et al. 2018, arXiv:1811.00866), no
    intervals and g chosen well the offset of SDP-CROWN (2025, arXiv:2506.06665); with both it is tighter than either.
    """

    def __init__(self, source: int, shape: Sequence[int], curve: Curve) -> None:
        super().__init__([source], shape)
        self._curve = curve

    def value(self, values: Sequence[tf.Tensor]) -> tf.Tensor:
        """The function of every value."""
        return self._curve.value(values[0])

    def enclose(self, sources: Sequence[Enclosure], rounding: float) -> Enclosure:
        """The curve's range on every interval, and the ball times its slope."""
        z = sources[0]
        centre = self._curve.value(z.centre)
        lower, upper = self._curve.enclose(z.lower, z.upper)
        wide = rounding * (1 + tf.maximum(tf.abs(lower), tf.abs(upper)))
        lower, upper = tf.minimum(lower - wide, centre), tf.maximum(upper + wide, centre)
        in_box = length(tf.maximum(upper - centre, centre - lower))
        radius = tf.minimum(self._curve.slope * z.radius + length(wide), in_box) * (1 + 1e-9)
        return Enclosure(centre, lower, upper, radius)

    def start(self, sources: Sequence[Enclosure], rows: int) -> Variables:
        """Slopes as shares of c: those of the chords."""
        z = sources[0]
        rise = self._curve.value(z.upper) - self._curve.value(z.lower)
        chord = tf.math.divide_no_nan(rise, z.upper - z.lower)
        shape = (chord.shape[0], rows)
        return {
            "slope": tf.repeat(chord[:, None], rows, axis=1),
            "penalty": tf.fill(shape, tf.constant(_NO_PENALTY, chord.dtype)),
            "kept": tf.zeros(shape, chord.dtype),
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
        z, c = sources[0], bound.c
        g = c * variables["slope"]
        tiny = tf.constant(1e-30, c.dtype)
        best = tf.stop_gradient(tf.sqrt(total(c**2)) * self._curve.slope / (z.radius + tiny)[:, None])
        p = best * tf.exp(variables["penalty"])
        p += bound.t * (self._curve.slope**2 * tf.exp(variables["kept"]))
        of_units = c, by_row(bound.t, c), g, by_row(p, c), *(v[:, None] for v in (z.centre, z.lower, z.upper))
        if rounding:
            least = self._curve.proved_least(*of_units)
            rise, run = result.span[:, None], z.span[:, None]
            size = tf.abs(c) * (rise + tf.abs(result.centre[:, None]) + _ABSOLUTE) + tf.abs(g) * (
                run + tf.abs(z.centre[:, None])
            )
            squares = of_units[1] * (rise + rounding) ** 2 + of_units[3] * run**2
            return Passed(total(least), [Penalized(g, p)], rounding * total(size + squares))
        at = tf.stop_gradient(self._curve.candidates(*of_units))
        least = self._curve.objective(*of_units[:5])(at)
        return Passed(total(least), [Penalized(g, p)], tf.zeros_like(bound.t))
