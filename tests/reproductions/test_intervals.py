"""Intervals of shares, means and averages agree with those of SciPy or by hand."""

import numpy as np
import pytest
from scipy import stats

from reproductions.presentation.averages import average
from reproductions.shared import intervals
from reproductions.shared.intervals import Number


def test_wilson_interval_agrees_with_scipy() -> None:
    for hits, count in ((0, 256), (1, 10), (128, 256), (256, 256)):
        ours = intervals.share([hits / count], count)
        theirs = stats.binomtest(hits, count).proportion_ci(method="wilson")
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_mean_interval_is_the_normal_one() -> None:
    values = np.random.default_rng(0).normal(3, 2, 1000)
    low, high = stats.norm.interval(0.95, values.mean(), stats.sem(values))
    ours = intervals.mean(values[None])
    assert (ours.value, ours.low, ours.high) == pytest.approx((values.mean(), low, high))


def test_runs_are_averaged_and_their_interval_is_that_of_the_images() -> None:
    values = np.array([[1.0, 2.0, 3.0, np.nan], [3.0, 4.0, 5.0, np.nan]])
    ours = intervals.mean(values)
    assert ours.runs == [2.0, 4.0]
    assert (ours.value, ours.n) == (3.0, 3)
    assert ours.high - ours.low == pytest.approx(2 * 1.96 / np.sqrt(3), rel=1e-3)


def test_a_share_over_runs_leaves_out_what_does_not_exist() -> None:
    ours = intervals.share_of(np.array([[1.0, 0.0, np.nan], [1.0, 1.0, 0.0]]))
    assert ours.runs == pytest.approx([1 / 2, 2 / 3])
    assert (ours.value, ours.n) == (pytest.approx(7 / 12), 2)
    low, high = intervals.runs_range(intervals.share([0.0, 1.0], 10))
    assert low == pytest.approx(stats.binomtest(0, 10).proportion_ci(method="wilson").low, abs=1e-12)
    assert high == pytest.approx(stats.binomtest(10, 10).proportion_ci(method="wilson").high)


def test_an_average_has_the_average_of_the_ends() -> None:
    ours = average([Number(0.1, 0.0, 0.2, 16, [0.1]), Number(0.3, 0.2, 0.6, 16, [0.3])])
    assert (ours.value, ours.low, ours.high, ours.n) == (pytest.approx(0.2), 0.1, 0.4, 16)
    assert ours.runs == []
