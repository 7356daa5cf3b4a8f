"""Resampling against enumeration, theory and SciPy."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from reproductions.shared import resampling


@pytest.fixture(scope="module")
def groups() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    return random.normal(size=(4, 2)), random.normal([1.0, 0.2], size=(5, 2))


def test_p_values_are_those_of_all_exchanges(groups) -> None:
    ours, theirs = groups
    both = np.concatenate(groups)
    found = []
    for chosen in itertools.combinations(range(9), 4):
        rest = np.setdiff1d(np.arange(9), chosen)
        found.append(stats.ttest_ind(both[list(chosen)], both[rest], equal_var=False).statistic)
    observed = np.abs(stats.ttest_ind(ours, theirs, equal_var=False).statistic)
    exact = (np.abs(found) >= observed - 1e-12).mean(axis=0)
    found = resampling.permutation_p(ours, theirs, 20_000, seed=1)
    np.testing.assert_allclose(found, exact, atol=4 * np.sqrt(0.25 / 20_000))


def test_p_values_of_tied_values_count_equal_ts() -> None:
    ours, theirs = np.array([[0.7], [0.1], [0.1]]), np.array([[0.7], [0.7], [0.1], [0.1]])
    # three values of 0.7 among seven: t is least where the first group has one of them, 3·(4·3/2) of 35 ways
    found = resampling.permutation_p(ours, theirs, 20_000, seed=1)[0]
    assert found == 1
    ours, theirs = np.array([[0.7], [0.7], [0.1]]), np.array([[0.7], [0.1], [0.1], [0.1]])
    found = resampling.permutation_p(ours, theirs, 20_000, seed=1)[0]
    # as large: two of them (3·4 ways), three (1), or none (4)
    assert found == pytest.approx(17 / 35, abs=0.015)


def test_p_values_are_uniform_where_nothing_differs() -> None:
    random = np.random.default_rng(2)
    found = resampling.permutation_p(
        random.normal(size=(20, 400)), random.normal(size=(30, 400)), 2000, seed=0
    )
    assert stats.kstest(found, stats.uniform.cdf).pvalue > 1e-3


@pytest.mark.parametrize("value", [0.3, 1.0])
def test_p_values_where_nothing_varies_within_the_groups(value: float) -> None:
    assert resampling.permutation_p(np.zeros((9, 1)), np.full((9, 1), value), 99, seed=0) == 1 / 100
    assert resampling.permutation_p(np.full((9, 1), value), np.full((9, 1), value), 99, seed=0) == 1


def test_equal_means_are_rejected_as_often_as_said_for_other_spreads_and_sizes() -> None:
    random = np.random.default_rng(5)
    ours, theirs = random.normal(0, 2, size=(50, 600)), random.normal(0, 1, size=(500, 600))
    rejected = (resampling.permutation_p(ours, theirs, 400, seed=0) < 0.05).mean()
    assert rejected == pytest.approx(0.05, abs=3 * np.sqrt(0.05 * 0.95 / 600))


def test_shifted_means_are_found_as_often_as_by_welchs_test() -> None:
    random = np.random.default_rng(6)
    ours, theirs = random.normal(0.5, 1, size=(50, 400)), random.normal(0, 1, size=(500, 400))
    rejected = (resampling.permutation_p(ours, theirs, 400, seed=0) < 0.05).mean()
    welch = (stats.ttest_ind(ours, theirs, axis=0, equal_var=False).pvalue < 0.05).mean()
    assert rejected == pytest.approx(welch, abs=0.03)
    assert rejected > 0.85


@pytest.mark.parametrize(
    "function",
    [
        lambda a, b: resampling.permutation_p(a, b, 9, 0),
        lambda a, b: resampling.bootstrap_interval(a, b, 9, 0),
        resampling.cliffs_delta,
    ],
    ids=["p", "interval", "delta"],
)
def test_groups_that_cannot_be_compared_are_errors(function: Callable) -> None:
    good = np.arange(6.0).reshape(3, 2)
    with pytest.raises(ValueError, match="not finite"):
        function(good, np.where(good == 3, np.nan, good))
    with pytest.raises(ValueError, match="group of 0 cannot be compared"):
        function(good[:0], good)
    with pytest.raises(ValueError, match="group of 1 cannot be compared"):
        function(good, good[:1])


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
