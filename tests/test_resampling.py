"""Resampling against enumeration, theory and SciPy."""

import itertools

import numpy as np
import pytest
from scipy import stats

from reproductions import resampling


@pytest.fixture(scope="module")
def groups() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    return random.normal(size=(4, 2)), random.normal([1.0, 0.2], size=(5, 2))


def test_p_values_are_those_of_all_exchanges(groups) -> None:
    ours, theirs = groups
    both = np.concatenate(groups)
    differences = []
    for chosen in itertools.combinations(range(9), 4):
        rest = np.setdiff1d(np.arange(9), chosen)
        differences.append(both[list(chosen)].mean(axis=0) - both[rest].mean(axis=0))
    observed = np.abs(ours.mean(axis=0) - theirs.mean(axis=0))
    exact = (np.abs(differences) >= observed - 1e-12).mean(axis=0)
    found = resampling.permutation_p(ours, theirs, 20_000, seed=1)
    np.testing.assert_allclose(found, exact, atol=4 * np.sqrt(0.25 / 20_000))


def test_p_values_of_tied_values_count_equal_differences() -> None:
    ours, theirs = np.array([[1.0], [0.7], [0.7]]), np.array([[0.7], [0.7], [0.7], [0.7]])
    # the one that is different lies in the first group with probability 3/7, and else the difference is smaller
    found = resampling.permutation_p(ours, theirs, 20_000, seed=1)[0]
    assert found == pytest.approx(3 / 7, abs=0.015)


def test_p_values_are_uniform_where_nothing_differs() -> None:
    random = np.random.default_rng(2)
    found = resampling.permutation_p(
        random.normal(size=(20, 400)), random.normal(size=(30, 400)), 2000, seed=0
    )
    assert stats.kstest(found, stats.uniform.cdf).pvalue > 1e-3
    assert resampling.permutation_p(np.zeros((9, 1)), np.ones((9, 1)), 99, seed=0) == 1 / 100


def test_intervals_are_the_normal_ones_for_large_groups() -> None:
    random = np.random.default_rng(3)
    ours, theirs = random.normal(2, 1, size=(400, 3)), random.normal(1.5, 2, size=(900, 3))
    low, high = resampling.bootstrap_interval(ours, theirs, 4000, seed=0)
    difference = ours.mean(axis=0) - theirs.mean(axis=0)
    half = 1.96 * np.sqrt(ours.var(axis=0) / 400 + theirs.var(axis=0) / 900)
    np.testing.assert_allclose(low, difference - half, atol=0.02)
    np.testing.assert_allclose(high, difference + half, atol=0.02)


def test_cliffs_delta_is_that_of_all_pairs(groups) -> None:
    ours, theirs = (np.round(group) for group in groups)  # with ties
    signs = np.sign(ours[:, None] - theirs[None])
    np.testing.assert_allclose(resampling.cliffs_delta(ours, theirs), signs.mean(axis=(0, 1)))
    assert resampling.cliffs_delta(ours + 9, theirs) == pytest.approx([1, 1])
    assert resampling.cliffs_delta(ours, ours) == pytest.approx([0, 0])


def test_holms_correction_is_that_of_a_worked_example() -> None:
    found = resampling.holm(np.array([0.01, 0.04, 0.03, 0.005]))
    np.testing.assert_allclose(found, [0.03, 0.06, 0.06, 0.02])
    assert resampling.holm(np.array([0.6, 0.9])).max() == 1
