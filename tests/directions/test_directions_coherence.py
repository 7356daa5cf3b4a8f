"""Coherence of sets of images against brute force over all sets."""

import importlib
import itertools
import tracemalloc
from collections import Counter
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from scipy import special

from keras_intriguing import directions
from keras_intriguing.directions import TopImages

module = importlib.import_module("keras_intriguing.directions.coherence")
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
    reference = directions.CoherenceScorer(labels, images, None, 6).references["pixels"]
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


def test_where_all_sets_are_alike_but_for_rounding_scores_are_zero() -> None:
    basis = directions.rotated_basis(7, seed=0)  # a regular simplex, turned: all pairs are alike
    labels = np.arange(7)
    sets = np.array(list(itertools.combinations(range(7), 3)))
    found = directions.coherence(TopImages(sets, sets), labels, basis, features=3.7 * basis)
    for name, scores in found.scores().items():
        assert not scores.any(), name
    whole = TopImages(np.arange(7)[None], np.zeros((1, 7)))
    for name, scores in directions.coherence(whole, labels % 3, basis).scores().items():
        assert not scores.any(), name


def purity_by_counting(sizes: np.ndarray, k: int) -> float:
    """The chance, by the numbers of sets."""
    counts = np.arange(k + 1)
    below = []
    for most in range(k):
        ways = np.ones(1)
        for size in sizes:
            ways = np.convolve(ways, special.comb(size, counts)[: most + 1])[: k + 1]
        below.append((ways[k] if len(ways) > k else 0) / special.comb(sum(sizes), k))
    return (k - sum(below)) / k


MNIST = np.array([980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009])  # test images by digit


@pytest.mark.parametrize("k", [2, 3, 7, 10])
def test_the_chance_of_a_purity_is_that_of_counting_sets(k: int) -> None:
    assert module._purity_reference(MNIST, k).chance == pytest.approx(purity_by_counting(MNIST, k), rel=1e-10)


@pytest.mark.parametrize("k", [140, 400])
def test_the_chance_of_a_purity_is_known_for_large_sets(k: int) -> None:
    random = np.random.default_rng(0)
    drawn = random.multivariate_hypergeometric(MNIST, k, size=20_000).max(axis=1) / k
    error = drawn.std() / np.sqrt(20_000)
    assert module._purity_reference(MNIST, k).chance == pytest.approx(drawn.mean(), abs=5 * error)


def test_of_all_images_the_purity_is_the_largest_share() -> None:
    whole = TopImages(np.arange(N)[None], np.zeros((1, N)))
    found = directions.coherence(whole, LABELS, np.random.default_rng(0).normal(size=(N, 3)))
    assert found.references["purity"].chance == pytest.approx(4 / 12)


def test_a_scorer_takes_little_more_memory_than_its_vectors() -> None:
    images = np.random.default_rng(0).random((1000, 12000), np.float32)
    tracemalloc.start()
    directions.CoherenceScorer(np.zeros(1000), images, None, 2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3.2 * images.nbytes  # its vectors, and blocks of sets and of similarities


def test_equal_images_of_any_grey_are_like_no_other() -> None:
    images = np.full((10, 50), 0.1)  # their computed mean is 0.1 − 1.4e-17
    found = directions.CoherenceScorer(np.zeros(10), images, None, 3).references["pixels"]
    assert found == (0, 0, 0)


def with_one(value: float) -> np.ndarray:
    images = np.random.default_rng(0).normal(size=(N, 4))
    images[5, 2] = value
    return images


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((LABELS, with_one(np.nan)), "The pixels are not all finite"),
        ((LABELS, with_one(0), with_one(np.inf)), "The features are not all finite"),
        ((np.where(LABELS == 5, np.nan, LABELS), with_one(0)), "The labels are not all finite"),
        (
            (LABELS, tf.data.Dataset.from_tensor_slices(with_one(0)).batch(4)),
            "must be an array .* type object",
        ),
        ((LABELS, with_one(0) * 1j), "real numbers, not one of shape .* complex128"),
        ((LABELS, np.float32(1)), r"must be an array .* shape \(\)"),
    ],
)
def test_spaces_that_cannot_be_compared_are_named(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        directions.CoherenceScorer(*arguments, k=3)


def test_the_search_for_the_best_set_ends_where_gains_are_no_numbers() -> None:
    vectors = np.full((5, 3), np.nan, np.float32)
    assert module._improved(vectors, np.arange(2)).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("labels", "indices", "message"),
    [
        (LABELS[1:], [[0, 1]], r"labels of shape \(11,\) and pixels of 12 images"),
        (LABELS, [[0]], "k is 1; of 12 images, sets of 2 to 12"),
        (LABELS, [[0, 12]], "images beyond the 12"),
        (LABELS, [[-1, 2]], "images beyond the 12"),
        (LABELS, [0, 1], r"shape \(2,\); \[M, k\] is needed"),
    ],
)
def test_bad_input_is_named(labels: np.ndarray, indices: list, message: str, spaces) -> None:
    top = TopImages(np.array(indices), np.zeros(np.shape(indices)))
    with pytest.raises(ValueError, match=message):
        directions.coherence(top, labels, spaces[0])


def test_sets_of_another_size_are_named(spaces) -> None:
    with pytest.raises(ValueError, match=r"shape \(220, 3\); \[M, 4\] is what is measured"):
        directions.CoherenceScorer(LABELS, spaces[0], None, 4)(all_sets())
