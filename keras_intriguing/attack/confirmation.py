"""Whether a point is adversarial, by fresh forward passes of the model as its user calls it."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from keras_intriguing.attack.program import Program
from keras_intriguing.classifiers import evaluation
from keras_intriguing.classifiers.logits import logits_function
from keras_intriguing.classifiers.request import Request


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
    size: int,
    allowed: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points [B, …] that have their labels however the model is called, by fresh forward passes.

    Logits are rounded otherwise in a compiled program, in another batch, or alone, and the points lie on the edge. So
    the model is called, and its logits are computed by several ways (`Program.ways`). Points that one of them denies, or
    whose logits differ from the edge by less than twice what the ways differ by, are moved on by a hair, a few times.

    Args:
        program: of the model.
        weights: of the model.
        model: that was attacked.
        request: of the batch.
        v: the points.
        size: images of the compiled programs.
        allowed: forward passes of every image [B], at most, but for the first by every way.

    Returns:
        The points; their labels by calling the model; and the forward passes of every image.
    """
    x = request.x
    once = 1 + len(program.ways)

    def seen(v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        labels = fresh_labels(model, v)
        rows = tf.constant(filled(v.reshape(len(v), -1), size))
        logits = [np.asarray(way(weights, rows), np.float64)[: len(v)] for way in program.ways]
        return labels, is_adversarial(request, labels) & _is_safe(request, logits)

    after, safe = seen(v)
    passes = np.full(len(x), once)
    for stretch in 1e-6 * 3.0 ** np.arange(12):
        denied = ~safe & (passes + once <= allowed)
        if not denied.any():
            break
        further = np.clip(x + np.float32(1 + stretch) * (v - x), *request.bounds).astype(np.float32)
        tried = np.where(as_rows(denied, x), further, v)
        labels, good = seen(tried)
        passes += once * denied
        moved = denied & (good | (is_adversarial(request, labels) & ~is_adversarial(request, after)))
        v, after, safe = np.where(as_rows(moved, x), tried, v), np.where(moved, labels, after), safe | good
    return v, after, passes


def _is_safe(request: Request, logits: list[np.ndarray]) -> np.ndarray:
    """Whether points are adversarial by each of the logits [B, K], by twice what these differ by, bool [B]."""
    if request.target is None:
        gaps = np.stack([_gap(z, request.label_to_leave) for z in logits])
    else:
        gaps = -np.stack([_gap(z, request.target) for z in logits])
    spread = gaps.max(axis=0) - gaps.min(axis=0)
    smallest = gaps.min(axis=0)
    return (smallest > 0) & (smallest >= 2 * spread)


def _gap(z: np.ndarray, label: np.ndarray) -> np.ndarray:
    """By how much the largest other output exceeds that of `label` [B]."""
    of_label = np.take_along_axis(z, label[:, None], axis=1)[:, 0]
    others = np.where(np.arange(z.shape[1]) == label[:, None], -np.inf, z)
    return others.max(axis=1) - of_label


def survives_rounding(model: Callable, request: Request, v: np.ndarray) -> np.ndarray:
    """Whether points [B, …], rounded to the nearest of 256 grey levels between the bounds, are adversarial."""
    lower, upper = request.bounds
    levels = np.rint((v.astype(np.float64) - lower) / (upper - lower) * 255)
    rounded = np.clip(lower + levels / 255 * (upper - lower), lower, upper).astype(np.float32)
    return is_adversarial(request, fresh_labels(model, rounded))


def fresh_labels(model: Callable, x: np.ndarray) -> np.ndarray:
    """The model's own labels, by calling it as its user would; −1 where an output is not finite."""
    outputs = evaluation.call(model, x)
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
    goal = "another class" if request.target is None else "the target class"
    lost = f"The point found gives {goal} in the compiled model but not when the model is called afresh."
    never = f"No point of the box was found where the model gives {goal}"
    never += "; the method 'direct' may find one." if method == "penalty" else "."
    constant = "The gradient of the model's logits is zero at the image, and no way to change them was found."
    return np.where(success, "", np.where(flat, constant, np.where(has_point, lost, never)))


def filled(rows: np.ndarray, size: int) -> np.ndarray:
    """Rows [B, …] filled up to `size` by the first, so that calls with fewer images share a compiled program."""
    return np.concatenate([rows, np.repeat(rows[:1], size - len(rows), axis=0)])


def as_rows(chosen: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Booleans [B] in a shape that applies to images [B, …]."""
    return chosen.reshape(-1, *[1] * (x.ndim - 1))
