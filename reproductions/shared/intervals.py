"""Means and shares with 95% intervals, over images and over training runs."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

_Z = 1.959963984540054  # of the standard normal distribution, two-sided 95%


def mean(values: np.ndarray) -> dict[str, Any]:
    """The mean over runs and images, with its interval over images.

    Args:
        values: [runs, images], the same images in every run; NaN where a run has no value.

    Returns:
        `value`, `low`, `high` (the normal approximation, over the images' averages over the runs), `n` images
        and `runs`, the mean of every run.
    """
    values = np.asarray(values, np.float64)
    known = values[:, ~np.isnan(values).all(axis=0)]
    count = known.shape[1]
    if count == 0:
        return _record(math.nan, math.nan, math.nan, 0, [math.nan] * len(values))
    images = np.nanmean(known, axis=0)
    half = _Z * images.std(ddof=1) / math.sqrt(count) if count > 1 else math.nan
    return _record(images.mean(), images.mean() - half, images.mean() + half, count, _run_means(known))


def share(fractions: Sequence[float], count: int) -> dict[str, Any]:
    """The average of some runs' shares of the same `count` images.

    Its interval is Wilson's score interval for that many images, which is honest at 0 and 1 too; for the
    average of several runs it is, if anything, too wide.
    """
    fraction = float(np.mean(fractions))
    if count == 0 or math.isnan(fraction):
        return _record(math.nan, math.nan, math.nan, 0, fractions)
    low, high = _wilson(fraction, count)
    return _record(fraction, low, high, count, fractions)


def share_of(hits: np.ndarray) -> dict[str, Any]:
    """The `share` of hits [runs, images] that are 1 and not 0; NaN where a run has no such image."""
    known = ~np.isnan(hits)
    counts = known.sum(axis=1)
    fractions = np.where(known, hits, 0).sum(axis=1) / np.where(counts, counts, np.nan)
    return share(list(fractions), int(counts.min()))


def runs_range(number: dict[str, Any]) -> tuple[float, float]:
    """From the low end of the lowest run's 95% interval to the high end of the highest run's, for a share."""
    ends = [_wilson(fraction, number["n"]) for fraction in number["runs"]]
    return min(low for low, _ in ends), max(high for _, high in ends)


def _wilson(fraction: float, count: int) -> tuple[float, float]:
    centre = fraction + _Z**2 / (2 * count)
    half = _Z * math.sqrt(fraction * (1 - fraction) / count + _Z**2 / (4 * count**2))
    scale = 1 + _Z**2 / count
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def _run_means(values: np.ndarray) -> list[float]:
    counts = (~np.isnan(values)).sum(axis=1)
    return list(np.nansum(values, axis=1) / np.where(counts, counts, np.nan))


def _record(value: float, low: float, high: float, count: int, runs: Sequence[float]) -> dict[str, Any]:
    return {
        "value": float(value),
        "low": float(low),
        "high": float(high),
        "n": count,
        "runs": [float(run) for run in runs],
    }
