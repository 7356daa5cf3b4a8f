"""The paper's own form: c‖r‖² + cross-entropy in the box, with a line search for the largest c that succeeds."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_intriguing.attack.problem import Box, Candidate, Problem, length_scale
from keras_intriguing.attack.program import Limits, Program, Sum
from keras_intriguing.attack.solution import Solution
from keras_intriguing.attack.starts import start_towards, start_towards_nearest
from keras_intriguing.classifiers.request import Request

_ROUNDS = 2  # of multipliers for the box, for every c
_STEPS = 8  # values of c, at most, where the first is estimated
_FACTOR = 1.1  # the first, where c is estimated
# of an estimate, in units of 1/(u − l)²: the weight of the cross-entropy, 1/2c, must be a float32
_SMALLEST = 1e-12
_TOO_FAR = 1.5  # times the distance of the first point; minima of soft nets, which are farther by themselves, stay below
# The whole batch waits for its slowest image; what a minimization leaves undone, the next one goes on with.
_SHORT, _LONG = (14, 5), (20, 10)  # iterations, and evaluations of a line search


class WeightSearch:
    """The line search for the largest c that succeeds, for B images side by side.

    c is multiplied by a factor while it succeeds and divided by it while it fails; the factor is squared every time, up to
    8. Then c is interpolated, on the logarithmic scale, by how far the logits are from what they should be: regula falsi,
    which halves an end's share when it stays twice (Illinois), since the minima may jump, and bisection from then on where a
    value has halved neither the bracket nor its end's excess. An image is done when a larger c
    would shorten r by no more than a ten-thousandth, or its bracket is narrow.

    Args:
        first: the first c of every image [B].
        factor: the first factor [B].

    Attributes:
        c: the next one to try [B].
        done: bool [B].
    """

    STEPS = 16  # that suffice, whatever the first c
    LARGEST_FACTOR = 8.0
    _GAIN, _WIDTH = 1e-4, 4e-4
    _MARGIN = 0.02  # of the bracket, next to its ends, in which no c is tried

    def __init__(self, first: np.ndarray, factor: np.ndarray) -> None:
        count = len(first)
        self.c, self._factor = first.astype(np.float64), factor.astype(np.float64)
        self.done = np.zeros(count, bool)
        # of the largest c that succeeded, and of the smallest that failed
        self._ends, self._excess, self._distance = np.full((3, 2, count), np.nan)
        self._share = np.ones((2, count))
        self._last = np.full(count, -1)
        self._width, self._jumps = np.full(count, np.inf), np.zeros(count, bool)

    @property
    def largest(self) -> np.ndarray:
        """That succeeded [B]; NaN where none did."""
        return self._ends[0]

    def update(self, turn: np.ndarray, excess: np.ndarray, distance: np.ndarray) -> None:
        """Chooses the next c of some images.

        Args:
            turn: which images their c was tried for [R].
            excess: by how much a rival's logit exceeded the target's [R]; not positive where c succeeded.
            distance: ‖r‖ [R].
        """
        end = np.where(excess <= 0, 0, 1)
        other_end = self._share[1 - end, turn]
        self._share[1 - end, turn] = np.where(self._last[turn] == end, other_end / 2, other_end)
        self._share[end, turn] = 1
        before = self._excess[end, turn]
        for of_ends, values in (
            (self._ends, self.c[turn]),
            (self._excess, excess),
            (self._distance, distance),
        ):
            of_ends[end, turn] = values
        self._last[turn] = end
        (low, high), (inside, outside) = np.log(self._ends[:, turn]), self._excess[:, turn]
        has_bracket = np.isfinite(low) & np.isfinite(high)
        factor = np.log(self._factor[turn])
        self._factor[turn] = np.where(
            has_bracket, self._factor[turn], np.minimum(self._factor[turn] ** 2, self.LARGEST_FACTOR)
        )
        beyond = np.where(np.isfinite(low), low + factor, high - factor)
        far, near = self._distance[:, turn]
        with np.errstate(divide="ignore", invalid="ignore"):
            # what the largest c would bring, were all linear between the ends
            gain = np.where(near < far, (far - near) / far * -inside / (outside - inside), np.inf)
            aim = inside * np.minimum(0.5, 0.5 * self._GAIN / gain)
            start, stop = self._share[0, turn] * (inside - aim), self._share[1, turn] * (outside - aim)
            part = np.clip(np.nan_to_num(-start / (stop - start), nan=0.5), self._MARGIN, 1 - self._MARGIN)
            jumps = (high - low > 0.5 * self._width[turn]) & (np.abs(excess) > 0.5 * np.abs(before))
            self._jumps[turn] |= jumps
            part = np.where(self._jumps[turn], 0.5, part)
        self._width[turn] = np.where(has_bracket, high - low, np.inf)
        self.done[turn] = has_bracket & ((gain <= self._GAIN) | (high - low <= self._WIDTH))
        self.c[turn] = np.exp(np.where(has_bracket, low + part * (high - low), beyond))


def penalty(program: Program, weights: list[tf.Tensor], request: Request, done: np.ndarray) -> Solution:
    """Penalty method of Szegedy et al. 2014, §4.1, with the line search that their "minimum c" means.

    A larger c gives a smaller r, so the largest c that still succeeds is sought. The search begins at a point of the
    boundary near x, with the c for which it would be a minimum (see `_estimated`): for most images that c is within a fifth
    of the one sought. At most eight values of c are tried, the first a tenth apart, then interpolated (`WeightSearch`); images
    that are done leave the batch. Every minimization starts from the last success, or from the first point before there is
    one. The box is kept by multipliers.

    Images that never succeed so, or come out clearly farther than that first point, are searched again from x, and then from
    the point, by longer minimizations for at most 16 values of c that begin at 1/(u − l)² for pixels in [l, u] (see
    `Box.reach`), factors of 8 apart; the nearest result counts. Where none succeeds, the point of the boundary is the result. It
    minimizes no such sum, so its c is NaN.

    Args:
        program: of the model.
        weights: of the model.
        request: of a batch; the rivals are those whose logits the target's must exceed, whatever the objective says.
        done: the images that nothing more is to be done for where the first search fails, bool [B].
    """
    rows = request.x.reshape(len(request.x), -1)
    x, box = tf.constant(rows), Box.of(request.bounds.flat(), rows)
    if request.target is None:
        start = start_towards_nearest(program, weights, x, tf.constant(request.label_to_leave), box)
    else:
        start = start_towards(program, weights, x, tf.constant(request.target), box)
    problem, best = start.problem, start.candidate
    unit, of_start = length_scale(problem, best), best.distance.numpy()
    found = _search(program, problem, unit, _estimated(program, problem, best), _STEPS, _SHORT)
    found.gradients[:] += 1  # for the estimate
    for points in (x, best.v):
        is_far = ~np.isfinite(found.distance) | (found.distance > _TOO_FAR * of_start)
        again = np.flatnonzero(~done & is_far)
        if not len(again):
            break
        part = _rows_of(problem, again)
        beginning = _without_estimate(part, tf.gather(points, again))
        longer = _search(program, part, tf.gather(unit, again), beginning, WeightSearch.STEPS, _LONG)
        nearer = longer.distance < found.distance[again]
        for of_all, of_part in zip(found[:3], longer[:3], strict=True):
            of_all[again[nearer]] = of_part[nearer]
        found.gradients[again] += longer.gradients
        found.tests[again] += longer.tests
    lost = ~np.isfinite(found.distance)  # also where the walks found nothing
    return Solution(
        v=np.where(lost[:, None], best.v, found.v),
        distance=np.where(lost, of_start, found.distance),
        c=np.where(lost, np.nan, found.c),
        target=problem.target.numpy(),
        forward_passes=start.forward_passes + found.gradients + found.tests,
        backward_passes=start.backward_passes + found.gradients,
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


def _estimated(program: Program, problem: Problem, best: Candidate) -> _Beginning:
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
    """The points of one search [B, n], their distances [B], the c [B]; the gradients, and passes forward only, of every image [B]."""

    v: np.ndarray
    distance: np.ndarray
    c: np.ndarray
    gradients: np.ndarray
    tests: np.ndarray


def _search(
    program: Program,
    problem: Problem,
    unit: tf.Tensor,
    beginning: _Beginning,
    steps: int,
    limits: tuple[int, int],
) -> _Found:
    """Searches the largest c that succeeds, by at most so many values of it; images that are done leave the batch.

    Args:
        program: of the model.
        problem: of the images.
        unit: of length, for every image [B].
        beginning: where the search begins.
        steps: values of c.
        limits: of every minimization, as `Limits`.
    """
    count, allowed = problem.x.shape[0], Limits(*map(tf.constant, limits))
    v, nu = beginning.v.numpy(), beginning.nu.numpy()
    found = _Found(
        problem.x.numpy().copy(),
        np.full(count, np.inf, np.float32),
        np.full(count, np.nan),
        *np.zeros((2, count), int),
    )
    search = WeightSearch(beginning.c, beginning.factor)
    for _ in range(steps):
        turn = np.flatnonzero(~search.done)
        if not len(turn):
            break
        part, weight = _rows_of(problem, turn), tf.constant(1 / (2 * search.c[turn]), tf.float32)
        of = Sum(part.x, part.target, weight, tf.gather(unit, turn), part.box)
        moved, multipliers = tf.constant(v[turn]), tf.constant(nu[turn])
        for _ in range(_ROUNDS):
            moved, multipliers, computed = program.minimize(problem.weights, of, moved, multipliers, allowed)
            found.gradients[turn] += int(computed)
        moved = part.box.clip(moved)
        excess = program.excess(moved, part).numpy()
        # not the shortest of all, but that of the largest c: this is what the method defines
        length = tf.norm(moved - part.x, axis=-1).numpy()
        good, chosen = excess <= 0, turn[excess <= 0]
        v[chosen], nu[chosen] = moved.numpy()[good], multipliers.numpy()[good]
        found.v[chosen], found.distance[chosen] = v[chosen], length[good]
        found.tests[turn] += 1
        search.update(turn, excess, length)
    found.c[:] = search.largest
    return found
