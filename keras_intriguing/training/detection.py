"""How well a score, a unit's activation or a classifier's, tells the images of one class from the rest."""

from typing import NamedTuple

import numpy as np
from scipy import stats


class Thresholds(NamedTuple):
    """For each of U units, the rule sign·(value − threshold) > 0 with the largest balanced accuracy.

    Attributes:
        threshold: [U].
        sign: +1 where the class has the larger values, −1 where it has the smaller ones, [U].
        balanced_accuracy: on the images that the rules were chosen on, [U].
    """

    threshold: np.ndarray
    sign: np.ndarray
    balanced_accuracy: np.ndarray

    def scores(self, values: np.ndarray) -> np.ndarray:
        """The rules' scores of units' values [N, U]: above 0 for the class."""
        return self.sign * (values - self.threshold)


class Detection(NamedTuple):
    """How well a class is detected; the names are those in `metrics.json`.

    Attributes:
        value: balanced accuracy, the mean of `found` and `left`.
        low: where its 95% interval begins, from both shares' Wilson intervals by the method of variance estimates
            recovery (Zou and Donner 2008).
        high: where it ends.
        found: sensitivity, the share of the class that is detected.
        left: specificity, the share of the rest that is not.
        auc: area under the ROC curve: the chance that an image of the class has a larger score than one of the rest.
    """

    value: float
    low: float
    high: float
    found: float
    left: float
    auc: float


def detection(scores: np.ndarray, positive: np.ndarray) -> Detection:
    """How well scores detect a class, where a score above 0 counts as a detection.

    Args:
        scores: float [N].
        positive: bool [N], which images are of the class.

    Raises:
        ValueError: no images of the class, or none of the rest.
    """
    _check(positive)
    detected = scores > 0
    found, found_low, found_high = _share(detected[positive])
    left, left_low, left_high = _share(~detected[~positive])
    middle = (found + left) / 2
    members = int(positive.sum())
    ranks = stats.rankdata(scores)[positive].sum() - members * (members + 1) / 2
    return Detection(
        value=middle,
        low=middle - float(np.hypot(found - found_low, left - left_low)) / 2,
        high=middle + float(np.hypot(found_high - found, left_high - left)) / 2,
        found=found,
        left=left,
        auc=float(ranks / (members * (len(positive) - members))),
    )


def best_thresholds(values: np.ndarray, positive: np.ndarray) -> Thresholds:
    """Every unit's best threshold for a class.

    Args:
        values: float [N, U].
        positive: bool [N], which images are of the class.

    Raises:
        ValueError: no images of the class, or none of the rest.
    """
    _check(positive)
    steps = np.where(positive, 1 / positive.sum(), -1 / (~positive).sum())
    rules = [_best_threshold(unit, steps) for unit in values.T]
    return Thresholds(*(np.array(column, values.dtype) for column in zip(*rules, strict=True)))


def _best_threshold(values: np.ndarray, steps: np.ndarray) -> tuple[float, float, float]:
    """Threshold, sign and balanced accuracy; `steps` are the shares of 1 and −1 that an image counts."""
    order = np.argsort(values)
    ordered = values[order]
    # at every value, the share of the class not above it less that of the rest; between equal values none can lie
    ahead = np.cumsum(steps[order])
    ahead[:-1][ordered[:-1] == ordered[1:]] = 0
    at = int(np.argmax(np.abs(ahead)))
    below, above = ordered[at], ordered[min(at + 1, len(ordered) - 1)]
    sign = -np.sign(ahead[at]) or 1.0
    threshold = (below + above) / 2
    # between neighbouring numbers there is none, and the class must still be on its side
    if threshold == (above if sign > 0 else below):
        threshold = below if sign > 0 else above
    return threshold, sign, (1 + abs(ahead[at])) / 2


def _share(hits: np.ndarray) -> tuple[float, float, float]:
    interval = stats.binomtest(int(hits.sum()), len(hits)).proportion_ci(method="wilson")
    return float(hits.mean()), float(interval.low), float(interval.high)


def _check(positive: np.ndarray) -> None:
    if positive.all() or not positive.any():
        raise ValueError("Images of the class and of the rest are needed; there are only those of one kind.")
