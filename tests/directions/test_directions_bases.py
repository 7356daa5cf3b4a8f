"""Directions against what is known of them."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
from scipy import stats

from keras_intriguing import directions
from keras_intriguing.directions import Moments


@pytest.fixture(scope="module")
def correlated() -> np.ndarray:
    """Activations [N, 5] with a mean and a covariance, the last one constant."""
    random = np.random.default_rng(0)
    values = random.normal(size=(5000, 4)) @ random.normal(size=(4, 4)) * [1, 3, 0.1, 1] + [5, 0, 1, -2]
    return np.concatenate([values, np.full((5000, 1), 2.0)], axis=1)


def test_units_are_the_natural_basis() -> None:
    assert np.array_equal(directions.units(3), np.eye(3))


def test_random_directions_are_uniform_on_the_sphere() -> None:
    rows = directions.random_directions(3, 20_000, seed=1)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-6)
    # Archimedes: in three dimensions every coordinate is uniform on [−1, 1]
    turned = rows @ directions.rotated_basis(3, seed=2)
    for values in (*rows.T, *turned.T):
        assert stats.kstest(values, stats.uniform(-1, 2).cdf).pvalue > 1e-3


def test_seeds_decide_directions() -> None:
    for make in (lambda s: directions.random_directions(7, 5, s), lambda s: directions.rotated_basis(7, s)):
        assert np.array_equal(make(0), make(0))
        assert not np.allclose(make(0), make(1))


def test_rotated_bases_are_orthonormal_and_uniform() -> None:
    basis = directions.rotated_basis(60, seed=0)
    np.testing.assert_allclose(basis @ basis.T, np.eye(60), atol=1e-6)
    corners = np.array([directions.rotated_basis(3, seed)[0, 0] for seed in range(2000)])
    assert stats.kstest(corners, stats.uniform(-1, 2).cdf).pvalue > 1e-3
    assert abs(directions.rotated_basis(1, 0)) == 1


def test_principal_directions_find_planted_ones_by_falling_variance() -> None:
    planted = directions.rotated_basis(6, seed=0).astype(np.float64)
    values = np.random.default_rng(1).normal(size=(20_000, 6)) * [9, 6, 4, 2, 1, 0.3] @ planted + 50
    found = directions.principal_directions(values)
    np.testing.assert_allclose(np.abs(np.sum(found * planted, axis=1)), 1, atol=5e-3)
    assert (found[np.arange(6), np.abs(found).argmax(axis=1)] > 0).all()
    maps = directions.principal_directions(values.reshape(200, 10, 10, 6))  # positions count as images
    np.testing.assert_allclose(maps, found, atol=1e-6)


def test_random_directions_take_little_more_memory_than_they_are() -> None:
    expected = np.random.default_rng(3).normal(size=(2000, 1500))
    expected = (expected / np.linalg.norm(expected, axis=1, keepdims=True)).astype(np.float32)
    tracemalloc.start()
    found = directions.random_directions(1500, 2000, seed=3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.array_equal(found, expected)
    assert peak < 1.5 * found.nbytes + 17 * 2**20


def test_directions_without_the_mean_go_along_with_it_over_no_images(correlated) -> None:
    rows = directions.random_directions(5, 8, seed=0)
    left = directions.without_mean(rows, correlated)
    total = correlated @ correlated.mean(axis=0)
    before, after = (
        np.array([stats.pearsonr(correlated @ v, total).statistic for v in r]) for r in (rows, left)
    )
    assert np.abs(before).max() > 0.5
    np.testing.assert_allclose(after, 0, atol=1e-5)
    taken = rows - left
    mean = correlated.mean(axis=0)
    np.testing.assert_allclose(taken, np.outer(taken @ mean / (mean @ mean), mean), atol=1e-5)


@pytest.mark.parametrize(
    "moments",
    [Moments(np.zeros(5), np.eye(5)), Moments(np.eye(5)[0], np.diag([0.0, 1, 1, 1, 1]))],
    ids=["no mean", "no variance along it"],
)
def test_where_nothing_goes_along_with_the_mean_directions_stay(moments: Moments) -> None:
    rows = directions.random_directions(5, 8, seed=0)
    assert np.array_equal(directions.without_mean(rows, moments), rows)


def test_small_variances_are_whitened_and_rounding_is_not() -> None:
    random = np.random.default_rng(4)
    values = random.normal(size=(5000, 3)) * [1, 1e-4, 0] + [0, 0, 3]
    rounded = values.astype(np.float32) + random.uniform(-1.2e-7, 1.2e-7, (5000, 3)) * [0, 0, 1]
    white = rounded @ directions.whitened(directions.units(3), rounded).T
    np.testing.assert_allclose(white.std(axis=0), [1, 1, 0], atol=1e-3)


def test_whitened_directions_have_equal_variances_and_no_correlation(correlated) -> None:
    rows = directions.whitened(directions.units(5), correlated)
    images = (correlated - correlated.mean(axis=0)) @ rows.T
    np.testing.assert_allclose(np.cov(images[:, :4], rowvar=False, bias=True), np.eye(4), atol=2e-3)
    assert not rows[4].any()
    assert not rows[:, 4].any()
    np.testing.assert_allclose(rows, rows.T, atol=1e-5)  # Σ^(−½) is symmetric: each unit keeps its name
    turned = directions.whitened(directions.random_directions(5, 3, 0), correlated)
    np.testing.assert_allclose(turned, directions.random_directions(5, 3, 0) @ rows, atol=1e-5)


def test_whitening_turns_no_principal_direction(correlated) -> None:
    principal = directions.principal_directions(correlated)[:4]
    white = directions.whitened(principal, correlated)
    cosine = np.sum(principal * white, axis=1) / np.linalg.norm(white, axis=1)
    np.testing.assert_allclose(cosine, 1, atol=1e-5)


def test_subtracting_the_mean_activation_changes_no_order(correlated) -> None:
    rows = directions.random_directions(5, 20, seed=0).astype(np.float64)
    raw, shifted = correlated @ rows.T, (correlated - correlated.mean(axis=0)) @ rows.T
    assert np.array_equal(np.argsort(raw[:500], axis=0), np.argsort(shifted[:500], axis=0))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: directions.units(0), "dimensions must be a whole number of at least 1, not 0"),
        (lambda: directions.random_directions(3, 2.5, 0), "count must be a whole number .*, not 2.5"),
        (lambda: directions.rotated_basis(-1, 0), "dimensions must be .*, not -1"),
        (lambda: directions.principal_directions(np.zeros((0, 3))), r"no activations in .*shape \(0, 3\)"),
        (lambda: directions.principal_directions(np.full((4, 3), np.nan)), "not all finite"),
        (lambda: directions.whitened(np.eye(2), np.ones((4, 3))), r"must be \[M, 3\]"),
        (lambda: directions.without_mean(np.eye(4), np.ones((4, 3))), r"must be \[M, 3\]"),
        (
            lambda: directions.whitened(np.full((1, 3), np.nan), np.ones((4, 3))),
            "not all finite real numbers",
        ),
        (lambda: directions.without_mean(np.full((1, 3), np.inf), np.ones((4, 3))), "not all finite real"),
        (lambda: directions.whitened(np.full((1, 3), 1j), np.ones((4, 3))), "not all finite real numbers"),
    ],
)
def test_bad_input_is_named(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
