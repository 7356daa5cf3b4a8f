"""Coherence of sets of images against brute force over all sets."""

import itertools
from collections import Counter

import numpy as np
import pytest

from keras_intriguing import directions
from keras_intriguing.directions import TopImages

N, K = 12, 3
LABELS = np.array([4, 4, 4, 4, 7, 7, 7, 9, 9, 2, 2, 5])


@pytest.fixture(scope="module")
def spaces() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    return random.uniform(size=(N, 2, 3, 1)), random.normal(size=(N, 5)) + 3


def all_sets(k: int = K) -> TopImages:
    sets = np.array(list(itertools.combinations(range(N), k)), np.int32)
    return TopImages(sets, np.zeros(sets.shape, np.float32))


def brute_similarity(space: np.ndarray, members: np.ndarray) -> float:
    rows = space.reshape(N, -1) - space.reshape(N, -1).mean(axis=0)
    pairs = [
        rows[a] @ rows[b] / (np.linalg.norm(rows[a]) * np.linalg.norm(rows[b]))
        for a, b in itertools.combinations(members, 2)
    ]
    return float(np.mean(pairs))


def test_values_are_those_of_their_definitions(spaces) -> None:
    top = all_sets()
    found = directions.coherence(top, LABELS, *spaces)
    for row, members in enumerate(top.indices):
        shares = np.array(list(Counter(LABELS[members]).values())) / K
        assert found.values["purity"][row] == pytest.approx(shares.max())
        assert found.values["entropy"][row] == pytest.approx(-(shares * np.log2(shares)).sum())
        for name, space in zip(("pixels", "features"), spaces, strict=True):
            assert found.values[name][row] == pytest.approx(brute_similarity(space, members), abs=1e-6)


@pytest.mark.parametrize("k", [2, 3, 5, 11])
def test_chance_and_best_are_those_of_all_sets(k: int, spaces) -> None:
    found = directions.coherence(all_sets(k), LABELS, *spaces)
    for name, reference in found.references.items():
        values = found.values[name]
        best = values.min() if name == "entropy" else values.max()
        assert reference.chance == pytest.approx(values.mean(), abs=1e-6), name
        assert reference.best == pytest.approx(best, abs=1e-6), name
        assert reference.limit >= best - 1e-6, name
    assert found.references["purity"].limit == found.references["purity"].best


def test_scores_are_zero_for_chance_and_one_for_the_best(spaces) -> None:
    scores = directions.coherence(all_sets(), LABELS, *spaces).scores()
    assert set(scores) == {"purity", "entropy", "pixels", "features"}
    for name, values in scores.items():
        assert values.mean() == pytest.approx(0, abs=1e-5), name
        assert values.max() == pytest.approx(1, abs=1e-5), name


def test_found_sets_stay_within_their_limit_among_many_images() -> None:
    random = np.random.default_rng(1)
    images = random.uniform(size=(600, 20))
    images[100:106] = images[100] + 1e-3 * random.normal(size=(6, 20))  # planted: the best six
    labels = np.arange(600) % 10
    reference = directions.Judge(labels, images, None, 6).references["pixels"]
    planted = np.arange(100, 106)[None]
    values = directions.coherence(TopImages(planted, planted), labels, images).values
    assert reference.best == pytest.approx(values["pixels"][0], abs=1e-6)
    assert reference.best <= reference.limit <= 1 + 1e-6
    assert set(values) == {"purity", "entropy", "pixels"}


def test_images_without_contrast_are_like_no_other() -> None:
    images = np.concatenate([np.full((2, 4), 0.5), [[1, 1, 0, 0], [0, 0, 1, 1]]])
    top = TopImages(np.array([[0, 1]]), np.zeros((1, 2)))
    found = directions.coherence(top, np.zeros(4), images)
    assert found.values["pixels"] == [0]
    assert found.scores()["purity"] == [0]  # of one label only, all sets are alike


@pytest.mark.parametrize(
    ("labels", "indices", "message"),
    [
        (LABELS[1:], [[0, 1]], r"labels of shape \(11,\) and pixels of 12 images"),
        (LABELS, [[0]], "k is 1; of 12 images, sets of 2 to 12"),
        (LABELS, [[0, 12]], "images beyond the 12"),
        (LABELS, [[-1, 2]], "images beyond the 12"),
    ],
)
def test_bad_input_is_named(labels: np.ndarray, indices: list, message: str, spaces) -> None:
    top = TopImages(np.array(indices), np.zeros(np.shape(indices)))
    with pytest.raises(ValueError, match=message):
        directions.coherence(top, labels, spaces[0])


def test_sets_of_another_size_are_named(spaces) -> None:
    with pytest.raises(ValueError, match=r"shape \(220, 3\); \[M, 4\] is what is measured"):
        directions.Judge(LABELS, spaces[0], None, 4)(all_sets())
