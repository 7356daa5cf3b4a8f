"""What the steps of `direct` cost on a model."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from keras_intriguing.attack import descent
from keras_intriguing.attack.goal import ANY, Goal
from keras_intriguing.attack.network import Network
from keras_intriguing.attack.problem import Box
from keras_intriguing.attack.program import Program
from keras_intriguing.classifiers.pixels import Bounds

_STEPS = 8


class StepTime(NamedTuple):
    """Processor seconds of a step: of its first call, which compiles it, and of its second."""

    first: float
    second: float


def step_times(
    model: Callable, x: np.ndarray, *, bounds: tuple[float, float] = (0.0, 1.0)
) -> dict[str, StepTime]:
    """The time of every compiled step of `direct` for one batch.

    Args:
        model: as for `minimal_distortion`.
        x: float32 images [B, …], within the bounds.
        bounds: the smallest and the largest value a pixel may have.
    """
    network = Network(model, x.shape[1:])
    program = Program(network.function(), network.shape, True, True, network.precision)
    weights, rows = network.weights(), tf.constant(x.reshape(len(x), -1))
    box = Box.of(Bounds(*bounds), x.reshape(len(x), -1))
    count = len(x)
    zeros, ones = tf.zeros([count]), tf.ones([count])
    times = {}

    def timed(name: str, step: Callable[[], Any]) -> Any:
        result, first = _timed(step)
        times[name] = StepTime(first, _timed(step)[1])
        return result

    label = tf.argmax(timed("logits", lambda: program.logits(weights, rows)), axis=-1, output_type=tf.int32)
    goal = Goal(label, tf.fill([count], ANY), zeros, False)
    begun = (rows, rows, tf.fill([count], descent.PROJECT), tf.fill([count], 2 * _STEPS), ones, zeros)
    state = descent.begin(*begun, cuts=0, box=box)
    every = tf.fill([count], True)
    state = timed("new starts", lambda: program.restart(state, every, begun, box))
    never = tf.fill([count], np.float32(np.inf))
    timed(
        f"descents, {_STEPS} gradients",
        lambda: program.advance(weights, state, goal, never, _STEPS, box),
    )
    return times


def _timed(step: Callable[[], Any]) -> tuple[Any, float]:
    started = time.process_time()
    result = step()
    for value in tf.nest.flatten(result):
        np.asarray(value)  # TensorFlow may return before it is computed
    return result, time.process_time() - started
