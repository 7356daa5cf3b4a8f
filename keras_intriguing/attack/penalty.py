"""The paper's own form: c‖r‖² + cross-entropy in the box, with a line search for the largest c that succeeds."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_intriguing.attack.confirmation import filled
from keras_intriguing.attack.problem import Box, Candidate, Multipliers, Problem, length_scale
from keras_intriguing.attack.program import Limits, Program
from keras_intriguing.attack.solution import Solution
from keras_intriguing.attack.starts import start_towards, start_towards_nearest
from keras_intriguing.classifiers.request import Request

_ROUNDS = 2  # of multipliers for the box, for every c
_STEPS = 10  # values of c, where the first is estimated
_FACTOR = 1.1  # the first, where c is estimated
# of an estimate, in units of 1/(u − l)²: the weight of the cross-entropy, 1/2c, must be a float32
_SMALLEST = 1e-12
_TOO_FAR = 1.1  # times the distance of the first point; soft nets, whose minima are farther by themselves, stay below
# The whole batch waits for its slowest image; what a minimization leaves undone, the next one goes on with.
_SHORT, _LONG = (14, 5), (20, 10)  # iterations, and evaluations of a line search


class WeightSearch:
    """The line search for the largest c that succeeds, for B images side by side.

    c is multiplied by a factor while it succeeds and divided by it while it fails; the factor is squared every time, up to
    8. Then the bracket is halved on the logarithmic scale.

    Args:
        first: the first c of every image [B].
        factor: the first factor, a number or [B].

    Attributes:
        c: the next one to try [B].
        largest: that succeeded [B]; NaN where none did.
    """

    STEPS = 16  # that suffice, whatever the first c
    LARGEST_FACTOR = 8.0

    def __init__(self, first: np.ndarray, factor: np.ndarray | float = LARGEST_FACTOR) -> None:
        self.c = first
        self.largest = np.full(len(first), np.nan)
        self._smallest_failed = np.full(len(first), np.nan)
        self._factor = factor

    def update(self, succeeded: np.ndarray) -> None:
        """Chooses the next c by whether the last one succeeded, bool [B]."""
        self.largest = np.where(succeeded, self.c, self.largest)
        self._smallest_failed = np.where(succeeded, self._smallest_failed, self.c)
        never_failed, never_succeeded = np.isnan(self._smallest_failed), np.isnan(self.largest)
        middle = np.sqrt(self.largest * self._smallest_failed)
        smaller = np.where(never_succeeded, self._smallest_failed / self._factor, middle)
        self.c = np.where(never_failed, self.largest * self._factor, smaller)
        self._factor = np.minimum(self._factor**2, self.LARGEST_FACTOR)


def penalty(program: Program, weights: list[tf.Tensor], request: Request, size: int) -> Solution:
    """Penalty method of Szegedy et al. 2014, §4.1, with the line search that their "minimum c" means.

    A larger c gives a smaller r, so the largest c that still succeeds is sought. The search begins at a point of the
    boundary near x, with the c for which it would be a minimum (see `_beginning`): for most images that c is within a fifth
    of the one sought. Ten values of c are tried, the first a tenth apart (`WeightSearch`). Every minimization starts
    from the last success, or from the first point before there is one. The box is kept by multipliers.

    Images that never succeed so, or come out clearly farther than that first point, are searched again from x, and then from
    the point, by longer minimizations for 16 values of c that begin at 1/(u − l)² for pixels in [l, u] (see `Box.reach`),
    factors of 8 apart; the nearest result counts. Where none succeeds, the point of the boundary is the result. It
    minimizes no such sum, so its c is NaN.

    Args:
        program: of the model.
        weights: of the model.
        request: of at most `size` images; the rivals are those whose logits the target's must exceed, whatever the
            objective says.
        size: images of the compiled programs; the batch is filled up to it where XLA compiles them, which takes longer than
            a few images more. Otherwise no image is computed that is not asked for.
    """
    count = len(request.x)

    def fill(rows: np.ndarray) -> tf.Tensor:
        return tf.constant(filled(rows, size) if program.jit else rows)

    rows = request.x.reshape(len(request.x), -1)
    x, box = fill(rows), Box.of(request.bounds.flat(), rows)
    if request.target is None:
        start = start_towards_nearest(program, weights, x, fill(request.label_to_leave), box)
    else:
        start = start_towards(program, weights, x, fill(request.target), box)
    problem, best = start.problem, start.candidate
    unit, of_start = length_scale(problem, best), best.distance.numpy()
    found = _search(program, problem, unit, _beginning(program, problem, best), _STEPS, _SHORT)
    v, distance, c = found.v, found.distance, found.c
    # and one gradient for the beginning
    gradients, tests = np.full(len(x), 1 + found.gradients), np.full(len(x), found.tests)
    for points in (x, best.v):
        again = np.flatnonzero(~np.isfinite(distance) | (distance > _TOO_FAR * of_start))
        if not len(again):
            break
        rows = np.resize(again, len(x)) if program.jit else again
        part = _rows_of(problem, rows)
        beginning = _without_estimate(part, tf.gather(points, rows))
        found = _search(program, part, tf.gather(unit, rows), beginning, WeightSearch.STEPS, _LONG)
        nearer = np.flatnonzero(found.distance[: len(again)] < distance[again])
        chosen = again[nearer]
        v[chosen], distance[chosen], c[chosen] = found.v[nearer], found.distance[nearer], found.c[nearer]
        gradients[again] += found.gradients
        tests[again] += found.tests
    lost = ~np.isfinite(distance)  # also where the walks found nothing
    v[lost], distance[lost], c[lost] = best.v.numpy()[lost], of_start[lost], np.nan
    return Solution(
        v=v[:count],
        distance=distance[:count],
        c=c[:count],
        target=problem.target.numpy()[:count],
        forward_passes=(start.forward_passes + gradients + tests)[:count],
        backward_passes=(start.backward_passes + gradients)[:count],
    )


def _rows_of(problem: Problem, rows: np.ndarray) -> Problem:
    """The problems of some of the images."""
    of_rows = {name: tf.gather(getattr(problem, name), rows) for name in ("x", "target", "rivals", "margin")}
    return problem._replace(**of_rows)


class _Beginning(NamedTuple):
    """Where a search begins: points v [B, n], multipliers of the box nu [B, n], c [B] and the first factor of c [B]."""

    v: tf.Tensor
    nu: tf.Tensor
    c: np.ndarray
    factor: np.ndarray


def _without_estimate(problem: Problem, v: tf.Tensor) -> _Beginning:
    """At points v [B, n] of which no c is known."""
    count = v.shape[0]
    c = np.full(count, 1 / float(problem.box.reach) ** 2)
    return _Beginning(v, tf.zeros_like(v), c, np.full(count, WeightSearch.LARGEST_FACTOR))


def _beginning(program: Program, problem: Problem, best: Candidate) -> _Beginning:
    """At points of the boundary, with the c and the multipliers for which they are stationary, as nearly as may be.

    At a minimum 2cr = −∇(cross-entropy) for the values strictly inside the box, and what is left of the gradient for the
    others is their multiplier. c is that of least squares; where it is not positive, nothing is known of it.
    """
    x, box, v = problem.x, problem.box, best.v
    slope = program.entropy_gradient(problem, v)
    r = v - x
    inside = tf.where((v > box.lower) & (v < box.upper), r, 0.0)
    estimate = -tf.math.divide_no_nan(
        tf.reduce_sum(inside * slope, axis=-1), 2 * tf.reduce_sum(inside * r, axis=-1)
    )
    unknown = _without_estimate(problem, v)
    c = estimate.numpy().astype(np.float64)
    known = np.isfinite(best.distance) & np.isfinite(c) & (c > _SMALLEST * unknown.c)
    c = np.where(known, c, unknown.c)
    stationary = x - slope / tf.constant(2 * c[:, None], tf.float32)
    nu = tf.where(known[:, None], stationary - box.clip(stationary), 0.0)
    return _Beginning(v, nu, c, np.where(known, _FACTOR, unknown.factor))


class _Found(NamedTuple):
    """The points of one search [B, n], their distances [B], the c [B]; the gradients, and passes forward only."""

    v: np.ndarray
    distance: np.ndarray
    c: np.ndarray
    gradients: int
    tests: int


def _search(
    program: Program,
    problem: Problem,
    unit: tf.Tensor,
    beginning: _Beginning,
    steps: int,
    limits: tuple[int, int],
) -> _Found:
    """Searches the largest c that succeeds, by so many values of it.

    Args:
        program: of the model.
        problem: of the images.
        unit: of length, for every image [B, 1].
        beginning: where the search begins.
        steps: values of c.
        limits: of every minimization, as `Limits`.
    """
    x, box = problem.x, problem.box
    count = x.shape[0]
    rho, allowed = tf.ones((count, 1)), Limits(*map(tf.constant, limits))
    unconstrained = problem._replace(rivals=tf.zeros_like(problem.rivals))
    no_classes = tf.zeros(problem.rivals.shape, tf.float32)
    v, nu = beginning.v, beginning.nu
    best = Candidate(x, tf.fill([count], np.float32(np.inf)))
    search = WeightSearch(beginning.c, beginning.factor)
    gradients = 0
    for _ in range(steps):
        multipliers = Multipliers(no_classes, nu, tf.ones((count, 1)))
        weight = tf.constant(1 / (2 * search.c), tf.float32)
        moved = v
        for _ in range(_ROUNDS):
            moved, multipliers, computed = program.minimize(
                unconstrained, moved, unit, multipliers, rho, weight, allowed
            )
            gradients += int(computed)
        moved = box.clip(moved)
        good = program.is_adversarial(moved, problem)
        # not the shortest of all, but that of the largest c: this is what the method defines
        length = tf.norm(moved - x, axis=-1)
        best = Candidate(tf.where(good[:, None], moved, best.v), tf.where(good, length, best.distance))
        v = tf.where(good[:, None], moved, v)
        nu = tf.where(good[:, None], multipliers.nu, nu)
        search.update(good.numpy())
    # for the multipliers after every minimization, and for whether its point is adversarial
    tests = steps * (_ROUNDS + 1)
    return _Found(best.v.numpy(), best.distance.numpy(), search.largest, gradients, tests)
