"""Activation functions, with what a bound needs of them."""

import abc
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tensorflow as tf

_GRID, _ROUNDS = 13, 3  # points at once, and how often, in the search for a smooth curve's minimum
_INSIDE = 0.1  # of an interval, which parts have at least
_PIECES = 16  # on either side of it, in the proof

Objective = Callable[[tf.Tensor], tf.Tensor]


class Curve(abc.ABC):
    """A function of one number.

    Attributes:
        slope: the largest |f(a) − f(b)|/|a − b|.
        valley: where it turns from falling to rising and its value there; None where it never falls.
    """

    slope: float
    valley: tuple[float, float] | None = None

    @abc.abstractmethod
    def value(self, z: tf.Tensor) -> tf.Tensor:
        """Of every number."""

    @abc.abstractmethod
    def candidates(
        self,
        c: tf.Tensor,
        t: tf.Tensor,
        g: tf.Tensor,
        p: tf.Tensor,
        z: tf.Tensor,
        lower: tf.Tensor,
        upper: tf.Tensor,
    ) -> tf.Tensor:
        """About where `objective` is least on [lower, upper]; shapes as there."""

    @abc.abstractmethod
    def proved_least(
        self,
        c: tf.Tensor,
        t: tf.Tensor,
        g: tf.Tensor,
        p: tf.Tensor,
        z: tf.Tensor,
        lower: tf.Tensor,
        upper: tf.Tensor,
    ) -> tf.Tensor:
        """A lower bound, but for rounding, of the minimum of `objective` on [lower, upper]."""

    @abc.abstractmethod
    def cut(self, lower: np.ndarray, upper: np.ndarray, near: np.ndarray) -> np.ndarray:
        """Where intervals are divided near a value, so that the parts have better bounds than the whole; at an end where none has."""

    def objective(self, c: tf.Tensor, t: tf.Tensor, g: tf.Tensor, p: tf.Tensor, z: tf.Tensor) -> Objective:
        """S ↦ c·Δf − ½·t·Δf² − g·Δs + ½·p·Δs², with Δs = s − z and Δf = f(s) − f(z)."""
        at = self.value(z)

        def of(s: tf.Tensor) -> tf.Tensor:
            rise, run = self.value(s) - at, s - z
            return rise * (c - 0.5 * t * rise) - run * (g - 0.5 * p * run)

        return of

    def enclose(self, lower: tf.Tensor, upper: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The least and the largest value on [lower, upper], but for rounding."""
        ends = self.value(lower), self.value(upper)
        low, high = tf.minimum(*ends), tf.maximum(*ends)
        if self.valley is not None:
            at, least = (tf.constant(v, lower.dtype) for v in self.valley)
            low = tf.where((lower <= at) & (upper >= at), tf.minimum(low, least), low)
        return low, high


def least_of(points: Iterator[tf.Tensor], objective: Objective) -> tf.Tensor:
    """The point of the least value."""
    best = next(points)
    value = objective(best)
    for point in points:
        other = objective(point)
        best, value = tf.where(other < value, point, best), tf.minimum(value, other)
    return best


class PiecewiseLinear(Curve):
    """Straight between knots, continuous: ReLU and its kind.

    Args:
        knots: where the slope changes, rising.
        slopes: one more than knots; numbers, or float64 arrays that are broadcast to the units.
        at_first: the value at the first knot.
    """

    def __init__(
        self, knots: Sequence[float], slopes: Sequence[float | np.ndarray], at_first: float = 0.0
    ) -> None:
        self._knots, self._slopes, self._at_first = list(knots), list(slopes), at_first
        self.slope = max(float(np.max(np.abs(s))) for s in slopes)
        self._falls = any(np.min(s) < 0 for s in slopes)

    def value(self, z: tf.Tensor) -> tf.Tensor:
        """Of every number."""
        found = self._at_first + self._as(self._slopes[0], z) * tf.minimum(z - self._knots[0], 0)
        for left, right, slope in zip(
            self._knots, [*self._knots[1:], math.inf], self._slopes[1:], strict=True
        ):
            run = tf.maximum(z - left, 0)
            found += self._as(slope, z) * (run if math.isinf(right) else tf.minimum(run, right - left))
        return found

    def enclose(self, lower: tf.Tensor, upper: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Ends, and knots where it turns."""
        low, high = super().enclose(lower, upper)
        if self._falls:
            inner = [
                self.value(tf.clip_by_value(tf.zeros_like(lower) + k, lower, upper)) for k in self._knots
            ]
            low, high = tf.reduce_min([low, *inner], axis=0), tf.reduce_max([high, *inner], axis=0)
        return low, high

    def cut(self, lower: np.ndarray, upper: np.ndarray, near: np.ndarray) -> np.ndarray:
        """At the nearest knot between the ends."""
        knots = np.clip(np.asarray(self._knots), lower[..., None], upper[..., None])
        is_end = (knots == lower[..., None]) | (knots == upper[..., None])
        nearest = np.where(is_end, np.inf, np.abs(near[..., None] - knots)).argmin(axis=-1)
        return np.take_along_axis(knots, nearest[..., None], axis=-1)[..., 0]

    def candidates(self, c, t, g, p, z, lower, upper):  # noqa: D102
        return least_of(self._points(c, t, g, p, z, lower, upper), self.objective(c, t, g, p, z))

    def proved_least(self, c, t, g, p, z, lower, upper):  # noqa: D102
        return self.objective(c, t, g, p, z)(self.candidates(c, t, g, p, z, lower, upper))

    def _points(self, c, t, g, p, z, lower, upper) -> Iterator[tf.Tensor]:
        """Ends, knots, and where the objective is level on a piece."""
        zero = tf.zeros_like(c)
        yield lower + zero
        yield upper + zero
        at = self.value(z)
        lefts, rights = [-math.inf, *self._knots], [*self._knots, math.inf]
        for i, (left, right, slope) in enumerate(zip(lefts, rights, self._slopes, strict=True)):
            first = lower if i == 0 else tf.clip_by_value(tf.zeros_like(lower) + left, lower, upper)
            last = (
                upper if math.isinf(right) else tf.clip_by_value(tf.zeros_like(lower) + right, lower, upper)
            )
            if i:
                yield first + zero
            k = self._as(slope, z)
            # on the piece Δf = k·Δs + start
            start = self.value(first) - k * (first - z) - at
            bend = p - t * k**2
            level = z + (g - c * k + t * k * start) / tf.where(bend > 0, bend, tf.ones_like(bend))
            yield tf.where(bend > 0, tf.clip_by_value(level, first, last), first + zero)

    def _as(self, slope: float | np.ndarray, z: tf.Tensor) -> tf.Tensor:
        return tf.constant(slope, z.dtype)


class Smooth(Curve):
    """With a bounded second derivative, but for kinks.

    Args:
        function: its values.
        slope: its largest slope.
        bend: maps ends of intervals to a bound of |f''| between them.
        valley: see `Curve`.
        kinks: where the slope jumps.
    """

    def __init__(
        self,
        function: Callable[[tf.Tensor], tf.Tensor],
        slope: float,
        bend: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
        valley: tuple[float, float] | None = None,
        kinks: Sequence[float] = (),
    ) -> None:
        self._function, self.slope, self._bend, self.valley = function, slope, bend, valley
        self._kinks = tuple(kinks)

    def value(self, z: tf.Tensor) -> tf.Tensor:
        """Of every number."""
        return self._function(z)

    def cut(self, lower: np.ndarray, upper: np.ndarray, near: np.ndarray) -> np.ndarray:
        """There, but not close to an end."""
        margin = _INSIDE * (upper - lower)
        return np.clip(near, lower + margin, upper - margin)

    def candidates(self, c, t, g, p, z, lower, upper):  # noqa: D102
        objective, best = self.objective(c, t, g, p, z), (lower + upper) / 2 + tf.zeros_like(c)
        reach = (upper - lower) / 2
        offsets = tf.constant(np.linspace(-1, 1, _GRID).reshape(-1, *[1] * len(c.shape)), c.dtype)
        for _ in range(_ROUNDS):
            # all at once: a loop over points is slow to trace
            points = tf.clip_by_value(best + offsets * reach, lower, upper)
            nearest = tf.argmin(objective(points), axis=0)
            best = tf.reduce_sum(tf.where(tf.one_hot(nearest, _GRID, True, False, axis=0), points, 0), axis=0)
            reach = reach * (2 / (_GRID - 1))
        return best

    def proved_least(self, c, t, g, p, z, lower, upper):
        """Piece by piece, on which the curve is its chord but for at most ⅛·|f''|·width²."""
        at, middle = self.value(z), self.candidates(c, t, g, p, z, lower, upper)
        found = []
        shares = np.arange(_PIECES + 1) / _PIECES
        shares = (
            3 * shares**2 - 2 * shares**3
        )  # narrow where a minimum is likely: about the best point, and at the end
        shares = tf.constant(shares.reshape(-1, *[1] * len(c.shape)), c.dtype)
        for end in (lower, upper):
            points = tf.clip_by_value(middle + (end - middle) * shares, lower, upper)
            points = tf.concat([points[:-1], (end + tf.zeros_like(c))[None]], axis=0)
            if self._kinks:  # which no piece may hold
                kinks = tf.zeros_like(points[:1]) + tf.reshape(
                    tf.constant(self._kinks, c.dtype), (-1, *[1] * len(c.shape))
                )
                kinks = tf.clip_by_value(kinks, tf.minimum(middle, end), tf.maximum(middle, end))
                points = tf.sort(tf.concat([points, kinks], axis=0), axis=0)
            values = self.value(points)
            a, b = points[:-1], points[1:]
            off = self._bend(tf.minimum(a, b), tf.maximum(a, b)) * (b - a) ** 2 / 8 * (1 + 1e-9)
            pieces = self._on_piece(c, t, g, p, z, at, (a, b), (values[:-1], values[1:]), off)
            found.append(tf.reduce_min(pieces, axis=0))
        return tf.minimum(*found)

    def _on_piece(self, c, t, g, p, z, at, ends, values, off):
        a, b = ends
        chord = tf.math.divide_no_nan(values[1] - values[0], b - a)
        rises = [value - at for value in values]
        bend = p - t * chord**2
        # Δf = chord·Δs + start
        start = rises[0] - chord * (a - z)
        level = z + (g - c * chord + t * chord * start) / tf.where(bend > 0, bend, tf.ones_like(bend))
        level = tf.where(bend > 0, tf.clip_by_value(level, tf.minimum(a, b), tf.maximum(a, b)), a)
        points = [(a, rises[0]), (b, rises[1]), (level, rises[0] + chord * (level - a))]
        least = tf.reduce_min(
            [f * (c - 0.5 * t * f) - (s - z) * (g - 0.5 * p * (s - z)) for s, f in points], axis=0
        )
        largest = tf.maximum(tf.abs(rises[0]), tf.abs(rises[1]))
        return least - tf.abs(c) * off - t * off * (largest + off / 2)


def _nearest_zero(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """The least |s| for a ≤ s ≤ b."""
    return tf.maximum(tf.maximum(a, -b), 0)


def _density(s: tf.Tensor) -> tf.Tensor:
    return tf.exp(-(s**2) / 2) / math.sqrt(2 * math.pi)


def _silu_bend(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    s = _nearest_zero(a, b)
    return tf.minimum(tf.sigmoid(s) * tf.sigmoid(-s) * (2 + s), 0.5)


def _gelu_bend(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    s = _nearest_zero(a, b)
    return _density(s) * (2 + s**2)


def _tanh_bend(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    return tf.minimum(2 * (1 - tf.tanh(_nearest_zero(a, b)) ** 2), 0.7699)


def _sigmoid_slope(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    s = _nearest_zero(a, b)
    return tf.sigmoid(s) * tf.sigmoid(-s)


def _squareplus(z: tf.Tensor) -> tf.Tensor:
    """(z + √(z² + 4))/2, without cancellation."""
    both = tf.abs(z) + tf.sqrt(z**2 + 4)
    return tf.where(z < 0, 2 / both, both / 2)


def elu(alpha: float) -> Curve:
    """α·(exp(z) − 1) below zero, z above."""
    return Smooth(
        lambda z: alpha * tf.nn.elu(tf.minimum(z, 0)) + tf.maximum(z, 0),
        max(1.0, abs(alpha)),
        lambda a, b: tf.where(a < 0, abs(alpha) * tf.exp(tf.minimum(b, 0)), tf.zeros_like(a)),
        (0.0, 0.0) if alpha < 0 else None,
        [0.0] if alpha != 1 else [],
    )


CURVES: dict[str, Curve] = {
    "relu": PiecewiseLinear([0.0], [0.0, 1.0]),
    "relu6": PiecewiseLinear([0.0, 6.0], [0.0, 1.0, 0.0]),
    "hard_sigmoid": PiecewiseLinear([-3.0, 3.0], [0.0, 1 / 6, 0.0]),
    "sparse_sigmoid": PiecewiseLinear([-1.0, 1.0], [0.0, 0.5, 0.0]),
    "soft_shrink": PiecewiseLinear([-0.5, 0.5], [1.0, 0.0, 1.0]),
    "hard_tanh": PiecewiseLinear([-1.0, 1.0], [0.0, 1.0, 0.0], -1.0),
    "leaky_relu": PiecewiseLinear([0.0], [float(np.float32(0.2)), 1.0]),
    "sigmoid": Smooth(tf.sigmoid, 0.25, lambda a, b: tf.minimum(_sigmoid_slope(a, b), 0.0963)),
    "tanh": Smooth(tf.tanh, 1.0, _tanh_bend),
    "tanh_shrink": Smooth(lambda z: z - tf.tanh(z), 1.0, _tanh_bend),
    "softplus": Smooth(tf.nn.softplus, 1.0, _sigmoid_slope),
    "log_sigmoid": Smooth(tf.math.log_sigmoid, 1.0, _sigmoid_slope),
    "silu": Smooth(
        lambda z: z * tf.sigmoid(z), 1.0998393195, _silu_bend, (-1.2784645427610738, -0.2784645427610739)
    ),
    "gelu": Smooth(
        lambda z: 0.5 * z * (1 + tf.math.erf(z * math.sqrt(0.5))),
        1.1290,
        _gelu_bend,
        (-0.7517915246935645, -0.16997120747990369),
    ),
    "softsign": Smooth(tf.nn.softsign, 1.0, lambda a, b: 2 / (1 + _nearest_zero(a, b)) ** 3),
    "elu": elu(1.0),
    "celu": elu(1.0),
    "squareplus": Smooth(_squareplus, 1.0, lambda a, b: 2 / (_nearest_zero(a, b) ** 2 + 4) ** 1.5),
    "sparse_plus": Smooth(
        lambda z: tf.where(z < 1, tf.maximum(z + 1, 0) ** 2 / 4, z),
        1.0,
        lambda a, b: tf.cast((a < 1) & (b > -1), a.dtype) / 2,
    ),
    "hard_silu": Smooth(
        lambda z: z * tf.clip_by_value(z / 6 + 0.5, 0.0, 1.0),
        1.5,
        lambda a, b: tf.cast((a < 3) & (b > -3), a.dtype) / 3,
        (-1.5, -0.375),
        [-3.0, 3.0],
    ),
}
"""Of the activation functions of Keras, by their names there."""
