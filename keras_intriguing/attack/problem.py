"""The problem that a batch of images poses, and points that may solve it.

The problem of one image x [n], with pixels in [lower, upper]: find the smallest ‖v − x‖ such that the target's
logit is at least that of every rival, z_t(v) ≥ z_j(v) for j in R. Targeted, R is every other class; to leave
a class towards a given other one, R is the class to leave.

Shapes: B images of n values, K classes; x, v [B, n]; target [B]; rivals R [B, K] boolean.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_intriguing.classifiers.pixels import Bounds

_NEVER = -1e30


class Box(NamedTuple):
    """The box of every pixel.

    Attributes:
        lower: the smallest values, a number or [n]; may be infinite.
        upper: the largest.
        reach: a pixel's usual range, a finite number; lengths are measured in it where nothing better is known.
    """

    lower: tf.Tensor
    upper: tf.Tensor
    reach: tf.Tensor

    @classmethod
    def of(cls, bounds: Bounds, x: np.ndarray) -> "Box":
        """Of bounds of images x [B, n]: `reach` is the range that all pixels have, or else the geometric mean of the ranges,
        which are taken from the images where bounds are infinite.
        """
        lower, upper = (tf.constant(b, tf.float32) for b in bounds)
        if bounds.are_finite and not np.ndim(bounds.lower):
            return cls(lower, upper, upper - lower)
        finite = bounds.finite(x)
        spans = np.asarray(finite.upper, np.float64) - finite.lower
        return cls(lower, upper, tf.constant(np.exp(np.log(spans).mean()), tf.float32))

    def clip(self, v: tf.Tensor) -> tf.Tensor:
        """The nearest point of the box."""
        clipped = tf.clip_by_value(v, self.lower, self.upper)
        # a trace that serves numbers and arrays as bounds knows the shape of neither
        clipped.set_shape(v.shape)
        return clipped


class Problem(NamedTuple):
    """The problems of a batch: see the module's docstring.

    `margin` [B, K] is by how much the target's logit must exceed each rival's, so that the label holds when the
    image is seen in a batch of another size, whose sums are rounded in another order; see `margins`. `weights` are
    those of the model.
    """

    weights: list[tf.Tensor]

    x: tf.Tensor
    target: tf.Tensor
    rivals: tf.Tensor
    box: Box
    margin: tf.Tensor

    def constraints(self, z: tf.Tensor) -> tf.Tensor:
        """g_j = z_j − z_t + margin [B, K], to be ≤ 0, for the rivals j by logits z; far below 0 for other classes."""
        difference = z - tf.gather(z, self.target, batch_dims=1)[:, None]
        return tf.where(self.rivals, difference + self.margin, _NEVER)

    def loss(self, z: tf.Tensor) -> tf.Tensor:
        """The log-sum-exp of the rivals' logits less the target's [B]: smooth, and at least max z_j − z_t."""
        of_rivals = tf.reduce_logsumexp(tf.where(self.rivals, z, _NEVER), axis=-1)
        return of_rivals - tf.gather(z, self.target, batch_dims=1)

    def is_met(self, z: tf.Tensor) -> tf.Tensor:
        """Whether points with logits z [B, K] meet the constraints of every rival, bool [B]."""
        return tf.reduce_max(self.constraints(z), axis=-1) <= 0


class Candidate(NamedTuple):
    """Points v [B, n] and their distances [B] from x, infinite where v does not meet the constraints."""

    v: tf.Tensor
    distance: tf.Tensor

    def nearer(self, other: "Candidate") -> "Candidate":
        """Of both, the nearer for every image."""
        is_nearer = other.distance < self.distance
        return Candidate(
            tf.where(is_nearer[:, None], other.v, self.v), tf.where(is_nearer, other.distance, self.distance)
        )


def margins(logits: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """The margins [B, K] of a target [B] over every class, by the logits [B, K] at the images.

    A hundred-thousandth of the pair's difference, which lengthens the way by about as little, and some units
    in the last place of the logits.
    """
    of_target = tf.gather(logits, target, batch_dims=1)[:, None]
    return 1e-5 * tf.abs(logits - of_target) + 3e-7 * tf.maximum(tf.abs(logits), tf.abs(of_target))


def length_scale(problem: Problem, best: Candidate) -> tf.Tensor:
    """A length [B] of the size of the answer, to measure the problem in."""
    length = tf.where(tf.math.is_finite(best.distance), best.distance, tf.norm(best.v - problem.x, axis=-1))
    return tf.maximum(length, 1e-6 * problem.box.reach)
