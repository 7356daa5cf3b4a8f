"""Effects: mean differences, with what another choice of images and of training runs would change in them.

The variance is that of a two-level bootstrap, which draws images and training runs anew, either with replacement and
independently of the other (Owen 2007, "The pigeonhole bootstrap"), in the limit of many draws: it has a closed form. As
a bootstrap over few members is too sure of itself, every level's variance is divided by 1 − 1/members and weighs as much
more as Student's t exceeds the normal distribution's quantile.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from reproductions.shared.intervals import Number

IMAGES, RUNS = "images", "training runs"


@dataclasses.dataclass(frozen=True)
class Level:
    """What could have been drawn otherwise.

    Attributes:
        unit: what its members are.
        count: members, at least 2.
        variance: of the effect, by another draw of as many members.
    """

    unit: str
    count: int
    variance: float

    def quantile(self, confidence: float) -> float:
        """How many of its deviations an interval of that confidence reaches to either side."""
        return float(stats.t.ppf((1 + confidence) / 2, self.count - 1))

    def of(self, count: int) -> "Level":
        """The same with another number of members."""
        return Level(self.unit, count, self.variance * self.count / count)


@dataclasses.dataclass(frozen=True)
class Effect:
    """A mean difference.

    Attributes:
        value: the estimate.
        levels: over which it was averaged; a level that had one member, such as a single training run, is not there:
            then the effect is that of this member. First the one of which more is had most easily.
    """

    value: float
    levels: tuple[Level, ...]

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Its ends: every level's deviation counts as often as Student's t says for its members."""
        if not self.levels:
            return -math.inf, math.inf
        half = math.sqrt(sum(level.variance * level.quantile(confidence) ** 2 for level in self.levels))
        return self.value - half, self.value + half

    def minus(self, other: "Effect") -> "Effect":
        """The difference from an effect that was measured apart from it."""
        return Effect(self.value - other.value, (*self.levels, *other.levels))


def of_outcomes(differences: np.ndarray) -> Effect:
    """Of differences between two outcomes, in [−1, 1], of the same images.

    Where few images differ the images' variance is that of as many and two more, one in either direction, as in Bonett
    and Price's interval (2012), which keeps its confidence where a plain one does not.

    Args:
        differences: [..., images], every axis before the last one of training runs; NaN where there is none.
    """
    return _mean(differences, differing_more=2)


def of_values(differences: np.ndarray) -> Effect:
    """Of differences between two values of the same images, as of distortions; see `of_outcomes` for the axes."""
    return _mean(differences, differing_more=0)


def _mean(differences: np.ndarray, differing_more: int) -> Effect:
    found = np.asarray(differences, np.float64)
    found = found[..., ~np.isnan(found).all(axis=tuple(range(found.ndim - 1)))]
    if found.shape[-1] < 2:
        return Effect(math.nan, ())
    value = float(np.nanmean(found))
    means = [np.nanmean(found, axis=tuple(set(range(found.ndim)) - {axis})) for axis in range(found.ndim)]
    *runs, images = means
    levels = [Level(IMAGES, len(images), _images_variance(images, differing_more))]
    left = _left_over(found, means, value)
    for run_means in runs:
        if len(run_means) > 1:
            # the mean of a run varies with the images too: that part is the images' already
            variance = max(run_means.var(ddof=1) / len(run_means) - left, 0.0)
            levels.append(Level(RUNS, len(run_means), variance))
    return Effect(value, tuple(levels))


def _images_variance(means: np.ndarray, differing_more: int) -> float:
    differing = np.count_nonzero(means)
    each = float(means @ means) / differing if differing else 1.0
    count = len(means) + differing_more
    squares = float(means @ means) + differing_more * each - means.sum() ** 2 / count
    return float(squares / (count * (count - 1 if differing_more == 0 else count)))


def _left_over(found: np.ndarray, means: Sequence[np.ndarray], value: float) -> float:
    """The variance of the mean by what neither an image nor a run alone accounts for."""
    left = found - value
    for axis, of_axis in enumerate(means):
        shape = [1] * found.ndim
        shape[axis] = -1
        left = left - (of_axis - value).reshape(shape)
    freedom = left.size - sum(len(of_axis) - 1 for of_axis in means) - 1
    return float(np.nansum(left**2) / freedom / left.size) if freedom > 0 else 0.0


def of_share(share: Number, expected: float) -> Effect:
    """A share of images and training runs minus what is expected, where only every run's share is known.

    The images' variance is that of four images more, half of them hits (Agresti and Coull 1998).
    """
    smoothed = (share.value * share.n + 2) / (share.n + 4)
    variance = smoothed * (1 - smoothed) / (share.n + 4)
    levels = [Level(IMAGES, share.n, variance)]
    if len(share.runs) > 1:
        levels.append(Level(RUNS, len(share.runs), float(np.var(share.runs, ddof=1)) / len(share.runs)))
    return Effect(share.value - expected, tuple(levels))


def of_runs(values: Sequence[float], expected: float) -> Effect:
    """Training runs' values minus what is expected, with the images given; of a single run nothing is known."""
    value = float(np.mean(values)) - expected
    if len(values) < 2:
        return Effect(value, ())
    return Effect(value, (Level(RUNS, len(values), float(np.var(values, ddof=1)) / len(values)),))
