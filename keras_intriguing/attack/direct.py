"""min ‖r‖₂ subject to the class and to the box, by an augmented Lagrangian on L-BFGS."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_intriguing.attack.program import (
    CLASS_PENALTY,
    PROJECTIONS,
    WALK_STEPS,
    Candidate,
    Program,
    Task,
)

ROUNDS = 8
_GROWTHS = (0.1, 0.05)  # of the walks; two, since the boundary has several nearest points


class Found(NamedTuple):
    """What a method found for a batch, as arrays.

    Attributes:
        v: [B, n].
        distance: ‖v − x‖₂ [B], infinite where nothing was found.
        c: the penalty's weight [B], NaN for `direct`.
        evaluations: gradients computed for every image.
    """

    v: np.ndarray
    distance: np.ndarray
    c: np.ndarray
    evaluations: int


def start(program: Program, task: Task) -> tuple[Candidate, int]:
    """A point of the boundary near x for every image, and the gradients it took."""
    best = None
    for growth in _GROWTHS:
        walked = program.walk(task, tf.constant(growth))
        best = walked if best is None else best.best(walked)
    return program.approach(task, best), len(_GROWTHS) * WALK_STEPS + PROJECTIONS


def direct(program: Program, task: Task, best: Candidate) -> Found:
    """Polishes a start to a local minimum of the distance.

    Rounds of L-BFGS end when no image came nearer by a ten-thousandth, or after eight.

    Args:
        program: of the model.
        task: what is asked.
        best: from `start`.
    """
    v, multipliers = program.linearize(task, best.v)
    unit = unit_of(task, best)
    rho = tf.fill([task.x.shape[0], 1], CLASS_PENALTY)
    no_entropy = tf.zeros_like(best.distance)
    evaluations, stalled = 1, 0
    for _ in range(ROUNDS):
        v, multipliers, made = program.minimize(task, v, unit, multipliers, rho, no_entropy)
        evaluations += int(made)
        nearer = best.best(program.shorten(task, v))
        gain = np.max(np.nan_to_num(1 - nearer.distance / best.distance, nan=1.0))
        best = nearer
        stalled = stalled + 1 if gain < 1e-4 else 0
        if stalled == 2:
            break
    distance = best.distance.numpy()
    return Found(best.v.numpy(), distance, np.full_like(distance, np.nan), evaluations)


def unit_of(task: Task, best: Candidate) -> tf.Tensor:
    """A length [B, 1] of the size of the answer, to measure the problem in."""
    length = tf.where(tf.math.is_finite(best.distance), best.distance, tf.norm(best.v - task.x, axis=-1))
    return tf.maximum(length, 1e-6 * (task.bounds.upper - task.bounds.lower))[:, None]
