"""The images that are asked about: those in a ball and in a box."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_intriguing.certificates.steps.step import Enclosure, length
from keras_intriguing.classifiers.pixels import Bounds

_SECULAR = 5  # steps towards the multiplier of the ball; any multiplier gives a bound


class Region(NamedTuple):
    """The images x' with ‖x' − x‖ ≤ radius and lowest ≤ x' ≤ highest: x [B, …], radius [B], two numbers or arrays of the shape
    of an image, which may be infinite.
    """

    x: tf.Tensor
    radius: tf.Tensor
    lowest: tf.Tensor
    highest: tf.Tensor

    @classmethod
    def of(cls, x: np.ndarray, radius: np.ndarray, bounds: Bounds, dtype: tf.DType) -> "Region":
        """As tensors of a type."""
        return cls(*(tf.constant(v, dtype) for v in (x, radius, *bounds)))

    def repeated(self, count: int, dtype: tf.DType) -> "Region":
        """The one image of this region again and again, in a type."""
        x, radius, lowest, highest = (tf.cast(v, dtype) for v in self)
        return Region(tf.repeat(x, count, axis=0), tf.repeat(radius, count), lowest, highest)

    def enclosure(self) -> Enclosure:
        """Where the pixels lie."""
        reach = tf.reshape(self.radius, [-1, *[1] * (len(self.x.shape) - 1)]) * (1 + 1e-9)
        lower, upper = tf.maximum(self.x - reach, self.lowest), tf.minimum(self.x + reach, self.highest)
        span = tf.maximum(self.x - lower, upper - self.x)
        return Enclosure(self.x, lower, upper, tf.minimum(self.radius, length(span) * (1 + 1e-9)))


def least_on(a: tf.Tensor, region: Region) -> tuple[tf.Tensor, tf.Tensor]:
    """A lower bound [B, m] of min a·r over the region's changes r, and an r [B, m, …] near the minimum; a [B, m, …].

    For every multiplier μ ≥ 0 of the ball, min over the box of a·r + μ/2·(‖r‖² − radius²) is a bound, and its
    minimum is r = −a/μ, clipped. The best μ solves ‖r‖ = radius, step by step for the pixels that are not clipped.
    """
    shape = a.shape
    a, x = tf.reshape(a, (*shape[:2], -1)), tf.reshape(region.x, (shape[0], -1))
    radius = region.radius[:, None]
    reach = radius * (1 + 1e-9)  # stands for infinite bounds, which the ball keeps
    lowest, highest = (tf.reshape(bound, [-1]) - x for bound in (region.lowest, region.highest))
    lowest = tf.where(tf.math.is_finite(lowest), lowest, -reach)[:, None]
    highest = tf.where(tf.math.is_finite(highest), highest, reach)[:, None]
    length = tf.norm(tf.stop_gradient(a), axis=-1)
    tiny = tf.constant(1e-30, a.dtype)
    inverse = radius / tf.maximum(length, tiny)
    for _ in range(_SECULAR):
        r = -inverse[..., None] * a
        is_free = (r >= lowest) & (r <= highest)
        free = tf.reduce_sum(tf.where(is_free, a**2, tf.zeros_like(a)), axis=-1)
        taken = tf.reduce_sum(
            tf.where(is_free, tf.zeros_like(a), tf.clip_by_value(r, lowest, highest) ** 2), axis=-1
        )
        next_inverse = tf.sqrt(tf.maximum(radius**2 - taken, 0) / tf.maximum(free, tiny))
        inverse = tf.where(free > 0, tf.minimum(next_inverse, 1e6 * inverse), 4 * inverse)
    inverse = tf.stop_gradient(inverse)
    r = tf.stop_gradient(tf.clip_by_value(-inverse[..., None] * a, lowest, highest))
    multiplier = 1 / tf.maximum(inverse, tiny)
    dual = tf.reduce_sum(a * r, axis=-1) + multiplier / 2 * (tf.reduce_sum(r**2, axis=-1) - radius**2)
    in_box = tf.reduce_sum(tf.minimum(a * lowest, a * highest), axis=-1)
    in_ball = -radius * tf.sqrt(tf.reduce_sum(a**2, axis=-1) + tiny)
    return tf.maximum(tf.maximum(dual, in_box), in_ball), tf.reshape(r, shape)
