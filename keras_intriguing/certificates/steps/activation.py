"""A function applied to every value."""

import math
from collections.abc import Sequence

import tensorflow as tf

from keras_intriguing.certificates.steps.curves import Curve
from keras_intriguing.certificates.steps.lines import lines, passed
from keras_intriguing.certificates.steps.step import (
    Enclosure,
    OfUnits,
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

    Slopes are shares of c, and where variables have it, `added` in units of the c of all: where an interval was cut, a slope
    may be of use that has nothing to do with c.
    """

    def __init__(self, source: int, shape: Sequence[int], curve: Curve) -> None:
        super().__init__([source], shape)
        self.curve = curve

    def value(self, values: Sequence[tf.Tensor]) -> tf.Tensor:
        """The function of every value."""
        return self.curve.value(values[0])

    def enclose(self, sources: Sequence[Enclosure], rounding: float) -> Enclosure:
        """The curve's range on every interval, and the ball times its slope."""
        z = sources[0]
        centre = self.curve.value(z.centre)
        lower, upper = self.curve.enclose(z.lower, z.upper)
        wide = rounding * (1 + tf.maximum(tf.abs(lower), tf.abs(upper)))
        lower, upper = tf.minimum(lower - wide, centre), tf.maximum(upper + wide, centre)
        in_box = length(tf.maximum(upper - centre, centre - lower))
        radius = tf.minimum(self.curve.slope * z.radius + length(wide), in_box) * (1 + 1e-9)
        return Enclosure(centre, lower, upper, radius)

    def start(self, sources: Sequence[Enclosure], rows: int) -> Variables:
        """Slopes as shares of c: those of the chords."""
        chord = self._chord(sources[0])
        shape = (chord.shape[0], rows)
        return {
            "slope": tf.repeat(chord[:, None], rows, axis=1),
            "penalty": tf.fill(shape, tf.constant(_NO_PENALTY, chord.dtype)),
            "kept": tf.zeros(shape, chord.dtype),
        }

    def lines(self, sources: Sequence[Enclosure], result: Enclosure, rounding: float) -> Variables:
        """On either side with the slope of the chord or that at the middle, whichever line is nearer there."""
        z = sources[0]
        middle = (z.lower + z.upper) / 2
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(middle)
            at_middle = self.curve.value(middle)
        tangent, chord = tape.gradient(at_middle, middle), self._chord(z)
        sides = []
        for sign in (1.0, -1.0):
            of_chord, of_tangent = (self._least_of_line(sign, slope, z) for slope in (chord, tangent))
            nearer = of_tangent + sign * tangent * (middle - z.centre) > of_chord + sign * chord * (
                middle - z.centre
            )
            sides.append((tf.where(nearer, tangent, chord), tf.where(nearer, of_tangent, of_chord)))
        (below, least_below), (above, least_above) = sides
        size = result.span + tf.abs(result.centre) + _ABSOLUTE
        steepest = tf.maximum(tf.abs(below), tf.abs(above))
        lost = rounding * (size + steepest * (z.span + tf.abs(z.centre)))
        return lines(below, above, least_below, least_above, lost)

    def _least_of_line(self, sign: float, slope: tf.Tensor, z: Enclosure) -> tf.Tensor:
        """A lower bound, but for rounding, of sign·(Δf − slope·Δs) on every interval."""
        zero = tf.zeros_like(slope)
        return self.curve.proved_least(zero + sign, zero, sign * slope, zero, *z[:3])

    def _chord(self, z: Enclosure) -> tf.Tensor:
        rise = self.curve.value(z.upper) - self.curve.value(z.lower)
        return tf.math.divide_no_nan(rise, z.upper - z.lower)

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
            return passed(bound, variables, self.curve.slope)
        z, c = sources[0], bound.c
        g = c * variables["slope"]
        tiny = tf.constant(1e-30, c.dtype)
        if "added" in variables:
            units = math.prod(self.shape)
            g += by_row(tf.stop_gradient(tf.sqrt(total(c**2) / units)), c) * variables["added"]
        best = tf.stop_gradient(tf.sqrt(total(c**2)) * self.curve.slope / (z.radius + tiny)[:, None])
        p = best * tf.exp(variables["penalty"])
        p += bound.t * (self.curve.slope**2 * tf.exp(variables["kept"]))
        of_units = c, by_row(bound.t, c), g, by_row(p, c), *(v[:, None] for v in (z.centre, z.lower, z.upper))
        at = tf.stop_gradient(self.curve.candidates(*of_units))
        objective = self.curve.objective(*of_units[:5])
        if not rounding:
            return Passed(total(objective(at)), [Penalized(g, p)], tf.zeros_like(bound.t))
        least = self.curve.proved_least(*of_units)
        rise, run = result.span[:, None], z.span[:, None]
        size = tf.abs(c) * (rise + tf.abs(result.centre[:, None]) + _ABSOLUTE) + tf.abs(g) * (
            run + tf.abs(z.centre[:, None])
        )
        squares = of_units[1] * (rise + rounding) ** 2 + of_units[3] * run**2
        lost = rounding * total(size + squares)
        return Passed(total(least), [Penalized(g, p)], lost, OfUnits(objective, at, least))
