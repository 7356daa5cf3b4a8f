"""Which starts `direct` gives an image, and when it is done."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from keras_intriguing.attack import descent, direct
from keras_intriguing.attack.goal import ANY
from keras_intriguing.attack.proposals import Proposal, Proposals
from keras_intriguing.classifiers.pixels import Bounds
from keras_intriguing.classifiers.request import Labelled

NONE = Labelled(np.zeros((0, 6), np.float32), np.zeros(0, int))


def since_gains(distances: list[float]) -> list[int]:
    """How many starts without gain there are after each of an image's descents, which end at these distances."""
    progress = direct._Progress(np.zeros((1, 2), np.float32), np.zeros(1, bool), np.full(1, 2000))
    rows, counts = direct._Rows(1, 2), []
    for distance in distances:
        proposal = Proposal(np.zeros(2, np.float32), descent.PROJECT, ANY, 1.0)
        rows.launch(0, 0, np.zeros(2, np.float32), proposal, tolerance=1e-3, left=10)
        progress.running[0] += 1
        progress.reserved[0] += 10
        state = {"left": [5], "mode": [descent.DONE], "distance": [distance], "best_merit": [distance]}
        state = {name: tf.constant(values) for name, values in state.items()}
        direct._take_over(SimpleNamespace(found=tf.zeros((1, 2)), **state), rows, progress)
        counts.append(int(progress.since_gain[0]))
    assert (progress.distance, progress.running, progress.reserved) == (np.float32(min(distances)), 0, 0)
    assert progress.gradients == 5 * len(distances)
    return counts


def test_small_gains_count_when_they_add_up() -> None:
    assert since_gains([np.inf, 1.0, 1.0, 0.998, 0.996, 0.994, 0.993]) == [1, 0, 1, 2, 3, 0, 1]


def test_a_larger_budget_tries_more_starts_without_gain() -> None:
    progress = direct._Progress(np.zeros((4, 2), np.float32), np.zeros(4, bool), np.full(4, 20_000))
    progress.starts[:], progress.distance[:], progress.since_gain[:] = 300, 1, [179, 180, 139, 140]
    progress.agreeing[2:] = 4
    _, ends = progress.goes_on(17)
    assert ends.tolist() == [False, True, False, True]
    progress = direct._Progress(np.zeros((2, 2), np.float32), np.zeros(2, bool), np.full(2, 300))
    progress.starts[:], progress.distance[:], progress.since_gain[:] = 30, 1, [17, 18]
    assert progress.goes_on(17)[1].tolist() == [False, True]


@pytest.mark.parametrize(("classes", "starts"), [(2, 9), (3, 10), (4, 11), (5, 12), (10, 17), (1000, 17)])
@pytest.mark.parametrize("images", [1, 2, 12])
@pytest.mark.parametrize("found", [False, True])
def test_every_likely_class_is_tried(classes: int, starts: int, images: int, found: bool) -> None:
    x = np.random.default_rng(0).uniform(size=(images, 6)).astype(np.float32)
    labels = np.arange(images) % 2
    likely = np.array([[k for k in range(classes) if k != label] for label in labels], np.int32)
    proposals = Proposals(x, labels, False, labels, likely, Bounds(0.0, 1.0), NONE)
    assert len(proposals) == starts
    best = np.clip(x[0] + 0.1, 0, 1) if found else None
    made = [proposals.propose(0, number, best, is_lost=False) for number in range(3 * starts)]
    towards = [p.rival for p in made[:starts] if p.mode == descent.PROJECT and (p.start == x[0]).all()]
    assert set(likely[0, :9].tolist()) <= set(towards)
    others = sum(p.mode == descent.BRACKET for p in made[:starts])
    assert others == min(4, (labels != 0).sum())
    for proposal in made:
        assert (proposal.start >= 0).all()
        assert (proposal.start <= 1).all()
        assert proposal.is_own or found
