"""Whether a point is adversarial, by fresh forward passes of the model as its user calls it."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_intriguing.attack.goal import Goal
from keras_intriguing.attack.problem import Box
from keras_intriguing.attack.program import Program
from keras_intriguing.classifiers import evaluation
from keras_intriguing.classifiers.request import Request

_MARGIN = 4.0  # times the rounding
_UNITS = 16  # of a probability's precision, within which two of them may round to the same
_FIRST_STRETCH, _GROWTH, _STRETCHES = 1e-5, 8.0, 6  # of the ray, beyond a point that is denied
_WIDTH = 2e-4  # of the bisection in the end, as a share of the ray
# Steps along the gradient where the ray is too short: the first in units of a pixel's usual range, how they grow, how many.
_FIRST_STEP, _STEP_GROWTH, _MOST_STEPS = 1e-6, 4.0, 7
_LONGEST_STEP = 0.1  # in that unit, or as long as the ray: beyond it a point would be far from minimal
# The ray may be too short where logits take new values so far apart, as a share of it, or must change by no more than such
# a share of what the image's logits differ by.
_COARSE, _SHORT = 1e-3, 1e-4


class Confirmed(NamedTuple):
    """What came of the confirmation.

    Attributes:
        v: the points [B, …].
        labels: by calling the model [B].
        holds: whether they are adversarial by every way, bool [B].
        needed: by how much their logits must differ to be safe [B]; NaN of those that were not chosen.
        passes: forward passes of every image [B].
        backward: backward passes of every image [B].
    """

    v: np.ndarray
    labels: np.ndarray
    holds: np.ndarray
    needed: np.ndarray
    passes: np.ndarray
    backward: np.ndarray


def is_adversarial(request: Request, labels: np.ndarray) -> np.ndarray:
    """Whether labels [B] are the targets, or others than those to leave, bool [B]; −1 is no label."""
    wanted = labels != request.label_to_leave if request.target is None else labels == request.target
    return wanted & (labels >= 0)


def confirmed(
    program: Program,
    weights: list[tf.Tensor],
    model: Callable,
    request: Request,
    goal: Goal,
    v: np.ndarray,
    chosen: np.ndarray,
    logits: np.ndarray,
    size: int,
    allowed: np.ndarray,
) -> Confirmed:
    """Points [B, …] that have their labels however the model is called, by fresh forward passes.

    Logits are rounded otherwise in a compiled program, in another batch, or alone, and the points lie on the edge. So
    the model is called, and its logits are computed by several ways (`Program.ways`), which shows their rounding at the
    point. A point is safe where all give the class by more than a multiple of that and of the median of the points that
    are seen with it. Those that are not are moved on along the ray from x, by growing hairs. Where the logits take few
    values on the way, as with a large offset that all share, the nearest safe point of the ray is found by bisection,
    and left behind by a hair. Where no point of a ray is safe, as next to the edge, where rays are shorter than what
    rounding asks for, steps down the constraint's gradient are.

    Args:
        program: of the model.
        weights: of the model.
        model: that was attacked.
        request: of the batch.
        goal: of the images.
        v: the points.
        chosen: which of them are to be confirmed, bool [B].
        logits: of the images [B, K].
        size: images of the compiled programs.
        allowed: forward passes of every image [B], at most, but for the first by every way.
    """
    x, count = request.x, len(request.x)
    passes, after, holds = np.zeros(count, int), request.before.copy(), np.zeros(count, bool)
    once, is_ray = 1 + len(program.ways), np.any(v != x, axis=_values(x))
    safe_at, denied_at = np.full(count, np.inf), 1 - _steps(program, request, logits)
    needed = np.full(count, np.nan)
    bisected, left = np.zeros(count, bool), np.zeros(count, bool)
    part, number, points = np.ones(count), np.zeros(count, int), v.copy()
    longest = _FIRST_STRETCH * _GROWTH ** (_STRETCHES - 1) * _change_of_logits(request, logits)
    turn = np.flatnonzero(chosen)
    while len(turn):
        ray = as_rows(part[turn], x[turn]) * (v[turn].astype(np.float64) - x[turn])
        tried = np.where(as_rows(part[turn] == 1, ray), v[turn], np.clip(x[turn] + ray, *request.bounds))
        tried = tried.astype(np.float32)
        passes[turn] += once
        seen = seen_as(program, weights, model, request, tried, turn, size)
        better = seen.safe | ((seen.holds >= holds[turn]) & ~np.isfinite(safe_at[turn]))
        points[turn[better]], after[turn[better]] = tried[better], seen.labels[better]
        holds[turn[better]], needed[turn[better]] = seen.holds[better], seen.needed[better]
        safe_at[turn[seen.safe]], denied_at[turn[~seen.safe]] = part[turn[seen.safe]], part[turn[~seen.safe]]
        is_safe, width = np.isfinite(safe_at), safe_at - denied_at
        bisects = is_safe & (width > _WIDTH)
        leaves = is_safe & ~bisects & bisected & ~left
        bisected, left = bisected | bisects, left | leaves
        # of rays that are too short only the longest hair may do
        is_short = turn[~seen.safe & (seen.needed > longest[turn])]
        number[is_short] = np.maximum(number[is_short], _STRETCHES - 1)
        part = np.where(is_safe, safe_at, 1 + _FIRST_STRETCH * _GROWTH**number)
        part = part + np.where(leaves, _WIDTH, np.where(bisects, -width / 2, 0.0))
        number[turn] += 1
        wanted = np.where(is_safe, bisects | leaves, is_ray & (number <= _STRETCHES))
        turn = np.flatnonzero(chosen & wanted & (passes + once <= allowed))
    found = Confirmed(points, after, holds, needed, passes, np.zeros(count, int))
    turn = np.flatnonzero(chosen & ~np.isfinite(safe_at) & (passes + 2 + once <= allowed))
    if len(turn):
        _step_inside(program, weights, model, request, goal, v, found, turn, size, allowed)
    return found


def _step_inside(
    program: Program,
    weights: list[tf.Tensor],
    model: Callable,
    request: Request,
    goal: Goal,
    v: np.ndarray,
    found: Confirmed,
    turn: np.ndarray,
    size: int,
    allowed: np.ndarray,
) -> None:
    """Moves points of some rows down the gradient of their constraint, by growing steps until they are safe, in place.

    A step begins at what the logits lack, by the constraint linearized, or at what float32 images can tell apart. Values
    at the box's edge that would leave it stay.
    """
    x, once = request.x, 1 + len(program.ways)
    lower, upper = request.bounds
    part = Goal(*(tf.gather(of_row, filled(turn, size)) for of_row in goal[:3]), reaches=goal.reaches)
    flat = tf.constant(filled(v[turn].reshape(len(turn), -1), size))
    slope = program.evaluate(weights, flat, part)[1].numpy()[: len(turn)].reshape(v[turn].shape)
    found.passes[turn] += 1
    found.backward[turn] += 1
    leaves = ((v[turn] <= lower) & (slope > 0)) | ((v[turn] >= upper) & (slope < 0))
    slope = np.where(leaves, 0, slope).astype(np.float64)
    steepness = np.sqrt(np.sum(slope**2, axis=_values(x)))
    down = -slope / np.maximum(as_rows(steepness, slope), np.finfo(np.float64).tiny)
    lacking = found.needed[turn] / np.maximum(steepness, np.finfo(np.float32).tiny)
    reach = float(Box.of(request.bounds.flat(), x.reshape(len(x), -1)).reach)
    length, places = np.fmax(lacking, _FIRST_STEP * reach), np.arange(len(turn))
    ray = np.sqrt(np.sum((v[turn].astype(np.float64) - x[turn]) ** 2, axis=_values(x)))
    longest = np.maximum(ray, _LONGEST_STEP * reach)
    places = places[np.isfinite(steepness) & (steepness > 0)]
    for number in range(_MOST_STEPS):
        spent = (found.passes + found.backward)[turn[places]]
        places = places[spent + once <= allowed[turn[places]]]
        rows = turn[places]
        if not len(rows):
            return
        step = np.minimum(_STEP_GROWTH**number * length[places], longest[places])
        moved = as_rows(step, x[rows]) * down[places]
        tried = np.clip(v[rows] + moved, lower, upper).astype(np.float32)
        found.passes[rows] += once
        seen = seen_as(program, weights, model, request, tried, rows, size)
        better = seen.safe | (seen.holds & ~found.holds[rows])
        found.v[rows[better]], found.labels[rows[better]] = tried[better], seen.labels[better]
        found.holds[rows[better]], found.needed[rows[better]] = True, seen.needed[better]
        places = places[~seen.safe]


def passes_wanted(program: Program, request: Request, logits: np.ndarray) -> np.ndarray:
    """Passes that the confirmation is likely to take [B]: two hairs at most, and bisection or steps where there is need.

    Args:
        program: of the model.
        request: of the batch.
        logits: of the images [B, K].
    """
    steps = _steps(program, request, logits)
    bisections = np.ceil(np.log2(np.maximum(steps / _WIDTH, 1))).astype(int)
    spread = np.ptp(logits, axis=1)
    if logits.shape[1] == 2:  # is the change itself
        spread = np.maximum(spread, 1)
    may_be_short = (steps > _COARSE) | (_change_of_logits(request, logits) <= _SHORT * spread)
    inside = np.where(may_be_short, _STRETCHES + _MOST_STEPS, 0)
    return (1 + len(program.ways)) * (3 + bisections + inside)


def _steps(program: Program, request: Request, logits: np.ndarray) -> np.ndarray:
    """How far apart on the way to the edge the logits take new values [B], as a share of that way."""
    label, gap = _label_in_question(request), _change_of_logits(request, logits)
    of_label = np.take_along_axis(logits, label[:, None], axis=1)[:, 0]
    coarser = program.precision / np.finfo(np.float32).eps
    unit = coarser * np.spacing(np.maximum(np.abs(of_label), np.abs(of_label) + gap))
    return np.clip(2 * unit.astype(np.float64) / np.maximum(gap, unit), 0, 1)


def _change_of_logits(request: Request, logits: np.ndarray) -> np.ndarray:
    """By how much differences of logits have to change on the way to the edge [B]."""
    return np.abs(_gap(logits, _label_in_question(request)))


def _label_in_question(request: Request) -> np.ndarray:
    """The class to leave or to reach, int [B]."""
    return request.label_to_leave if request.target is None else request.target


class Seen(NamedTuple):
    """What points are seen as.

    Attributes:
        labels: by calling the model [R].
        holds: whether all ways give the class, bool [R].
        needed: by how much logits must differ that all do whatever the rounding [R].
        safe: whether they do, bool [R].
    """

    labels: np.ndarray
    holds: np.ndarray
    needed: np.ndarray
    safe: np.ndarray


def seen_as(
    program: Program,
    weights: list[tf.Tensor],
    model: Callable,
    request: Request,
    v: np.ndarray,
    rows: np.ndarray,
    size: int,
) -> Seen:
    """What points [R, …] of these rows of the batch are seen as."""
    outputs = evaluation.call(model, v)
    labels = labels_of(outputs)
    flat = tf.constant(filled(v.reshape(len(v), -1), size))
    logits = [np.asarray(way(weights, flat), np.float64)[: len(v)] for way in program.ways]
    if request.target is None:
        label, wanted = request.label_to_leave[rows], labels != request.label_to_leave[rows]
        gaps = np.stack([_gap(z, label) for z in logits])
    else:
        label, wanted = request.target[rows], labels == request.target[rows]
        gaps = -np.stack([_gap(z, label) for z in logits])
    rounding, smallest = gaps.max(axis=0) - gaps.min(axis=0), gaps.min(axis=0)
    finite = rounding[np.isfinite(rounding)]
    rounding = np.maximum(rounding, np.median(finite) if len(finite) else 0)  # a few ways may agree by chance
    tie, needed = _tie(outputs, request.trace.precision), _MARGIN * rounding
    holds = wanted & (labels >= 0) & (smallest > tie)
    return Seen(labels, holds, np.maximum(needed, tie), holds & (smallest >= needed))


def _gap(z: np.ndarray, label: np.ndarray) -> np.ndarray:
    """By how much the largest other output exceeds that of `label` [B]."""
    of_label = np.take_along_axis(z, label[:, None], axis=1)[:, 0]
    others = np.where(np.arange(z.shape[1]) == label[:, None], -np.inf, z)
    return others.max(axis=1) - of_label


def survives_rounding(model: Callable, request: Request, v: np.ndarray) -> np.ndarray:
    """Whether points [B, …], rounded to the nearest of 256 grey levels between the bounds, are adversarial.

    Between infinite bounds there are no levels, and none survives.
    """
    if not request.bounds.are_finite:
        return np.zeros(len(v), bool)
    lower, upper = request.bounds
    levels = np.rint((v.astype(np.float64) - lower) / (upper - lower) * 255)
    rounded = np.clip(lower + levels / 255 * (upper - lower), lower, upper).astype(np.float32)
    return is_adversarial(request, fresh_labels(model, rounded))


def _tie(outputs: tf.Tensor, precision: float) -> float:
    """The difference of logits below which a model's outputs [R, K] may be tied: of probabilities, a few roundings."""
    values = np.asarray(tf.cast(outputs, tf.float64))
    are_probabilities = (
        values.min() >= 0 and np.abs(values.sum(axis=1) - 1).max() < 10 * precision * values.shape[1]
    )
    return _UNITS * precision if are_probabilities else 0.0


def fresh_labels(model: Callable, x: np.ndarray) -> np.ndarray:
    """The model's own labels, by calling it as its user would; −1 where an output is not finite."""
    return labels_of(evaluation.call(model, x))


def labels_of(outputs: tf.Tensor) -> np.ndarray:
    """The labels of a model's outputs [B, K]; −1 where one is not finite."""
    finite = tf.reduce_all(tf.math.is_finite(outputs), axis=-1)
    return np.asarray(tf.where(finite, tf.argmax(outputs, axis=-1, output_type=tf.int32), -1))


def filled(rows: np.ndarray, size: int) -> np.ndarray:
    """Rows [B, …] filled up to `size` by the first, so that calls with fewer images share a compiled program."""
    return np.concatenate([rows, np.repeat(rows[:1], size - len(rows), axis=0)])


def _values(x: np.ndarray) -> tuple[int, ...]:
    """The axes of an image's values in a batch [B, …]."""
    return tuple(range(1, x.ndim))


def as_rows(chosen: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Booleans [B] in a shape that applies to images [B, …]."""
    return chosen.reshape(-1, *[1] * (x.ndim - 1))
