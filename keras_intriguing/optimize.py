"""L-BFGS, of one function by SciPy and of a batch by TensorFlow Probability; the only module that knows either."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import scipy.optimize
import tensorflow as tf
from tensorflow_probability.python.optimizer import lbfgs_minimize  # `tfp.optimizer` alone, half the import

MEMORY = 20  # correction pairs of a full-batch run
BATCH_MEMORY = 8  # of a batched run: their Hessians are near the identity, and memory is B·n each
ROUND = 100  # iterations between two restarts of a full-batch run


class Progress(NamedTuple):
    """The state of a full-batch minimization at the end of a round.

    Attributes:
        iterations: L-BFGS iterations so far.
        evaluations: evaluations of the objective and its gradient so far.
        objective: its value now.
        converged: whether the round lowered it by no more than the tolerance.
    """

    iterations: int
    evaluations: int
    objective: float
    converged: bool


def minimize_variables(
    objective: Callable[[Sequence[tf.Tensor]], tf.Tensor],
    variables: Sequence[tf.Variable],
    *,
    max_iterations: int,
    tolerance: float,
    start: Progress | None = None,
    on_round: Callable[[Progress], None] = lambda progress: None,
) -> Progress:
    """Minimizes a deterministic objective over variables by SciPy's L-BFGS, in restarted rounds.

    A single function of many variables is not what TFP's batched L-BFGS is best at: its line search takes three
    evaluations an iteration where SciPy's takes one, and with a whole training set these are all the time.

    A round of 100 iterations starts from the variables alone, with an empty memory. So a run that was
    interrupted after a round and goes on from its variables takes the same steps as one that was not.

    Args:
        objective: maps values of the variables to a scalar; pure.
        variables: changed in place, after every round.
        max_iterations: where to stop at the latest.
        tolerance: the run has converged when a round lowers the objective by no more than this share of it.
        start: the progress of an earlier run whose variables these are.
        on_round: called after every round.

    Returns:
        The last progress.

    Raises:
        FloatingPointError: the objective is not finite at the start.
    """
    shapes = [tuple(v.shape) for v in variables]
    sizes = [int(np.prod(shape)) for shape in shapes]

    def split(position: tf.Tensor) -> list[tf.Tensor]:
        parts = tf.split(position, sizes)
        return [tf.reshape(part, shape) for part, shape in zip(parts, shapes, strict=True)]

    @tf.function
    def value_and_gradient(position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(position)
            value = objective(split(position))
        return value, tape.gradient(value, position)

    def evaluate(position: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = value_and_gradient(tf.constant(position, tf.float32))
        return float(value), gradient.numpy().astype(np.float64)

    progress = start or Progress(0, 0, float("inf"), False)
    position = np.concatenate([np.ravel(v) for v in variables])
    while progress.iterations < max_iterations and not progress.converged:
        before, _ = evaluate(position)
        if not np.isfinite(before):
            raise FloatingPointError("The objective is not finite at the starting point; look at the data.")
        result = scipy.optimize.minimize(
            evaluate,
            position,
            jac=True,
            method="L-BFGS-B",
            options={
                "maxcor": MEMORY,
                "maxiter": min(ROUND, max_iterations - progress.iterations),
                "maxfun": 20 * ROUND,
                "ftol": 0.0,
                "gtol": 0.0,
            },
        )
        position = result.x.astype(np.float32)
        for variable, part in zip(variables, split(tf.constant(position)), strict=True):
            variable.assign(part)
        progress = Progress(
            iterations=progress.iterations + int(result.nit),
            evaluations=progress.evaluations + int(result.nfev) + 1,
            objective=float(result.fun),
            converged=bool(before - result.fun <= tolerance * abs(result.fun)),
        )
        on_round(progress)
    return progress


class BatchMinimum(NamedTuple):
    """Where a batch of minimizations ended.

    Attributes:
        position: [B, n].
        evaluations: how often the objective and its gradient were computed, for all members at once.
    """

    position: tf.Tensor
    evaluations: tf.Tensor


def minimize_batch(
    value_and_gradient: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]],
    start: tf.Tensor,
    *,
    max_iterations: int | tf.Tensor,
    max_line_search_iterations: int | tf.Tensor,
    tolerance: float,
    relative_tolerance: float,
) -> BatchMinimum:
    """Minimizes B independent functions of n variables side by side; to be called inside a `tf.function`.

    Whether a member converged is not reported: TFP also calls a step of zero converged, and a line search
    that ran out of float32 digits failed. Judge the position.

    Args:
        value_and_gradient: positions [B, n] to values [B] and gradients [B, n].
        start: [B, n].
        max_iterations: of L-BFGS.
        max_line_search_iterations: of every line search; the whole batch waits for the longest.
        tolerance: a member is done when no component of its gradient is larger.
        relative_tolerance: a member is done when a step changes its value by less than this share.
    """
    result = lbfgs_minimize(
        value_and_gradient,
        start,
        num_correction_pairs=BATCH_MEMORY,
        max_iterations=max_iterations,
        tolerance=tolerance,
        f_relative_tolerance=relative_tolerance,
        max_line_search_iterations=max_line_search_iterations,
    )
    return BatchMinimum(result.position, result.num_objective_evaluations)
