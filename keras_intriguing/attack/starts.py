"""Where `penalty` takes over where it fails from the image itself: points of the boundary near the images, to a given class or to the nearest."""

import numpy as np
import tensorflow as tf

from keras_intriguing.attack.problem import Box, Candidate, Problem, margins
from keras_intriguing.attack.program import PROJECTIONS, WALK_STEPS, Program

CANDIDATES, FINALISTS = 9, 3  # classes that are tried where no target is given
_GROWTHS = (0.1, 0.05)  # of the walks to a target; two, since the boundary has several nearest points


def start_towards(
    program: Program, weights: list[tf.Tensor], x: tf.Tensor, target: tf.Tensor, box: Box
) -> tuple[Problem, Candidate, int]:
    """The problem to reach `target` [B], a start for every image, and the gradients it took."""
    logits = program.logits(weights, x)
    rivals = ~tf.one_hot(target, logits.shape[-1], on_value=True, off_value=False)
    problem = Problem(weights, x, target, rivals, box, margins(logits, target))
    fast, slow = (program.walk(problem, tf.constant(growth)) for growth in _GROWTHS)
    return problem, program.approach(problem, fast.nearer(slow)), 2 * WALK_STEPS + PROJECTIONS


def start_towards_nearest(
    program: Program, weights: list[tf.Tensor], x: tf.Tensor, label: tf.Tensor, box: Box
) -> tuple[Problem, Candidate, int]:
    """The problem to leave `label` [B] for the nearest other class, its start, and the gradients it took.

    Walks towards the nine most likely other classes, then moves the three nearest points nearer.
    """
    logits = program.logits(weights, x)
    classes = logits.shape[-1]
    rivals = tf.one_hot(label, classes, on_value=True, off_value=False)
    likely = tf.argsort(tf.where(rivals, -np.inf, logits), direction="DESCENDING", axis=-1)

    def towards(target: tf.Tensor) -> Problem:
        return Problem(weights, x, target, rivals, box, margins(logits, target))

    count = min(CANDIDATES, classes - 1)
    walks = [program.walk(towards(likely[:, k]), tf.constant(_GROWTHS[0])) for k in range(count)]
    nearest = tf.argsort(tf.stack([walk.distance for walk in walks], axis=-1), axis=-1)
    points = tf.stack([walk.v for walk in walks], axis=1)
    distances = tf.stack([walk.distance for walk in walks], axis=1)

    def finalist(k: int) -> tuple[Candidate, tf.Tensor]:
        place = nearest[:, k]
        problem = towards(tf.gather(likely, place, batch_dims=1))
        walk = Candidate(tf.gather(points, place, batch_dims=1), tf.gather(distances, place, batch_dims=1))
        return program.approach(problem, walk), problem.target

    finalists = min(FINALISTS, count)
    best, target = finalist(0)
    for k in range(1, finalists):
        moved, other = finalist(k)
        target = tf.where(moved.distance < best.distance, other, target)
        best = best.nearer(moved)
    evaluations = count * WALK_STEPS + finalists * PROJECTIONS
    return towards(target), best, evaluations
