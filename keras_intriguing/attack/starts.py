"""Where `penalty` begins: points of the boundary near the images, to a given class or to the nearest."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_intriguing.attack.problem import Box, Candidate, Problem, margins
from keras_intriguing.attack.program import PROJECTIONS, SHORTENING, WALK_STEPS, Program


class Start(NamedTuple):
    """A problem, a start for every image, and the passes that it took, the same for all."""

    problem: Problem
    candidate: Candidate
    forward_passes: int
    backward_passes: int


# Classes that are tried where no target is given: the likeliest, and the nearest of these.
WALKS, FINALISTS = 9, 3
_GROWTHS = (0.1, 0.05)  # of the walks to a target; two, since the boundary has several nearest points


def start_towards(
    program: Program, weights: list[tf.Tensor], x: tf.Tensor, target: tf.Tensor, box: Box
) -> Start:
    """The problem to reach `target` [B], and a start for every image."""
    logits = program.logits(weights, x)
    rivals = ~tf.one_hot(target, logits.shape[-1], on_value=True, off_value=False)
    problem = Problem(weights, x, target, rivals, box, margins(logits, target))
    fast, slow = (program.walk(problem, tf.constant(growth)) for growth in _GROWTHS)
    return _counted(problem, program.approach(problem, fast.nearer(slow)), walks=2, approaches=1)


def start_towards_nearest(
    program: Program, weights: list[tf.Tensor], x: tf.Tensor, label: tf.Tensor, box: Box
) -> Start:
    """The problem to leave `label` [B] for the nearest other class, and a start for every image.

    A walk goes to each of the nine most likely other classes, and the nearest points found are moved nearer. To choose
    classes by how near their boundaries look at x would spare walks, and did no harm to nets with one or two smooth hidden
    layers; of other people's deep or saturated nets it missed the nearest class of one image in ten.
    """
    logits = program.logits(weights, x)
    classes = logits.shape[-1]
    rivals = tf.one_hot(label, classes, on_value=True, off_value=False)
    count = min(WALKS, classes - 1)
    likely = tf.argsort(tf.where(rivals, -np.inf, logits), direction="DESCENDING", axis=-1)[:, :count]

    def towards(target: tf.Tensor) -> Problem:
        return Problem(weights, x, target, rivals, box, margins(logits, target))

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
    return _counted(towards(target), best, count, finalists)


def _counted(problem: Problem, candidate: Candidate, walks: int, approaches: int) -> Start:
    gradients = walks * WALK_STEPS + approaches * PROJECTIONS
    shortenings = approaches * (1 + PROJECTIONS)
    return Start(problem, candidate, 1 + gradients + shortenings * SHORTENING, gradients)
