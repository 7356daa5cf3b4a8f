"""Means and shares with 95% intervals, over images and over training runs."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

_Z = 1.959963984540054  # of the standard normal distribution, two-sided 95%


@dataclasses.dataclass(frozen=True)
class Number:
    """A mean or a share over images and training runs.

    Attributes:
        value: the average over the runs.
        low: end of its 95% interval over images.
        high: the other end.
        n: images.
        runs: the value of every training run.
    """

    value: float
    low: float
    high: float
    n: int
    runs: list[float]


def mean(values: np.ndarray) -> Number:
    """The mean over runs and images, with the normal 95% interval over the images' averages over the runs.

    Args:
        values: [runs, images], the same images in every run; NaN where a run has no value.
    """
    values = np.asarray(values, np.float64)
    known = values[:, ~np.isnan(values).all(axis=0)]
    count = known.shape[1]
    if count == 0:
        return _number(math.nan, math.nan, math.nan, 0, [math.nan] * len(values))
    images = np.nanmean(known, axis=0)
    half = _Z * images.std(ddof=1) / math.sqrt(count) if count > 1 else math.nan
    return _number(images.mean(), images.mean() - half, images.mean() + half, count, _run_means(known))


def share(fractions: Sequence[float], count: int) -> Number:
    """The average of some runs' shares of the same `count` images.

    Its interval is Wilson's score interval for that many images, which is honest at 0 and 1 too; for the
    average of several runs it is, if anything, too wide.
    """
    fraction = float(np.mean(fractions))
    if count == 0 or math.isnan(fraction):
        return _number(math.nan, math.nan, math.nan, 0, fractions)
    low, high = _wilson(fraction, count)
    return _number(fraction, low, high, count, fractions)


def share_of(hits: np.ndarray) -> Number:
    """The `share` of hits [runs, images] that are 1 and not 0; NaN where a run has no such image."""
    known = ~np.isnan(hits)
    counts = known.sum(axis=1)
    fractions = np.where(known, hits, 0).sum(axis=1) / np.where(counts, counts, np.nan)
    return share(list(fractions), int(counts.min()))


def complement(share: Number) -> Number:
    """1 − a share, as of accuracy and error."""
    return Number(1 - share.value, 1 - share.high, 1 - share.low, share.n, [1 - run for run in share.runs])


def runs_range(number: Number) -> tuple[float, float]:
    """From the low end of the lowest run's 95% interval to the high end of the highest run's, for a share."""
    ends = [_wilson(fraction, number.n) for fraction in number.runs]
    return min(low for low, _ in ends), max(high for _, high in ends)


def _wilson(fraction: float, count: int) -> tuple[float, float]:
    centre = fraction + _Z**2 / (2 * count)
    half = _Z * math.sqrt(fraction * (1 - fraction) / count + _Z**2 / (4 * count**2))
    scale = 1 + _Z**2 / count
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def _run_means(values: np.ndarray) -> list[float]:
    counts = (~np.isnan(values)).sum(axis=1)
    return list(np.nansum(values, axis=1) / np.where(counts, counts, np.nan))


def _number(value: float, low: float, high: float, count: int, runs: Sequence[float]) -> Number:
    return Number(float(value), float(low), float(high), count, [float(run) for run in runs])
