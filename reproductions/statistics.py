"""Means and shares with 95% intervals."""

import math
from typing import Any

import numpy as np

_Z = 1.959963984540054  # of the standard normal distribution, two-sided 95%


def mean(values: np.ndarray) -> dict[str, Any]:
    """The mean over images, with the interval of its normal approximation."""
    values = np.asarray(values, np.float64)
    if len(values) == 0:
        return {"value": math.nan, "low": math.nan, "high": math.nan, "n": 0}
    half = _Z * values.std(ddof=1) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return _record(values.mean(), values.mean() - half, values.mean() + half, len(values))


def share(fraction: float, count: int) -> dict[str, Any]:
    """A share of `count` images, with Wilson's score interval, which is honest at 0 and 1 too."""
    if count == 0:
        return _record(math.nan, math.nan, math.nan, 0)
    centre = fraction + _Z**2 / (2 * count)
    half = _Z * math.sqrt(fraction * (1 - fraction) / count + _Z**2 / (4 * count**2))
    scale = 1 + _Z**2 / count
    return _record(fraction, max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale), count)


def _record(value: float, low: float, high: float, count: int) -> dict[str, Any]:
    return {"value": float(value), "low": float(low), "high": float(high), "n": count}
