"""Linear maps: dense layers, convolutions, average pooling, everything that moves or scales values."""

import math
from collections.abc import Callable, Sequence

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

Apply = Callable[[tuple[tf.Tensor, ...], tf.Tensor], tf.Tensor]
_INFLATED = 1 + 1e-6  # more than products are rounded by


class Linear(Step):
    """y = W·x + bias.

    Args:
        source: position of x.
        shape: of y.
        apply: maps weights and x [N, …] to W·x; linear in x, and every entry of W is one of the weights or 1.
        weights: float64 arrays.
        bias: float64, broadcast to y.
        norm: of W, an upper bound.
        keeps_angles: whether W is a multiple of an isometry, for which no tangent is of use.
    """

    def __init__(
        self,
        source: int,
        shape: Sequence[int],
        apply: Apply,
        weights: Sequence[np.ndarray] = (),
        bias: np.ndarray | float = 0.0,
        norm: float = 1.0,
        keeps_angles: bool = False,
    ) -> None:
        super().__init__([source], shape)
        self._apply, self._weights, self._bias, self.norm = apply, tuple(weights), np.asarray(bias), norm
        self._of_type: dict[tf.DType, list[tf.Tensor]] = {}
        self._has_tangent = bool(weights) and not keeps_angles

    def value(self, values: Sequence[tf.Tensor]) -> tf.Tensor:
        """W·x + bias."""
        return self._map(values[0]) + tf.constant(self._bias, values[0].dtype)

    def enclose(self, sources: Sequence[Enclosure], rounding: float) -> Enclosure:
        """The narrower of interval arithmetic and of every row's norm times the radius."""
        x = sources[0]
        centre = self.value([x.centre])
        middle = self._map((x.lower + x.upper) / 2 - x.centre)
        half = self._map((x.upper - x.lower) / 2, abs)
        of_ball = tf.sqrt(self._map(tf.ones_like(x.centre[:1]), tf.square)) * by_row(x.radius, centre)
        size = self._map(tf.maximum(tf.abs(x.lower), tf.abs(x.upper)), abs) + abs(self._bias)
        wide = rounding * (size + of_ball)
        lower = centre + tf.maximum(middle - half, -of_ball) - wide
        upper = centre + tf.minimum(middle + half, of_ball) + wide
        radius = self.norm * x.radius * (1 + 1e-9) + length(self._off(x, rounding))
        return Enclosure(centre, tf.minimum(lower, centre), tf.maximum(upper, centre), radius)

    def start(self, sources: Sequence[Enclosure], rows: int) -> Variables:
        """Tangents at the image itself."""
        x = sources[0].centre
        if not self._has_tangent:
            return {}
        return {"tangent": tf.zeros((x.shape[0], rows, *self.source_shape), x.dtype)}

    def pass_on(
        self,
        bound: Penalized,
        sources: Sequence[Enclosure],
        result: Enclosure,
        variables: Variables,
        rounding: float,
    ) -> Passed:
        """The slopes c become Wᵀ·c, and t becomes ‖W‖²·t.

        Then ½·t·(‖W‖²·‖Δx‖² − ‖W·Δx‖²) is given away, which is convex and never below its tangent at any u: that is kept. So
        where u is the worst change, the penalty is paid for the length of its image, not for ‖W‖.
        """
        x, s = sources[0], bound.t * _INFLATED
        t = s * self.norm**2
        slopes, added, constant = bound.c, 0.0, tf.zeros_like(t)
        lost = tf.zeros_like(t)
        if "tangent" in variables:
            u = variables["tangent"] * self._unit(x)
            image = self._mapped(u)
            slopes, added = bound.c - by_row(s, bound.c) * image, by_row(t, u) * u
            constant = 0.5 * (s * total(image**2) - t * total(u**2))
            if rounding:
                size, reach = self._mapped(tf.abs(u), abs), self._map(x.span, abs)[:, None]
                lost += rounding * s * total(size * (size + reach))
                lost += rounding * total(tf.abs(added) * (tf.abs(u) + x.span[:, None]))
        c = self._transposed(slopes) + added
        if rounding:
            off = self._off(x, rounding)
            lost += rounding * total(tf.abs(slopes) * self._map(x.span, abs)[:, None])
            lost += total(tf.abs(bound.c) * off[:, None])
            lost += misplaced(bound.t, result.radius, off)
        return Passed(constant, [Penalized(c, t)], lost)

    def _off(self, x: Enclosure, rounding: float) -> tf.Tensor:
        """By how much the centre's image may be rounded."""
        return rounding * (self._map(tf.abs(x.centre), abs) + abs(self._bias))

    def _unit(self, x: Enclosure) -> tf.Tensor:
        """What tangents are measured in: a value's share of the radius."""
        return by_row(x.radius / math.sqrt(math.prod(self.source_shape)), x.centre)[:, None]

    def _map(self, x: tf.Tensor, of_weights: Callable = lambda weight: weight) -> tf.Tensor:
        return self._apply(tuple(of_weights(w) for w in self._constants(x.dtype)), x)

    def _constants(self, dtype: tf.DType) -> list[tf.Tensor]:
        """The weights, made once a type: compiled functions share them."""
        if dtype not in self._of_type:
            with tf.init_scope():
                self._of_type[dtype] = [tf.constant(weight, dtype) for weight in self._weights]
        return self._of_type[dtype]

    def _mapped(self, u: tf.Tensor, of_weights: Callable = lambda weight: weight) -> tf.Tensor:
        """W·u of u [B, m, …]."""
        count = u.shape[0] * u.shape[1]
        image = self._map(tf.reshape(u, (count, *self.source_shape)), of_weights)
        return tf.reshape(image, (*u.shape[:2], *self.shape))

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
