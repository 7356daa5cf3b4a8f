"""Mean differences of scores over several layers, whose directions are not independent draws."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from reproductions.coherence import kinds
from reproductions.coherence.comparisons import STEP, LayerRecord
from reproductions.coherence.kinds import UNIT_KINDS, UNITS

MARGIN = 0.05  # of the way from chance to the best: a smaller difference is none worth speaking of
LEVEL = 0.05
MORE, LESS, ALIKE, UNDECIDED = "more", "less", "alike", "undecided"


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A difference of mean scores with its 95% interval and p."""

    value: float
    low: float
    high: float
    p: float

    @property
    def verdict(self) -> str:
        """`alike` where the whole interval is within the margin; else `more` or `less` coherent where p decides."""
        if self.low > -MARGIN and self.high < MARGIN:
            return ALIKE
        if not self.p < LEVEL:
            return UNDECIDED
        return MORE if self.value > 0 else LESS


class Term(NamedTuple):
    """A weight of the mean score of a kind of direction in a record of a layer."""

    weight: float
    record: LayerRecord
    kind: str


class Contrast(NamedTuple):
    """What is compared: kinds of directions of a trained layer, each with its sign, and of the same layer untrained.

    Attributes:
        name: in words.
        trained: sign and kind.
        untrained: sign and kind.
    """

    name: str
    trained: Sequence[tuple[int, str]]
    untrained: Sequence[tuple[int, str]] = ()

    def estimate(self, values: Mapping[str, LayerRecord], keys: Sequence[str]) -> Estimate:
        """The mean over layers, each of the same weight.

        Args:
            values: the records of all layers.
            keys: of the layers.
        """
        terms = []
        for key in keys:
            record = values[key]
            terms += [Term(sign / len(keys), record, kind) for sign, kind in self.trained]
            if self.untrained and record.untrained:
                before = values[record.untrained]
                terms += [Term(sign / len(keys), before, kind) for sign, kind in self.untrained]
        return estimate(terms)


def difference(kind: str, rival: str) -> Contrast:
    """A kind of direction against another."""
    return Contrast(kinds.comparison(kind, rival), [(1, kind), (-1, rival)])


def learned(kind: str) -> Contrast:
    """A kind of direction after and before training."""
    return Contrast(kinds.learned(kind), [(1, kind)], [(-1, kind)])


def learned_difference(kind: str, rival: str) -> Contrast:
    """What training adds to the difference of two kinds."""
    return Contrast(
        f"({kind} − {rival}) − the same, untrained", [(1, kind), (-1, rival)], [(-1, kind), (1, rival)]
    )


def before(contrast: Contrast) -> Contrast:
    """The same before training."""
    return Contrast(f"{contrast.name}, untrained", [], contrast.trained)


def estimate(terms: Sequence[Term]) -> Estimate:
    """The sum of weighted mean scores, with the normal interval and p of directions drawn once for all layers.

    Layers of one width have the same random vectors, and nets that start alike have units that start alike. So what
    is drawn is a number of a direction, which stands for that direction in all layers of a width, trained or not: the
    deviations of a number's scores from their layers' means are added before they are squared. A layer that is in
    several terms is no longer counted as several either.
    """
    value, deviations, rounding = 0.0, {}, 0.0
    for weight, record, kind in terms:
        scores = record.scores_of(kind)
        there = np.isfinite(scores)
        mean, count = scores[there].mean(), len(scores)
        value += weight * mean
        rounding += weight**2 * STEP**2 / 12 / there.sum()
        # of a mean over those that are there, each of them weighs more
        deviation = weight * np.where(there, scores - mean, 0) * count / there.sum()
        drawn = kind in UNIT_KINDS, len(record.scores_of(UNITS))
        deviations[drawn] = deviations.get(drawn, 0) + deviation
    variance = rounding + sum(d @ d / (len(d) * (len(d) - 1)) for d in deviations.values())
    error = math.sqrt(variance)
    return Estimate(
        float(value),
        float(value - 1.96 * error),
        float(value + 1.96 * error),
        math.erfc(abs(value) / error / math.sqrt(2)),
    )


class Heterogeneity(NamedTuple):
    """Whether layers differ by more than their intervals let expect: Cochran's Q, its degrees of freedom, and p."""

    q: float
    freedom: int
    p: float


def heterogeneity(layers: Sequence[Estimate]) -> Heterogeneity:
    """Cochran's test. It takes layers for independent; where they vary together, it finds differences less often."""
    values = np.array([one.value for one in layers])
    weights = np.array([((one.high - one.low) / (2 * 1.96)) ** -2 for one in layers])
    q = float(weights @ (values - np.average(values, weights=weights)) ** 2)
    freedom = len(layers) - 1
    return Heterogeneity(q, freedom, float(stats.chi2.sf(q, freedom)) if freedom else 1.0)
