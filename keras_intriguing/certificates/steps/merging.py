"""Sums and concatenations of the values of several steps."""

from collections.abc import Sequence

import tensorflow as tf

from keras_intriguing.certificates.steps.step import (
    Enclosure,
    Passed,
    Penalized,
    Step,
    Variables,
    length,
    misplaced,
    total,
)


class Sum(Step):
    """Σ signs·values, of sources of one shape.

    Args:
        sources: positions.
        shape: theirs.
        signs: a number for each.
    """

    def __init__(self, sources: Sequence[int], shape: Sequence[int], signs: Sequence[float]) -> None:
        super().__init__(sources, shape)
        self._signs = tuple(signs)

    def value(self, values: Sequence[tf.Tensor]) -> tf.Tensor:
        """The values joined."""
        return tf.add_n([sign * value for sign, value in zip(self._signs, values, strict=True)])

    def enclose(self, sources: Sequence[Enclosure], rounding: float) -> Enclosure:
        """The sources' intervals and balls joined."""
        lower = upper = 0.0
        for sign, source in zip(self._signs, sources, strict=True):
            ends = sign * source.lower, sign * source.upper
            lower, upper = lower + tf.minimum(*ends), upper + tf.maximum(*ends)
        size = rounding * tf.add_n([tf.maximum(tf.abs(s.lower), tf.abs(s.upper)) for s in sources])
        radius = tf.add_n([abs(sign) * s.radius for sign, s in zip(self._signs, sources, strict=True)])
        return Enclosure(
            self.value([s.centre for s in sources]),
            lower - size,
            upper + size,
            radius * (1 + 1e-9) + length(size),
        )

    def pass_on(
        self,
        bound: Penalized,
        sources: Sequence[Enclosure],
        result: Enclosure,
        variables: Variables,
        rounding: float,
    ) -> Passed:
        """(Σ aᵢ)² ≤ Σ aᵢ²/wᵢ for shares wᵢ that sum to 1: those of the radii."""
        tiny = tf.constant(1e-30, bound.t.dtype)
        radii = [abs(sign) * s.radius + tiny for sign, s in zip(self._signs, sources, strict=True)]
        whole = tf.add_n(radii)
        passed = [
            Penalized(sign * bound.c, bound.t * (sign**2 * whole / radius * (1 + 1e-6))[:, None])
            for sign, radius in zip(self._signs, radii, strict=True)
        ]
        lost = tf.zeros_like(bound.t)
        if rounding:
            off = rounding * tf.add_n([tf.abs(s.centre) for s in sources])
            lost = total(tf.abs(bound.c) * off[:, None]) + misplaced(bound.t, result.radius, off)
            lost += rounding * tf.add_n([total(tf.abs(bound.c) * s.span[:, None]) for s in sources])
        return Passed(tf.zeros_like(bound.t), passed, lost)


class Concatenation(Step):
    """The values of several steps side by side.

    Args:
        sources: positions.
        shapes: theirs, alike but for the axis.
        axis: counted without the batch axis.
    """

    def __init__(self, sources: Sequence[int], shapes: Sequence[Sequence[int]], axis: int) -> None:
        sizes = [shape[axis] for shape in shapes]
        super().__init__(sources, (*shapes[0][:axis], sum(sizes), *shapes[0][axis + 1 :]))
        self._sizes, self._axis = sizes, axis

    def value(self, values: Sequence[tf.Tensor]) -> tf.Tensor:
        """The values joined."""
        return tf.concat(values, axis=self._axis + 1)

    def enclose(self, sources: Sequence[Enclosure], rounding: float) -> Enclosure:
        """The sources' intervals and balls joined."""
        centre, lower, upper = (tf.concat([s[i] for s in sources], axis=self._axis + 1) for i in range(3))
        radius = tf.sqrt(tf.add_n([s.radius**2 for s in sources])) * (1 + 1e-9)
        return Enclosure(centre, lower, upper, radius)

    def pass_on(
        self,
        bound: Penalized,
        sources: Sequence[Enclosure],
        result: Enclosure,
        variables: Variables,
        rounding: float,
    ) -> Passed:
        """Every source gets its part of c."""
        parts = tf.split(bound.c, self._sizes, axis=self._axis + 2)
        zero = tf.zeros_like(bound.t)
        return Passed(zero, [Penalized(part, bound.t) for part in parts], zero)
