"""One batch from its request to its result: a start, a method, and a fresh forward pass that confirms."""

import errno
import os
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_intriguing.attack.confirmation import (
    as_rows,
    confirmed,
    filled,
    is_adversarial,
    passes_wanted,
    seen_as,
    survives_rounding,
)
from keras_intriguing.attack.direct import direct
from keras_intriguing.attack.failures import failures
from keras_intriguing.attack.goal import Goal
from keras_intriguing.attack.penalty import penalty
from keras_intriguing.attack.program import Program
from keras_intriguing.attack.programs import Programs
from keras_intriguing.attack.result import Result
from keras_intriguing.attack.rounding import ROUNDING, Grid, on_grid
from keras_intriguing.attack.solution import Solution
from keras_intriguing.classifiers.request import Labelled, Request

METHODS = ("direct", "penalty")
_BESIDES = (
    3  # forward passes of every image: its label, its logits, and whether the example survives rounding
)


class Settings(NamedTuple):
    """What is the same for all batches of a call.

    Attributes:
        method: of `METHODS`.
        budget: forward and backward passes of an image, at most, for `direct`.
        levels: grey levels that the adversarial images lie on, or None.
        tell: is told how large a share of a batch is done, about.
    """

    method: str
    budget: int
    levels: int | None
    tell: Callable[[float], None] = lambda share: None


def attack_batch(
    model: Callable, programs: Programs, request: Request, size: int, settings: Settings
) -> Result:
    """Attacks the images of one batch, in halves where a device's memory does not suffice.

    Args:
        model: what is attacked.
        programs: of the model.
        request: of at most `size` images.
        size: images of the compiled programs.
        settings: of the call.

    Raises:
        MemoryError: there is not enough for a single image.
        OSError: there is no space left to keep what XLA compiles.
    """
    try:
        return _with_or_without_xla(model, programs, request, size, settings)
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        if os.strerror(errno.ENOSPC) in str(error):  # TensorFlow has one error for both
            raise OSError(
                errno.ENOSPC,
                f"{os.strerror(errno.ENOSPC)}, where compiled programs are kept (TF_XLA_FLAGS): {error}",
            ) from error
        if size == 1:
            raise MemoryError(
                f"Out of memory for a single image of shape {request.x.shape[1:]}: use a smaller model or a device with more."
            ) from error
    size //= 2
    warnings.warn(
        f"Not enough memory for {2 * size} images at once: batches of {size} instead.", stacklevel=2
    )
    parts = [request.rows(first, first + size) for first in range(0, len(request.x), size)]
    return Result.concatenate(attack_batch(model, programs, part, size, settings) for part in parts)


def _with_or_without_xla(
    model: Callable, programs: Programs, request: Request, size: int, settings: Settings
) -> Result:
    def attack(program: Program) -> Result:
        return _attack(model, program, programs.weights(), request, size, settings)

    program = programs.program()
    try:
        return attack(program)
    except tf.errors.ResourceExhaustedError:
        raise
    except tf.errors.OpError:
        if not program.compiles:
            raise
    # Not every operation compiles. What was wrong for any other reason is raised again here.
    return attack(programs.without_xla())


def _attack(
    model: Callable,
    program: Program,
    weights: list[tf.Tensor],
    request: Request,
    size: int,
    settings: Settings,
) -> Result:
    x, before, count = request.x, request.before, len(request.x)
    already, nearly, looks = _seen_first(program, weights, model, request, size)
    logits = np.asarray(program.logits(weights, tf.constant(filled(x.reshape(count, -1), size))))[:count]
    label = request.label_to_leave if request.target is None else request.target
    goal = Goal.of(label, logits, reaches=request.target is not None)
    budget = settings.budget - _BESIDES - looks - (ROUNDING if settings.levels else 0)
    if settings.method == "penalty":
        solution = penalty(program, weights, request, already)
        allowed = np.full(count, np.inf)
    else:
        solution = _direct(program, weights, request, goal, logits, already, size, budget, settings.tell)
        allowed = budget - solution.forward_passes - solution.backward_passes
    has_point = np.isfinite(solution.distance)
    v = solution.v.reshape(x.shape)
    chosen = has_point & ~already
    found = confirmed(program, weights, model, request, goal, v, chosen, logits, size, allowed)
    stays = already | (nearly & ~found.holds)
    reason = failures(model, request, settings.method, stays | found.holds, has_point)
    found = found._replace(
        v=np.where(as_rows(stays, x), x, found.v),
        labels=np.where(stays, before, found.labels),
        holds=stays | found.holds,
    )
    forward = looks + np.where(already, 0, solution.forward_passes + _BESIDES)
    backward = np.where(already, 0, solution.backward_passes) + found.backward
    if settings.levels:
        grid = Grid(request.bounds.flat(), settings.levels)
        rounded, gradients = on_grid(program, weights, model, request, found, goal, grid, size)
        lost = f"No image of {settings.levels} grey levels was found that has the label."
        reason = np.where(found.holds & ~rounded.holds, lost, reason)
        found, forward, backward = rounded, forward + found.passes + gradients, backward + gradients
    success = found.holds
    adversarial = np.where(as_rows(success, x), found.v, x)
    change = (adversarial.astype(np.float64) - x).reshape(count, -1)
    reached = np.where(success, found.labels, solution.target)
    return Result(
        adversarial=adversarial,
        success=success,
        distortion=np.where(success, np.sqrt(np.mean(change**2, axis=1)), np.nan),
        target=reached if request.target is None else request.target,
        label_before=before,
        label_after=np.where(success, found.labels, before),
        c=np.where(stays | ~success, np.nan, solution.c),
        survives_rounding=success & survives_rounding(model, request, adversarial),
        forward_passes=(forward + found.passes).astype(np.int32),
        backward_passes=backward.astype(np.int32),
        reason=reason,
    )


def _seen_first(
    program: Program, weights: list[tf.Tensor], model: Callable, request: Request, size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which images are adversarial before any search, whatever the rounding, and which by every way but only just, bool [B].

    Those that are so by some of the ways to call the model are attacked. Also the forward passes that this took [B].
    """
    claimed = is_adversarial(request, request.before)
    already, nearly = np.zeros((2, len(claimed)), bool)
    rows = np.flatnonzero(claimed)
    if len(rows):
        seen = seen_as(program, weights, model, request, request.x[rows], rows, size)
        already[rows], nearly[rows] = seen.safe, seen.holds & ~seen.safe
    return already, nearly, claimed * (1 + len(program.ways))


def _direct(
    program: Program,
    weights: list[tf.Tensor],
    request: Request,
    goal: Goal,
    logits: np.ndarray,
    already: np.ndarray,
    size: int,
    budget: np.ndarray,
    tell: Callable[[float], None],
) -> Solution:
    rows = request.x.reshape(len(request.x), -1)
    allowed = budget - np.minimum(passes_wanted(program, request, logits), budget // 3)
    starts = Labelled(request.starts.x.reshape(-1, rows.shape[1]), request.starts.labels)
    bounds = request.bounds.flat()
    return direct(program, weights, rows, goal, logits, already, bounds, size, allowed, starts, tell)
