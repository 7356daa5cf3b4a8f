"""Adversarial images on a grid of grey levels: near points of the grid that keep the label, and steps taken back.

Nearest rounding of a minimal example loses the label almost always, since the example lies on the boundary.

Shapes: B images of n values.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from keras_intriguing.attack.confirmation import Confirmed, as_rows, filled, seen_as
from keras_intriguing.attack.goal import Goal
from keras_intriguing.attack.program import Program
from keras_intriguing.classifiers.pixels import Bounds
from keras_intriguing.classifiers.request import Request

_ALONG, _PROJECTIONS, _STEPS_BACK = 6, 3, 6  # gradients of every image
GRADIENTS = 2 + _ALONG + _PROJECTIONS + _STEPS_BACK
ROUNDING = 2 * GRADIENTS + 4  # forward and backward passes
# levels by which a point is moved on: in all at first, of every value on average at last
_NEAREST, _FARTHEST = 0.25, 9.0
_SLACK = 3.0  # times the margin of the search, so that few points are too near to the edge
_BISECTIONS, _DOUBLINGS = 30, 60  # of the multiplier
_BEYOND = 1.5  # times what a linearization was wrong by, which the next one is to do better


class Grid(NamedTuple):
    """`levels` grey levels at equal distances between the bounds, which are levels themselves."""

    bounds: Bounds  # numbers, or arrays [n]
    levels: int

    @property
    def step(self) -> Any:
        """Between two levels: a number, or one for every value [n]."""
        lower, upper = self._ends
        return (upper - lower) / (self.levels - 1)

    def nearest(self, v: np.ndarray) -> np.ndarray:
        """The nearest points of the grid, float32 [B, n]."""
        lower, upper = self._ends
        place = np.clip(np.rint((v - lower) / self.step), 0, self.levels - 1)
        levels = lower + place * (upper - lower) / (self.levels - 1)
        return np.clip(levels, lower, upper).astype(np.float32)

    @property
    def _ends(self) -> tuple[np.ndarray, np.ndarray]:
        """The bounds in float64, in which no level is rounded to beyond them."""
        lower, upper = (np.asarray(bound, np.float64) for bound in self.bounds)
        return lower, upper


class Linearized(NamedTuple):
    """The constraint h ≤ 0 [B] of being adversarial at points v [B, n], its gradient a [B, n], and whether it is met."""

    v: np.ndarray
    h: np.ndarray
    a: np.ndarray
    good: np.ndarray


def on_grid(
    program: Program,
    weights: list[tf.Tensor],
    model: Callable,
    request: Request,
    found: Confirmed,
    goal: Goal,
    grid: Grid,
    size: int,
) -> tuple[Confirmed, np.ndarray]:
    """The adversarial images of a batch, moved to the grid; those that lie on it stay.

    Args:
        program: of the model.
        weights: of the model.
        model: that was attacked.
        request: of the batch.
        found: adversarial images that need not lie on the grid.
        goal: of the images.
        grid: the grey levels.
        size: images of the compiled programs.

    Returns:
        The images, with the forward passes that confirmed them; and the gradients of every image.
    """
    count = len(request.x)
    x, start = request.x.reshape(count, -1), found.v.reshape(count, -1)
    chosen = found.holds & np.any(grid.nearest(start) != start, axis=1)
    rows = np.flatnonzero(chosen)
    if not len(rows):
        return found._replace(passes=np.zeros(count, int), backward=np.zeros(count, int)), np.zeros(
            count, int
        )
    of_rows = (tf.constant(filled(np.asarray(value)[rows], size)) for value in goal[:3])
    part = Goal(*of_rows, reaches=goal.reaches)

    def at(v: np.ndarray) -> Linearized:
        h, a, good = program.evaluate(weights, tf.constant(filled(v, size)), part)
        return Linearized(v, *(np.asarray(values)[: len(rows)] for values in (h, a, good)))

    needed, unseen = found.needed.copy(), chosen & np.isnan(found.needed)  # adversarial before any search
    if unseen.any():
        others = np.flatnonzero(unseen)
        needed[others] = seen_as(program, weights, model, request, found.v[others], others, size).needed
    slack = np.maximum(_SLACK * np.asarray(goal.margin, np.float64), 2 * needed)[rows]
    v, good = nearest_on_grid(x[rows], start[rows], grid, slack, at)
    v = v.reshape(-1, *request.x.shape[1:])
    seen = seen_as(program, weights, model, request, v, rows, size)
    moved, labels, holds = found.v.copy(), found.labels.copy(), found.holds.copy()
    moved[rows], labels[rows], holds[rows] = v, seen.labels, good & seen.holds
    passes = (chosen.astype(int) + unseen) * (1 + len(program.ways))
    return Confirmed(moved, labels, holds, needed, passes, np.zeros(count, int)), chosen * GRADIENTS


def nearest_on_grid(
    x: np.ndarray, v: np.ndarray, grid: Grid, slack: np.ndarray, at: Callable[[np.ndarray], Linearized]
) -> tuple[np.ndarray, np.ndarray]:
    """Points of the grid near x that are adversarial.

    First v is moved on along v − x by growing lengths, and rounded. Rounding grows with the number of values, and can be far
    longer than the change; so the lengths grow with it. Then the constraint is linearized where that
    succeeded: the nearest point of the grid that meets it by a multiplier λ is round(x − λa), value by value (Everett
    1963). At last single steps are taken back towards x while the label holds.

    Args:
        x: images [B, n], on the grid or not.
        v: adversarial points [B, n].
        grid: the grey levels.
        slack: by how much the constraint must be met, at least 0 [B].
        at: linearizes at points [B, n]; called `GRADIENTS` times.

    Returns:
        The points [B, n], and which are adversarial, bool [B].
    """
    best, found, r = x, np.zeros(len(x), bool), v.astype(np.float64) - x
    here, extra = at(v), slack.astype(np.float64)
    direction = r / np.maximum(np.linalg.norm(r, axis=1, keepdims=True), 1e-12)
    lengths = np.geomspace(_NEAREST, _FARTHEST * np.sqrt(x.shape[1]), _ALONG)
    for number in range(_ALONG + _PROJECTIONS):
        further = grid.nearest(v + grid.step * lengths[min(number, _ALONG - 1)] * direction)
        along = (number < _ALONG) & ~found
        tried = np.where(along[:, None], further, _projected(x, here, grid, extra))
        there = at(tried)
        good = there.good & (there.h <= -slack)
        nearer = good & (~found | (_distance(tried, x) < _distance(best, x)))
        best, found = np.where(nearer[:, None], tried, best), found | good
        missed = np.where(along, 0, np.maximum(there.h + slack, 0))
        extra = np.where(good, (slack + extra) / 2, extra + _BEYOND * missed)
        here = _chosen(~along | good, there, here)
    here, share = at(best), np.ones(len(x))
    for _ in range(_STEPS_BACK):
        there = at(_taken_back(x, here, grid, share * (-here.h - slack)))
        good = found & there.good & (there.h <= -slack)
        here = _chosen(good, there, here)
        share = np.where(good, 1, share / 2)
    return here.v, found


def _chosen(rows: np.ndarray, new: Linearized, old: Linearized) -> Linearized:
    return Linearized(*(np.where(as_rows(rows, a), a, b) for a, b in zip(new, old, strict=True)))


def _distance(v: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.linalg.norm(v.astype(np.float64) - x, axis=1)


def _projected(x: np.ndarray, here: Linearized, grid: Grid, extra: np.ndarray) -> np.ndarray:
    """round(x − λa) with the smallest λ [B] that meets the linearized constraint by `extra`."""
    a = here.a.astype(np.float64)
    at_zero = here.h + extra - np.sum(a * here.v, axis=1)

    def point(multiplier: np.ndarray) -> np.ndarray:
        return grid.nearest(x - multiplier[:, None] * a)

    def is_met(multiplier: np.ndarray) -> np.ndarray:
        return at_zero + np.sum(a * point(multiplier), axis=1) <= 0

    size = np.maximum(np.sum(a * a, axis=1), 1e-30)
    low = np.zeros(len(x))
    high = np.maximum(np.sum(a * (x - here.v), axis=1) + here.h + extra, 1e-6 * np.sqrt(size)) / size
    for _ in range(_DOUBLINGS):
        met = is_met(high)
        if met.all():
            break
        low, high = np.where(met, low, high), np.where(met, high, 2 * high)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        met = is_met(middle)
        low, high = np.where(met, low, middle), np.where(met, middle, high)
    return np.where(is_met(np.zeros(len(x)))[:, None], grid.nearest(x), point(high))


def _taken_back(x: np.ndarray, here: Linearized, grid: Grid, allowed: np.ndarray) -> np.ndarray:
    """One step towards x at the values where the constraint pays least for it, `allowed` [B] in all."""
    change = here.v.astype(np.float64) - x
    step = np.sign(change) * grid.step
    gain = (2 * np.abs(change) - grid.step) * grid.step  # of the squared distance
    cost = np.where(gain > 0, -here.a * step, np.inf)
    order = np.argsort(cost / np.maximum(gain, 1e-12), axis=1)
    paid = np.cumsum(np.take_along_axis(cost, order, axis=1), axis=1) <= allowed[:, None]
    chosen = np.zeros_like(paid)
    np.put_along_axis(chosen, order, paid, axis=1)
    return grid.nearest(here.v - np.where(chosen, step, 0))
