"""One batch from its request to its result: a start, a method, and a fresh forward pass that confirms."""

import warnings
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from keras_intriguing.attack.confirmation import (
    as_rows,
    confirmed,
    failures,
    is_adversarial,
    survives_rounding,
)
from keras_intriguing.attack.direct import direct
from keras_intriguing.attack.penalty import penalty
from keras_intriguing.attack.problem import Box
from keras_intriguing.attack.programs import program_for
from keras_intriguing.attack.result import Result
from keras_intriguing.attack.solution import Solution
from keras_intriguing.attack.starts import start, start_towards_nearest
from keras_intriguing.classifiers.request import Request

METHODS = {"direct": direct, "penalty": penalty}


def attack_batch(model: Callable, request: Request, method: str, size: int) -> Result:
    """Attacks the images of one batch, in halves where a device's memory does not suffice.

    Args:
        model: what is attacked.
        request: of at most `size` images.
        method: of `METHODS`.
        size: images of the compiled programs.

    Raises:
        MemoryError: there is not enough for a single image.
    """
    try:
        return _attack(model, request, method, size)
    except MemoryError:
        if size == 1:
            raise
    size //= 2
    warnings.warn(
        f"Not enough memory for {2 * size} images at once: batches of {size} instead.", stacklevel=2
    )
    parts = [request.rows(first, first + size) for first in range(0, len(request.x), size)]
    return Result.concatenate(attack_batch(model, part, method, size) for part in parts)


def _attack(model: Callable, request: Request, method: str, size: int) -> Result:
    x, before, count = request.x, request.before, len(request.x)
    already = is_adversarial(request, before)
    solution, target = solve(model, request, method, size)
    has_point = np.isfinite(solution.distance[:count])
    v = solution.v[:count].reshape(x.shape)
    v, after = confirmed(model, request, np.where(as_rows(has_point & ~already, x), v, x))
    success = is_adversarial(request, after)
    adversarial = np.where(as_rows(success, x), v, x)
    change = (adversarial.astype(np.float64) - x).reshape(count, -1)
    return Result(
        adversarial=adversarial,
        success=success,
        distortion=np.where(success, np.sqrt(np.mean(change**2, axis=1)), np.nan),
        target=target if request.target is not None else np.where(already, before, target),
        label_before=before,
        label_after=np.where(success, after, before),
        c=np.where(already | ~success, np.nan, solution.c[:count]),
        survives_rounding=success & survives_rounding(model, request, adversarial),
        evaluations=np.where(already, 0, solution.evaluations).astype(np.int32),
        reason=failures(model, request, method, success, has_point),
    )


def solve(model: Callable, request: Request, method: str, size: int) -> tuple[Solution, np.ndarray]:
    """Runs the method on a batch, filled up to `size` rows; without XLA where it cannot compile the model.

    Returns:
        The solution of all `size` rows, and the target classes [B] of the request's.

    Raises:
        MemoryError: the batch does not fit.
    """

    def fill(rows: np.ndarray) -> np.ndarray:
        return np.concatenate([rows, np.repeat(rows[:1], size - len(rows), axis=0)])

    x = fill(request.x)
    label = fill(request.label_to_leave)
    target = None if request.target is None else fill(request.target)
    try:
        solution, reached = _solve(model, x, label, target, request.bounds, method, jit=True)
    except tf.errors.ResourceExhaustedError as error:
        raise MemoryError(
            f"Out of memory for {size} images of shape {x.shape[1:]} at once: use a smaller model or a device with "
            "more."
        ) from error
    except tf.errors.OpError:
        # Not every operation compiles. What was wrong for any other reason is raised again here.
        solution, reached = _solve(model, x, label, target, request.bounds, method, jit=False)
    return solution, reached[: len(request.x)]


def _solve(
    model: Callable,
    x: np.ndarray,
    label: np.ndarray,
    target: np.ndarray | None,
    bounds: tuple[float, float],
    method: str,
    jit: bool,
) -> tuple[Solution, np.ndarray]:
    program = program_for(model, x, jit)
    rows = tf.constant(x.reshape(len(x), -1))
    box = Box(*(tf.constant(b, tf.float32) for b in bounds))
    if target is None:
        problem, best, evaluations = start_towards_nearest(program, rows, tf.constant(label), box)
    else:
        problem, best, evaluations = start(program, rows, tf.constant(target), box)
    solution = METHODS[method](program, problem, best)
    return solution._replace(evaluations=solution.evaluations + evaluations), problem.target.numpy()
