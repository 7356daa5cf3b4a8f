"""Lines below and above an activation function on an interval: the relaxations of CROWN (Zhang et al. 2018, arXiv:1811.00866).

All in float64 TensorFlow. A line is named by one number, its touching point: a tangent's for sigmoid and tanh, the
slope itself of the lower line for ReLU. Every number names a valid line; the best one is where the propagated
bound's own minimum lies, to which `respond` moves it.
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

_HALVINGS = 50


class Curve(NamedTuple):
    """A function that is convex below zero and concave above, and its slope."""

    value: Callable[[tf.Tensor], tf.Tensor]
    slope: Callable[[tf.Tensor], tf.Tensor]


_CURVES = {
    "sigmoid": Curve(tf.sigmoid, lambda t: tf.sigmoid(t) * tf.sigmoid(-t)),
    "tanh": Curve(tf.tanh, lambda t: 1 - tf.tanh(t) ** 2),
}
KNOWN = (*_CURVES, "relu", "linear")


def relaxed(name: str, lower: tf.Tensor, upper: tf.Tensor) -> "Relaxation":
    """The lines for units whose inputs lie in [lower, upper], float64 [B, n], of an activation in `KNOWN`."""
    if name in _CURVES:
        return _Sigmoidal(_CURVES[name], lower, upper)
    if name == "relu":
        return _Rectified(lower, upper)
    if name == "linear":
        return _Linear()
    raise ValueError(f"There are no lines for the activation {name!r}. Known: {', '.join(KNOWN)}.")


class Relaxation:
    """Lines for the units of a layer."""

    def start(self, z: tf.Tensor) -> tf.Tensor:
        """The first touching points [B, n], for the units' values z [B, n] at the image."""
        raise NotImplementedError

    def lines(self, is_lower: tf.Tensor, touching: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Slopes and intercepts [B, m, n]: of a line below where `is_lower`, of one above elsewhere."""
        raise NotImplementedError

    def respond(self, z: tf.Tensor) -> tf.Tensor:
        """The touching points that are best where the units' values are z [B, m, n]."""
        raise NotImplementedError


class _Sigmoidal(Relaxation):
    """Tangents; the chord where no tangent on that side holds on the whole interval."""

    def __init__(self, curve: Curve, lower: tf.Tensor, upper: tf.Tensor) -> None:
        self._curve = curve
        self._lower, self._upper = lower[:, None], upper[:, None]
        self._first_above = _first_tangent_above(curve, lower, upper)[:, None]
        self._last_below = -_first_tangent_above(curve, -upper, -lower, mirrored=True)[:, None]
        ends = curve.value(self._lower), curve.value(self._upper)
        self._chord = tf.math.divide_no_nan(ends[1] - ends[0], self._upper - self._lower)
        self._chord_at_zero = ends[0] - self._chord * self._lower
        self._no_tangent_above = (self._upper <= 0) | (
            (self._lower < 0) & (ends[1] + curve.slope(self._upper) * (self._lower - self._upper) < ends[0])
        )
        self._no_tangent_below = (self._lower >= 0) | (
            (self._upper > 0) & (ends[0] + curve.slope(self._lower) * (self._upper - self._lower) > ends[1])
        )

    def start(self, z: tf.Tensor) -> tf.Tensor:
        return z

    def lines(self, is_lower: tf.Tensor, touching: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        above = tf.clip_by_value(touching, tf.maximum(self._first_above, self._lower), self._upper)
        below = tf.clip_by_value(touching, self._lower, tf.minimum(self._last_below, self._upper))
        at = tf.where(is_lower, below, above)
        slope = self._curve.slope(at)
        is_chord = tf.where(is_lower, self._no_tangent_below, self._no_tangent_above)
        return (
            tf.where(is_chord, self._chord, slope),
            tf.where(is_chord, self._chord_at_zero, self._curve.value(at) - slope * at),
        )

    def respond(self, z: tf.Tensor) -> tf.Tensor:
        return z


def _first_tangent_above(
    curve: Curve, lower: tf.Tensor, upper: tf.Tensor, mirrored: bool = False
) -> tf.Tensor:
    """The least t ≥ 0 in the interval whose tangent passes above the curve's point at `lower`, by bisection.

    Such a tangent is above the curve on the whole interval: above zero by concavity, and below zero the curve
    lies under its chord, whose ends lie under the tangent. `mirrored` is for −f(−t), which has the same slopes.
    """
    value = (lambda t: -curve.value(-t)) if mirrored else curve.value

    def halve(fails: tf.Tensor, holds: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        middle = (fails + holds) / 2
        above = value(middle) + curve.slope(middle) * (lower - middle) >= value(lower)
        return tf.where(above, fails, middle), tf.where(above, middle, holds)

    fails = tf.maximum(lower, 0)
    interval = fails, tf.maximum(upper, fails)
    return tf.while_loop(lambda *_: True, halve, interval, maximum_iterations=_HALVINGS)[1]


class _Rectified(Relaxation):
    """The chord above; below any line through zero of a slope in [0, 1]."""

    def __init__(self, lower: tf.Tensor, upper: tf.Tensor) -> None:
        self._lower, self._upper = lower[:, None], upper[:, None]
        self._chord = tf.math.divide_no_nan(self._upper, self._upper - self._lower)

    def start(self, z: tf.Tensor) -> tf.Tensor:
        return tf.cast((self._upper > -self._lower)[:, 0], z.dtype)

    def lines(self, is_lower: tf.Tensor, touching: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        is_on, is_off = self._lower >= 0, self._upper <= 0
        slope = tf.where(is_lower, tf.clip_by_value(touching, 0, 1), self._chord)
        slope = tf.where(is_on, tf.ones_like(slope), tf.where(is_off, tf.zeros_like(slope), slope))
        chord_at_zero = tf.where(is_on | is_off | is_lower, tf.zeros_like(slope), -self._chord * self._lower)
        return slope, chord_at_zero

    def respond(self, z: tf.Tensor) -> tf.Tensor:
        return tf.cast(z > 0, z.dtype)


class _Linear(Relaxation):
    """The function is its own line."""

    def start(self, z: tf.Tensor) -> tf.Tensor:
        return z

    def lines(self, is_lower: tf.Tensor, touching: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.ones_like(touching), tf.zeros_like(touching)

    def respond(self, z: tf.Tensor) -> tf.Tensor:
        return z
