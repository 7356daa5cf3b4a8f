"""min ‖r‖₂ subject to the class and to the box, by an augmented Lagrangian on L-BFGS."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_intriguing.attack.program import (
    CLASS_PENALTY,
    PROJECTIONS,
    WALK_STEPS,
    Bounds,
    Candidate,
    Program,
    Task,
    margin_of,
    unit_of,
)

ROUNDS = 8
CANDIDATES, FINALISTS = 9, 3  # classes that are tried where no target is given
_GROWTHS = (0.1, 0.05)  # of the walks to a target; two, since the boundary has several nearest points


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
    fast, slow = (program.walk(task, tf.constant(growth)) for growth in _GROWTHS)
    return program.approach(task, fast.best(slow)), 2 * WALK_STEPS + PROJECTIONS


def start_towards_nearest(
    program: Program, x: tf.Tensor, label: tf.Tensor, bounds: Bounds
) -> tuple[Task, Candidate, int]:
    """The task to leave `label` [B] for the nearest other class, its start, and the gradients it took.

    Walks towards the nine most likely other classes, then moves the three nearest points nearer.
    """
    logits = program.logits(x)
    classes = logits.shape[-1]
    rivals = tf.one_hot(label, classes, on_value=True, off_value=False)
    likely = tf.argsort(tf.where(rivals, -np.inf, logits), direction="DESCENDING", axis=-1)
    tasks = [_task(x, logits, likely[:, k], rivals, bounds) for k in range(min(CANDIDATES, classes - 1))]
    walks = [program.walk(task, tf.constant(_GROWTHS[0])) for task in tasks]
    nearest = tf.argsort(tf.stack([walk.distance for walk in walks], axis=-1), axis=-1)
    points = tf.stack([walk.v for walk in walks], axis=1)
    distances = tf.stack([walk.distance for walk in walks], axis=1)

    best, target = None, likely[:, 0]
    finalists = min(FINALISTS, len(tasks))
    for k in range(finalists):
        place = nearest[:, k]
        task = _task(x, logits, tf.gather(likely, place, batch_dims=1), rivals, bounds)
        walk = Candidate(tf.gather(points, place, batch_dims=1), tf.gather(distances, place, batch_dims=1))
        reached = program.approach(task, walk)
        if best is None:
            best, target = reached, task.target
        else:
            target = tf.where(reached.distance < best.distance, task.target, target)
            best = best.best(reached)
    evaluations = len(tasks) * WALK_STEPS + finalists * PROJECTIONS
    return _task(x, logits, target, rivals, bounds), best, evaluations


def direct(program: Program, task: Task, best: Candidate) -> Found:
    """Polishes a start to a local minimum of the distance.

    Rounds of L-BFGS end when no image came nearer by a ten-thousandth, or after eight.

    Args:
        program: of the model.
        task: what is asked.
        best: from `start`.
    """
    v, (_, multipliers) = best.v, program.linearize(task, best.v)
    unit = unit_of(task, best)
    rho = tf.fill([task.x.shape[0], 1], CLASS_PENALTY)
    no_entropy = tf.zeros_like(best.distance)
    evaluations, stalled = 1, 0
    for _ in range(ROUNDS):
        v, multipliers, made = program.minimize(task, v, unit, multipliers, rho, no_entropy)
        evaluations += int(made)
        nearer = best.best(program.shorten(task, v))
        before, after = best.distance.numpy(), nearer.distance.numpy()
        best = nearer
        with np.errstate(invalid="ignore"):  # ∞ − ∞: an image without any success keeps the batch going
            gain = np.nan_to_num((before - after) / np.maximum(before, np.finfo(np.float32).tiny), nan=1.0)
        stalled = stalled + 1 if gain.max() < 1e-4 else 0
        if stalled == 2:
            break
    distance = best.distance.numpy()
    return Found(best.v.numpy(), distance, np.full(len(distance), np.nan), evaluations)


def _task(x: tf.Tensor, logits: tf.Tensor, target: tf.Tensor, rivals: tf.Tensor, bounds: Bounds) -> Task:
    return Task(x, target, rivals, bounds, margin_of(logits, target))
