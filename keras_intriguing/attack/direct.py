"""min ‖r‖₂ subject to the class and to the box, by descents from many starts."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from keras_intriguing.attack import descent
from keras_intriguing.attack.descent import Descents
from keras_intriguing.attack.goal import ANY, Goal
from keras_intriguing.attack.problem import Box
from keras_intriguing.attack.program import Program
from keras_intriguing.attack.proposals import Proposal, Proposals
from keras_intriguing.attack.solution import Solution
from keras_intriguing.classifiers.pixels import Bounds
from keras_intriguing.classifiers.request import Labelled

BUDGET = 2000  # forward and backward passes of an image
SMALLEST_BUDGET = 100
FREE = -1  # a row without an image
_ROWS = 16  # descents side by side, at least
_STEPS = 8  # gradients between two looks at which descents are done
# Starts without gain after which an image is done: few where several starts of their own came to the same minimum. Of a
# budget above the usual one in proportion, up to so many times as many.
_PATIENCE, _LONG_PATIENCE, _AGREEING = 14, 18, 4
_MOST_PATIENCE = 10
_GAIN = 5e-3  # of several starts together
_AGREEMENT = 8e-3  # of minima; where a net has kinks, a descent does not meet one and the same more exactly
_TOLERANCE, _LAST_TOLERANCE = 1e-3, 1e-5
_LONGEST, _SHORTEST = 80, 6  # gradients of a descent
_LAST = 15  # gradients of the last descent, from the nearest point


class _Progress:
    """What is known of every image of a batch."""

    def __init__(self, x: np.ndarray, done: np.ndarray, budget: np.ndarray) -> None:
        count = len(x)
        self.v, self.distance = x.copy(), np.full(count, np.inf, np.float32)
        self.distance_at_gain = self.distance.copy()
        self.starts, self.running = np.zeros(count, int), np.zeros(count, int)
        self.since_gain, self.agreeing = np.zeros(count, int), np.zeros(count, int)
        self.is_last, self.done = np.zeros(count, bool), done.copy()
        self.gradients, self.reserved = np.zeros(count, int), np.zeros(count, int)
        self._allowed = budget // 2
        # who gives more passes wants more starts before the search gives up
        self._more = np.clip(budget / BUDGET, 1, _MOST_PATIENCE)

    def allowance(self) -> np.ndarray:
        """Gradients that a new descent of every image may take [B]."""
        left = self._allowed - self.gradients - self.reserved
        # what a last descent needs; where there is no point yet, what another start needs to find one
        kept_back = np.where(np.isfinite(self.distance), _LAST, left // 4)
        return np.minimum(_LONGEST, left - np.where(self.is_last, 0, kept_back))

    def goes_on(self, least: int) -> tuple[np.ndarray, np.ndarray]:
        """Which images are to be given another start [B], and which of them their last one, from their nearest points."""
        patience = self._more * np.where(self.agreeing >= _AGREEING, _PATIENCE, _LONG_PATIENCE)
        enough = (self.starts >= least) & (self.since_gain + self.running >= patience)
        wants = ~self.done & ~self.is_last & ~enough & (self.allowance() >= _SHORTEST)
        ends = ~self.done & ~self.is_last & ~wants & (self.running == 0)
        self.done |= ends & ~np.isfinite(self.distance)
        ends &= ~self.done
        return wants | ends, ends

    def share(self, least: int) -> float:
        """Of the work, about: an image has at least so many starts, and is then done when its last ones brought nothing."""
        return float(
            np.mean(np.where(self.done, 1, np.minimum(0.95, self.starts / (least + self._more * _PATIENCE))))
        )


class _Rows:
    """The rows of the compiled program: which image's descent each of them is, and from where.

    Args:
        count: of rows.
        size: values of an image.
    """

    def __init__(self, count: int, size: int) -> None:
        self.image = np.full(count, FREE)
        self.x, self.start = np.zeros((count, size), np.float32), np.zeros((count, size), np.float32)
        self.mode, self.floor = np.full(count, descent.DONE, np.int32), np.ones(count, np.float32)
        self.left, self.tolerance = np.zeros(count, np.int32), np.zeros(count, np.float32)
        self.rival, self.is_own = np.full(count, ANY, np.int32), np.zeros(count, bool)

    def launch(
        self, row: int, image: int, x: np.ndarray, proposal: Proposal, tolerance: float, left: int
    ) -> None:
        """Gives a row to a descent of an image x [n]."""
        self.image[row], self.x[row], self.left[row], self.tolerance[row] = image, x, left, tolerance
        self.start[row], self.mode[row], self.rival[row], self.floor[row], self.is_own[row] = proposal

    def begun(self) -> tuple[tf.Tensor, ...]:
        """The arguments of `descent.begin`."""
        arrays = (self.x, self.start, self.mode, self.left, self.floor, self.tolerance)
        return tuple(tf.constant(array) for array in arrays)


def direct(
    program: Program,
    weights: list[tf.Tensor],
    x: np.ndarray,
    goal: Goal,
    logits: np.ndarray,
    done: np.ndarray,
    bounds: Bounds,
    count: int,
    budget: np.ndarray,
    starts: Labelled,
    tell: Callable[[float], None] = lambda share: None,
) -> Solution:
    """The nearest of the local minima that descents from many starts converge to.

    Every image has a schedule of starts. It is done when its passes are spent or enough starts brought nothing, fewer where
    several starts of their own came to the same minimum, and ends with a last descent from its nearest point. Its rows are
    given to other images' starts then, so that all rows of the compiled program are used until little is left to do.

    Args:
        program: of the model.
        weights: of the model.
        x: images [B, n].
        goal: of every image.
        logits: of the images [B, K].
        done: the images that nothing is to be done for, bool [B].
        bounds: of every pixel, numbers or [n].
        count: descents side by side.
        budget: forward and backward passes of every image [B], at most.
        starts: further images, in rows [S, n], to go to.
        tell: is told again and again how large a share of the work is done, about.
    """
    box = Box.of(bounds, x)
    label, margin = goal.label.numpy(), goal.margin.numpy()
    others = np.where(np.arange(logits.shape[1]) == label[:, None], -np.inf, logits)
    likely = np.argsort(-others, axis=1, kind="stable")[:, :-1].astype(np.int32)
    proposals = Proposals(x, label, goal.reaches, logits.argmax(axis=1), likely, bounds, starts)
    progress, rows = _Progress(x, done, budget), _Rows(max(count, _ROWS), x.shape[1])
    state = descent.begin(*rows.begun(), cuts=descent.CUTS if goal.reaches else 0, box=box)
    while True:
        fresh = _launch(rows, progress, proposals, x)
        used = rows.image != FREE
        if not used.any():
            break
        if fresh.any():
            state = program.restart(state, tf.constant(fresh), rows.begun(), box)
        arrays = (label[rows.image], rows.rival, margin[rows.image])
        incumbent = np.where(used, progress.distance[rows.image], np.float32(0))
        of_rows = Goal(*map(tf.constant, arrays), reaches=goal.reaches)
        state = program.advance(weights, state, of_rows, tf.constant(incumbent), _STEPS, box)
        _take_over(state, rows, progress)
        tell(progress.share(len(proposals)))
    return Solution(
        v=progress.v,
        distance=progress.distance,
        c=np.full(len(x), np.nan),
        target=label if goal.reaches else likely[:, 0],
        forward_passes=progress.gradients,
        backward_passes=progress.gradients,
    )


def _launch(rows: _Rows, progress: _Progress, proposals: Proposals, x: np.ndarray) -> np.ndarray:
    """Gives free rows to the images with the fewest starts, and tells which rows these are, bool [R].

    Rows that are left over are given to further starts of these images, so that the last images of a batch do not have
    theirs one after the other.
    """
    fresh = np.zeros(len(rows.image), bool)
    free = np.flatnonzero(rows.image == FREE).tolist()
    while free:
        goes_on, ends = progress.goes_on(len(proposals))
        turns = np.flatnonzero(goes_on)
        turns = turns[np.argsort(progress.starts[turns], kind="stable")][: len(free)]
        if not len(turns):
            break
        progress.is_last[turns] = ends[turns]  # of the others there is no row for the last descent yet
        allowance = progress.allowance()
        for image in turns.tolist():
            row, left = free.pop(0), int(allowance[image])
            rows.launch(row, image, x[image], *_proposed(progress, proposals, image, left), left=left)
            fresh[row] = True
            progress.starts[image] += 1
            progress.running[image] += 1
            progress.reserved[image] += left
    return fresh


def _proposed(progress: _Progress, proposals: Proposals, image: int, left: int) -> tuple[Proposal, float]:
    """An image's next start, with so many gradients left, and how exactly it is to converge."""
    if progress.is_last[image]:
        return Proposal(progress.v[image], descent.PROJECT, ANY, 1.0), _LAST_TOLERANCE
    best = progress.v[image] if np.isfinite(progress.distance[image]) else None
    number = int(progress.starts[image])
    is_lost = best is None and number > 0 and left < _LONGEST // 2
    return proposals.propose(image, number, best, is_lost), _TOLERANCE


def _take_over(state: Descents, rows: _Rows, progress: _Progress) -> None:
    """Takes over what the descents have found, and frees the rows of those that are done."""
    left, mode, distance = state.left.numpy(), state.mode.numpy(), state.distance.numpy()
    found, reached = state.found.numpy(), state.best_merit.numpy()
    for row in np.flatnonzero(rows.image != FREE):
        image, spent = rows.image[row], rows.left[row] - left[row]
        progress.gradients[image] += spent
        progress.reserved[image] -= spent
        rows.left[row] = left[row]
        if distance[row] < progress.distance[image]:
            if distance[row] < (1 - _GAIN) * progress.distance_at_gain[image]:
                progress.since_gain[image], progress.agreeing[image] = -progress.running[image], 0
                progress.distance_at_gain[image] = distance[row]
            progress.v[image], progress.distance[image] = found[row], distance[row]
        if mode[row] == descent.DONE:
            progress.running[image] -= 1
            progress.reserved[image] -= left[row]
            progress.since_gain[image] += 1
            agrees = reached[row] < (1 + _AGREEMENT) * progress.distance[image]
            progress.agreeing[image] += agrees and rows.is_own[row]
            progress.done[image] |= progress.is_last[image]
            rows.image[row] = FREE
