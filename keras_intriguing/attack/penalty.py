"""The paper's own form: c‖r‖² + cross-entropy in the box, with a line search for the largest c that succeeds."""

import numpy as np
import tensorflow as tf

from keras_intriguing.attack.direct import Found
from keras_intriguing.attack.program import Candidate, Multipliers, Program, Task, unit_of

SEARCH_STEPS = 16
FIRST_C = 1.0
FACTOR = 8.0
_ROUNDS = 2  # of multipliers for the box, for every c


def penalty(program: Program, task: Task, best: Candidate) -> Found:
    """Penalty method of Szegedy et al. 2014, §4.1, with the line search that their "minimum c" means.

    A larger c gives a smaller r, so the largest c that still succeeds is sought: c starts at 1/(u − l)² for
    pixels in [l, u], is multiplied by 8 while it succeeds and divided by 8 while it fails, then the bracket
    is halved on the logarithmic scale: 16 values of c in all. Every minimization starts from the last
    success, or from x before the first; images that never succeed so are searched again, from `best`. The
    box is kept by multipliers.

    Args:
        program: of the model.
        task: what is asked; the rivals are those that the result must beat, whatever the objective says.
        best: from `start`.
    """
    found = _line_search(program, task, unit_of(task, best), task.x)
    if np.isfinite(found.distance).all():
        return found
    again = _line_search(program, task, unit_of(task, best), best.v)
    first = np.isfinite(found.distance)
    return Found(
        np.where(first[:, None], found.v, again.v),
        np.where(first, found.distance, again.distance),
        np.where(first, found.c, again.c),
        found.evaluations + again.evaluations,
    )


def _line_search(program: Program, task: Task, unit: tf.Tensor, start: tf.Tensor) -> Found:
    x = task.x
    count = x.shape[0]
    rho = tf.ones((count, 1))
    unconstrained = task._replace(rivals=tf.zeros_like(task.rivals))
    no_classes = tf.zeros(task.rivals.shape, tf.float32)
    v, nu = start, tf.zeros_like(x)
    found = Candidate(x, tf.fill([count], np.float32(np.inf)))
    reach = float(task.bounds.upper - task.bounds.lower)
    c = np.full(count, FIRST_C / reach**2)
    succeeded, failed = np.full(count, np.nan), np.full(count, np.nan)
    evaluations = 0
    for _ in range(SEARCH_STEPS):
        multipliers = Multipliers(no_classes, nu, tf.ones((count, 1)))
        weight = tf.constant(1 / (2 * c), tf.float32)
        moved = v
        for _ in range(_ROUNDS):
            moved, multipliers, made = program.minimize(unconstrained, moved, unit, multipliers, rho, weight)
            evaluations += int(made)
        moved = task.bounds.clip(moved)
        good = program.reached(moved, task)
        # not the shortest of all, but that of the largest c: this is what the method defines
        length = tf.norm(moved - x, axis=-1)
        found = Candidate(tf.where(good[:, None], moved, found.v), tf.where(good, length, found.distance))
        v = tf.where(good[:, None], moved, v)
        nu = tf.where(good[:, None], multipliers.nu, nu)
        succeeded = np.where(good, c, succeeded)
        failed = np.where(good, failed, c)
        c = next_c(succeeded, failed)
    return Found(found.v.numpy(), found.distance.numpy(), succeeded, evaluations)


def next_c(succeeded: np.ndarray, failed: np.ndarray) -> np.ndarray:
    """The next c to try: beyond the only known end, else the geometric middle of both."""
    middle = np.sqrt(succeeded * failed)
    return np.where(
        np.isnan(failed), succeeded * FACTOR, np.where(np.isnan(succeeded), failed / FACTOR, middle)
    )
