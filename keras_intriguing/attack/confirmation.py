"""Whether a point is adversarial, by fresh forward passes of the model as its user calls it."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from keras_intriguing.classifiers import evaluation
from keras_intriguing.classifiers.logits import logits_function
from keras_intriguing.classifiers.request import Request


def is_adversarial(request: Request, labels: np.ndarray) -> np.ndarray:
    """Whether labels [B] are the targets, or others than those to leave, bool [B]; −1 is no label."""
    wanted = labels != request.label_to_leave if request.target is None else labels == request.target
    return wanted & (labels >= 0)


def confirmed(model: Callable, request: Request, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points [B, …] and their labels by a fresh forward pass; those that it denies are moved on by a hair, a few times.

    Called eagerly, a model may round otherwise than in the compiled program, and the points lie on the edge.
    """
    x, after = request.x, fresh_labels(model, v)
    for stretch in 1e-6 * 4.0 ** np.arange(9):
        denied = ~is_adversarial(request, after)
        if not denied.any():
            break
        further = np.clip(x + np.float32(1 + stretch) * (v - x), *request.bounds).astype(np.float32)
        tried = np.where(as_rows(denied, x), further, v)
        after = fresh_labels(model, tried)
        v = np.where(as_rows(is_adversarial(request, after), x), tried, v)
    return v, after


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


def as_rows(chosen: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Booleans [B] in a shape that applies to images [B, …]."""
    return chosen.reshape(-1, *[1] * (x.ndim - 1))
