"""Whether a point is adversarial, by fresh forward passes of the model as its user calls it."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_intriguing.attack.program import Program
from keras_intriguing.classifiers import evaluation
from keras_intriguing.classifiers.logits import logits_function
from keras_intriguing.classifiers.request import Request

_MARGIN = 4.0  # times the rounding
_UNITS = 16  # of a probability's precision, within which two of them may round to the same
_FIRST_STRETCH, _GROWTH, _STRETCHES = 1e-5, 8.0, 6  # of the ray, beyond a point that is denied
_WIDTH = 2e-4  # of the bisection in the end, as a share of the ray


class Confirmed(NamedTuple):
    """What came of the confirmation.

    Attributes:
        v: the points [B, …].
        labels: by calling the model [B].
        holds: whether they are adversarial by every way, bool [B].
        needed: by how much their logits must differ to be safe [B]; NaN of those that were not chosen.
        passes: forward passes of every image [B].
    """

    v: np.ndarray
    labels: np.ndarray
    holds: np.ndarray
    needed: np.ndarray
    passes: np.ndarray


def is_adversarial(request: Request, labels: np.ndarray) -> np.ndarray:
    """Whether labels [B] are the targets, or others than those to leave, bool [B]; −1 is no label."""
    wanted = labels != request.label_to_leave if request.target is None else labels == request.target
    return wanted & (labels >= 0)


def confirmed(
    program: Program,
    weights: list[tf.Tensor],
    model: Callable,
    request: Request,
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
    and left behind by a hair.

    Args:
        program: of the model.
        weights: of the model.
        model: that was attacked.
        request: of the batch.
        v: the points.
        chosen: which of them are to be confirmed, bool [B].
        logits: of the images [B, K].
        size: images of the compiled programs.
        allowed: forward passes of every image [B], at most, but for the first by every way.
    """
    x, count = request.x, len(request.x)
    passes, after, holds = np.zeros(count, int), request.before.copy(), np.zeros(count, bool)
    safe_at, denied_at, needed = np.full(count, np.inf), 1 - _steps(request, logits), np.full(count, np.nan)
    bisected, left = np.zeros(count, bool), np.zeros(count, bool)
    part, number, points = np.ones(count), 0, v.copy()
    turn = np.flatnonzero(chosen)
    while len(turn):
        ray = as_rows(part[turn], x[turn]) * (v[turn].astype(np.float64) - x[turn])
        tried = np.where(as_rows(part[turn] == 1, ray), v[turn], np.clip(x[turn] + ray, *request.bounds))
        tried = tried.astype(np.float32)
        passes[turn] += 1 + len(program.ways)
        seen = seen_as(program, weights, model, request, tried, turn, size)
        better = seen.safe | ((seen.holds >= holds[turn]) & ~np.isfinite(safe_at[turn]))
        points[turn[better]], after[turn[better]] = tried[better], seen.labels[better]
        holds[turn[better]], needed[turn[better]] = seen.holds[better], seen.needed[better]
        safe_at[turn[seen.safe]], denied_at[turn[~seen.safe]] = part[turn[seen.safe]], part[turn[~seen.safe]]
        is_safe, width = np.isfinite(safe_at), safe_at - denied_at
        bisects = is_safe & (width > _WIDTH)
        leaves = is_safe & ~bisects & bisected & ~left
        bisected, left = bisected | bisects, left | leaves
        part = np.where(is_safe, safe_at, 1 + _FIRST_STRETCH * _GROWTH**number)
        part = part + np.where(leaves, _WIDTH, np.where(bisects, -width / 2, 0.0))
        number += 1
        wanted = np.where(is_safe, bisects | leaves, number <= _STRETCHES)
        turn = np.flatnonzero(chosen & wanted & (passes + 1 + len(program.ways) <= allowed))
    return Confirmed(points, after, holds, needed, passes)


def passes_wanted(program: Program, request: Request, logits: np.ndarray) -> np.ndarray:
    """Forward passes that the confirmation is likely to take [B]: two hairs at most, and bisection where there is need.

    Args:
        program: of the model.
        request: of the batch.
        logits: of the images [B, K].
    """
    bisections = np.ceil(np.log2(np.maximum(_steps(request, logits) / _WIDTH, 1))).astype(int)
    return (1 + len(program.ways)) * (3 + bisections)


def _steps(request: Request, logits: np.ndarray) -> np.ndarray:
    """How far apart on the way to the edge the logits take new values [B], as a share of that way."""
    label = request.label_to_leave if request.target is None else request.target
    of_label = np.take_along_axis(logits, label[:, None], axis=1)[:, 0]
    gap = np.abs(_gap(logits, label))
    unit = np.spacing(np.maximum(np.abs(of_label), np.abs(of_label) + gap))
    return np.clip(2 * unit.astype(np.float64) / np.maximum(gap, unit), 0, 1)


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
    tie, needed = _tie(outputs), _MARGIN * rounding
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


def _tie(outputs: tf.Tensor) -> float:
    """The difference of logits below which a model's outputs [R, K] may be tied: of probabilities, a few roundings."""
    values = np.asarray(tf.cast(outputs, tf.float64))
    precision = float(np.spacing(outputs.dtype.as_numpy_dtype(1)))  # also of bfloat16
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


def failures(
    model: Callable, request: Request, method: str, success: np.ndarray, has_point: np.ndarray
) -> np.ndarray:
    """Why each image failed; empty where it did not.

    Args:
        model: that was attacked.
        request: of the batch.
        method: that was used.
        success: bool [B].
        has_point: whether the compiled model has a point that is adversarial, bool [B].
    """
    if success.all():
        return np.full(len(success), "")
    with tf.GradientTape() as tape:
        x = tf.constant(request.x)
        tape.watch(x)
        logits = logits_function(model)(x)
        spread = tf.reduce_max(logits, axis=-1) - tf.reduce_min(logits, axis=-1)
    flat = ~np.any(np.asarray(tape.gradient(spread, x)).reshape(len(success), -1), axis=1)
    goal, others = "another class", "images of other classes"
    if request.target is not None:
        goal, others = "the target class", "images of the target class"
    is_direct = method == "direct"
    lost = f"The point found gives {goal} in the compiled model but not when the model is called afresh."
    never = f"No point of the box was found where the model gives {goal}"
    never += "." if is_direct else "; the method 'direct' may find one."
    constant = (
        "The gradient of the model's logits is zero at the image, and no way to change them was found; "
    )
    constant += f"{others}, as starts, may show one." if is_direct else "the method 'direct' may find one."
    return np.where(success, "", np.where(flat, constant, np.where(has_point, lost, never)))


def filled(rows: np.ndarray, size: int) -> np.ndarray:
    """Rows [B, …] filled up to `size` by the first, so that calls with fewer images share a compiled program."""
    return np.concatenate([rows, np.repeat(rows[:1], size - len(rows), axis=0)])


def as_rows(chosen: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Booleans [B] in a shape that applies to images [B, …]."""
    return chosen.reshape(-1, *[1] * (x.ndim - 1))
