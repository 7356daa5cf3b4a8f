"""min ‖r‖₂ subject to the class and to the box, by an augmented Lagrangian on L-BFGS."""

import numpy as np
import tensorflow as tf

from keras_intriguing.attack.problem import Candidate, Problem, length_scale
from keras_intriguing.attack.program import Program
from keras_intriguing.attack.solution import Solution

ROUNDS = 8
CLASS_PENALTY = 100.0  # the class constraints add a few large eigenvalues, which L-BFGS learns at once


def direct(program: Program, problem: Problem, best: Candidate) -> Solution:
    """Polishes a start to a local minimum of the distance.

    Rounds of L-BFGS end when no image came nearer by a ten-thousandth, or after eight.

    Args:
        program: of the model.
        problem: of the batch.
        best: its start.
    """
    v, (_, multipliers) = best.v, program.linearize(problem, best.v)
    unit = length_scale(problem, best)
    rho = tf.fill([problem.x.shape[0], 1], CLASS_PENALTY)
    no_entropy = tf.zeros_like(best.distance)
    evaluations, stalled = 1, 0
    for _ in range(ROUNDS):
        v, multipliers, count = program.minimize(problem, v, unit, multipliers, rho, no_entropy)
        evaluations += int(count)
        nearer = best.nearer(program.shorten(problem, v))
        before, after = best.distance.numpy(), nearer.distance.numpy()
        best = nearer
        with np.errstate(invalid="ignore"):  # ∞ − ∞: an image without any success keeps the batch going
            gain = np.nan_to_num((before - after) / np.maximum(before, np.finfo(np.float32).tiny), nan=1.0)
        stalled = stalled + 1 if gain.max() < 1e-4 else 0
        if stalled == 2:
            break
    distance = best.distance.numpy()
    return Solution(best.v.numpy(), distance, np.full(len(distance), np.nan), evaluations)
