"""Parts of a network of which only a Lipschitz constant is known."""

from collections.abc import Callable, Sequence

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

_FLOAT32 = 1e-5  # what the function, in float32 or with settings rounded to it, is taken to lose, in shares of its largest value


class Lipschitz(Step):
    """y = f(x) with ‖f(a) − f(b)‖ ≤ constant·‖a − b‖.

    For every λ > 0, c·Δy ≥ −½(‖c‖²/λ + λ‖Δy‖²): the bound loses all direction, and keeps the ball.
    """

    def __init__(
        self, source: int, shape: Sequence[int], function: Callable[[tf.Tensor], tf.Tensor], constant: float
    ) -> None:
        super().__init__([source], shape)
        self._function, self._constant = function, constant

    def value(self, values: Sequence[tf.Tensor]) -> tf.Tensor:
        """f(x), in the precision of the layer."""
        return tf.cast(self._function(values[0]), values[0].dtype)

    def enclose(self, sources: Sequence[Enclosure], rounding: float) -> Enclosure:
        """The ball, and what of it a single value can have."""
        centre = self.value([sources[0].centre])
        off = self._lost(centre) + tf.zeros_like(centre)
        radius = self._constant * sources[0].radius * (1 + 1e-9)
        wide, radius = by_row(radius, centre) + off, radius + length(off)
        return Enclosure(centre, centre - wide, centre + wide, radius)

    def start(self, sources: Sequence[Enclosure], rows: int) -> Variables:
        """The penalty that is best if nothing else is known."""
        radius = sources[0].radius
        return {"penalty": tf.zeros((radius.shape[0], rows), radius.dtype)}

    def pass_on(
        self,
        bound: Penalized,
        sources: Sequence[Enclosure],
        result: Enclosure,
        variables: Variables,
        rounding: float,
    ) -> Passed:
        """See the class."""
        square = total(bound.c**2)
        tiny = tf.constant(1e-30, bound.t.dtype)
        penalty = (tf.sqrt(square) + tiny) / (result.radius + tiny)[:, None] * tf.exp(variables["penalty"])
        t = (penalty + bound.t) * (self._constant**2 * (1 + 1e-6))
        zero = tf.zeros((*bound.t.shape, *sources[0].centre.shape[1:]), bound.t.dtype)
        lost = tf.zeros_like(bound.t)
        if rounding:
            off = tf.ones_like(result.centre) * self._lost(result.centre)
            lost = total(tf.abs(bound.c) * off[:, None])
            lost += misplaced(bound.t + penalty, result.radius, off)
            lost += rounding * square / penalty
        return Passed(-square / (2 * penalty), [Penalized(zero, t)], lost)

    def _lost(self, centre: tf.Tensor) -> tf.Tensor:
        largest = tf.reduce_max(tf.abs(centre), axis=list(range(1, len(centre.shape))), keepdims=True)
        return _FLOAT32 * largest
