"""The difference between "A's examples given to B" and "B's given to A", with the deviation of a single training run."""

import dataclasses
import itertools
import math
from typing import Any

import numpy as np

from reproductions.measurements import examples
from reproductions.measurements.examples import PENALTY, DigitAttack
from reproductions.measurements.transfer import Adversarial, Perturbed, misclassified
from reproductions.shared import intervals
from reproductions.shared.intervals import Number
from reproductions.shared.measurement import Measurement
from reproductions.shared.run import Run

_PAPER_IMAGES = 256


@dataclasses.dataclass(frozen=True)
class Difference(Number):
    """Of the error of B on A's examples minus that of A on B's, in shares, over all pairs of training runs.

    Attributes:
        deviation: the standard deviation of a single one, over training runs and over the choice of 256 images, as many
            as the paper most likely took; NaN with a single run.
    """

    deviation: float


@dataclasses.dataclass(frozen=True)
class Asymmetry(Measurement[dict[str, Difference]]):
    """By `pair`, of all pairs of models; examples by the penalty method. Needs several training runs."""

    models: tuple[str, ...]

    def presets(self, run: Run) -> list[str]:
        """All training runs."""
        return sorted(name for model in self.models for name in run.trained(model))

    def needs(self, run: Run) -> list[DigitAttack]:
        """The attack on every one."""
        return [attack for model in self.models for attack in Adversarial(model, PENALTY).attacks(run)]

    def settings(self, run: Run) -> dict[str, Any]:
        """The examples' files."""
        return examples.hashes(run, self.needs(run))

    def measure(self, run: Run) -> dict[str, Difference]:
        """See the class."""
        perturbed = {model: Adversarial(model, PENALTY).perturbed(run) for model in self.models}
        return {
            pair(a, b): difference(run, perturbed[a], perturbed[b])
            for a, b in itertools.combinations(self.models, 2)
        }


def pair(first: str, second: str) -> str:
    """The name of a pair of models."""
    return f"{first} → {second}"


def difference(run: Run, first: Perturbed, second: Perturbed) -> Difference:
    """See `Difference`: A is the first."""
    there = misclassified(run, first, second.runs)
    back = misclassified(run, second, first.runs)
    ones, others = len(first.runs), len(second.runs)
    # the pairs of `there` are (run of first, run of second), those of `back` the other way round
    back = back.reshape(others, ones, -1).swapaxes(0, 1).reshape(there.shape)
    return summary((there - back).reshape(ones, others, -1))


def summary(differences: np.ndarray) -> Difference:
    """Out of differences [runs of A, runs of B, images] between −1 and 1; NaN where there is no example.

    The variance of one pair of runs is the sum of those of A's runs, of B's and of what is left, each estimated without
    bias from the means of rows and columns (two-way analysis of variance).
    """
    number = intervals.mean(differences.reshape(-1, differences.shape[-1]))
    rows, columns = differences.shape[:2]
    if min(rows, columns) < 2:
        return Difference(**vars(number), deviation=math.nan)
    means = np.array(number.runs).reshape(rows, columns)
    of_rows, of_columns = columns * means.mean(axis=1).var(ddof=1), rows * means.mean(axis=0).var(ddof=1)
    centred = means - means.mean(axis=1, keepdims=True) - means.mean(axis=0) + means.mean()
    left = np.sum(centred**2) / ((rows - 1) * (columns - 1))
    by_runs = max(of_rows - left, 0) / columns + max(of_columns - left, 0) / rows + left
    images = np.nanmean(differences, axis=(0, 1))
    by_images = np.nanvar(images) / _PAPER_IMAGES
    return Difference(**vars(number), deviation=float(np.sqrt(by_runs + by_images)))
