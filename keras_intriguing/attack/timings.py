"""What the steps of `direct` cost on a model."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from keras_intriguing.attack.direct import CLASS_PENALTY
from keras_intriguing.attack.problem import Box, Problem, length_scale, margins
from keras_intriguing.attack.program import PROJECTIONS, WALK_STEPS, Program
from keras_intriguing.classifiers.logits import logits_function


class StepTime(NamedTuple):
    """Processor seconds of a step: of its first call, which compiles it, and of its second."""

    first: float
    second: float


def step_times(
    model: Callable, x: np.ndarray, *, bounds: tuple[float, float] = (0.0, 1.0)
) -> dict[str, StepTime]:
    """The time of every compiled step of `direct` for one batch, towards the second most likely classes.

    Args:
        model: as for `minimal_distortion`.
        x: float32 images [B, …], within the bounds.
        bounds: the smallest and the largest value a pixel may have.
    """
    program = Program(logits_function(model), x.shape[1:], jit=True)
    rows = tf.constant(x.reshape(len(x), -1))
    logits = program.logits(rows)
    targets = tf.argsort(logits, direction="DESCENDING", axis=-1)[:, 1]
    rivals = ~tf.one_hot(targets, logits.shape[-1], on_value=True, off_value=False)
    box = Box(*(tf.constant(b, tf.float32) for b in bounds))
    problem = Problem(rows, targets, rivals, box, margins(logits, targets))
    times = {}

    def timed(name: str, step: Callable[[], Any]) -> Any:
        result, first = _timed(step)
        times[name] = StepTime(first, _timed(step)[1])
        return result

    start = timed(f"walk, {WALK_STEPS} gradients", lambda: program.walk(problem, tf.constant(0.1)))
    timed(f"approach, {PROJECTIONS} projections", lambda: program.approach(problem, start))
    _, multipliers = timed("one projection", lambda: program.linearize(problem, start.v))
    unit, rho = length_scale(problem, start), tf.fill([len(x), 1], CLASS_PENALTY)
    no_entropy = tf.zeros([len(x)])
    timed(
        "one round of L-BFGS",
        lambda: program.minimize(problem, start.v, unit, multipliers, rho, no_entropy),
    )
    timed("bisection along r", lambda: program.shorten(problem, start.v))
    return times


def _timed(step: Callable[[], Any]) -> tuple[Any, float]:
    started = time.process_time()
    result = step()
    for value in tf.nest.flatten(result):
        np.asarray(value)  # TensorFlow may return before it is computed
    return result, time.process_time() - started
