"""Linear maps: dense layers, convolutions, average pooling, everything that moves or scales values."""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from keras_intriguing.certificates.steps.step import Enclosure, Passed, Penalized, Step, Variables, total

Apply = Callable[[tuple[tf.Tensor, ...], tf.Tensor], tf.Tensor]
_INFLATED, _RESIDUAL = 1 + 1e-6, 1e6  # (a + δ)² ≤ (1 + ε)·a² + (1 + 1/ε)·δ²


class Linear(Step):
    """y = W·x + bias.

    Args:
        source: position of x.
        shape: of y.
        apply: maps weights and x [N, …] to W·x; linear in x, and every entry of W is one of the weights or 1.
        weights: float64 arrays.
        bias: float64, broadcast to y.
        norm: of W, an upper bound.
    """

    def __init__(
        self,
        source: int,
        shape: Sequence[int],
        apply: Apply,
        weights: Sequence[np.ndarray] = (),
        bias: np.ndarray | float = 0.0,
        norm: float = 1.0,
    ) -> None:
        super().__init__([source], shape)
        self._apply, self._weights, self._bias, self.norm = apply, tuple(weights), np.asarray(bias), norm

    def value(self, values: Sequence[tf.Tensor]) -> tf.Tensor:
        """W·x + bias."""
        return self._map(values[0]) + tf.constant(self._bias, values[0].dtype)

    def enclose(self, sources: Sequence[Enclosure], rounding: float) -> Enclosure:
        """The narrower of interval arithmetic and of every row's norm times the radius."""
        x = sources[0]
        centre = self.value([x.centre])
        middle = self._map((x.lower + x.upper) / 2 - x.centre)
        half = self._map((x.upper - x.lower) / 2, abs)
        of_ball = tf.sqrt(self._map(tf.ones_like(x.centre[:1]), tf.square)) * _radius_like(x.radius, centre)
        size = self._map(tf.maximum(tf.abs(x.lower), tf.abs(x.upper)), abs) + abs(self._bias)
        wide = rounding * (size + of_ball)
        lower = centre + tf.maximum(middle - half, -of_ball) - wide
        upper = centre + tf.minimum(middle + half, of_ball) + wide
        return Enclosure(
            centre, tf.minimum(lower, centre), tf.maximum(upper, centre), self.norm * x.radius * (1 + 1e-9)
        )

    def pass_on(
        self,
        bound: Penalized,
        sources: Sequence[Enclosure],
        result: Enclosure,
        variables: Variables,
        rounding: float,
    ) -> Passed:
        """The slopes c become Wᵀ·c, and t becomes ‖W‖²·t."""
        x = sources[0]
        c = self._transposed(bound.c)
        t = bound.t * (self.norm**2 * _INFLATED)
        lost = tf.zeros_like(t)
        if rounding:
            off = rounding * (self._map(tf.abs(x.centre), abs) + abs(self._bias))  # of the centre's image
            lost = rounding * total(self._transposed(tf.abs(bound.c), abs) * x.span[:, None])
            lost += total(tf.abs(bound.c) * off[:, None])
            lost += _RESIDUAL * bound.t * total(off[:, None] ** 2)
        return Passed(tf.zeros_like(t), [Penalized(c, t)], lost)

    def _map(self, x: tf.Tensor, of_weights: Callable = lambda weight: weight) -> tf.Tensor:
        return self._apply(tuple(of_weights(tf.constant(w, x.dtype)) for w in self._weights), x)

    def _transposed(self, c: tf.Tensor, of_weights: Callable = lambda weight: weight) -> tf.Tensor:
        """Wᵀ·c of c [B, m, …]: the derivative of c·W·x, for which the map needs no matrix."""
        count = c.shape[0] * c.shape[1]
        x = tf.zeros((count, *self.source_shape), c.dtype)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = self._map(x, of_weights)
        gradient = tape.gradient(y, x, output_gradients=tf.reshape(c, (count, *self.shape)))
        return tf.reshape(gradient, (*c.shape[:2], *self.source_shape))

    source_shape: tuple[int, ...] = ()
    """Of x; set when the step joins its network."""


def _radius_like(radius: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    return tf.reshape(radius, [-1, *[1] * (len(values.shape) - 1)])
