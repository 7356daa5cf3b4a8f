"""Resampling against theory."""

import numpy as np
import pytest

from reproductions.shared import resampling


def test_groups_that_cannot_be_compared_are_errors() -> None:
    good = np.arange(6.0).reshape(3, 2)
    for ours, theirs, message in (
        (good, np.where(good == 3, np.nan, good), "not finite"),
        (good[:0], good, "group of 0 cannot be compared"),
        (good, good[:1], "group of 1 cannot be compared"),
    ):
        with pytest.raises(ValueError, match=message):
            resampling.bootstrap_interval(ours, theirs, 9, 0)


def test_intervals_are_the_normal_ones_for_large_groups() -> None:
    random = np.random.default_rng(3)
    ours, theirs = random.normal(2, 1, size=(400, 3)), random.normal(1.5, 2, size=(900, 3))
    low, high = resampling.bootstrap_interval(ours, theirs, 4000, seed=0)
    difference = ours.mean(axis=0) - theirs.mean(axis=0)
    half = 1.96 * np.sqrt(ours.var(axis=0) / 400 + theirs.var(axis=0) / 900)
    np.testing.assert_allclose(low, difference - half, atol=0.02)
    np.testing.assert_allclose(high, difference + half, atol=0.02)
