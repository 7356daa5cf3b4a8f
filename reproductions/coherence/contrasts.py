"""Mean differences of scores over several layers, whose directions are not independent draws."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from reproductions.coherence import kinds
from reproductions.coherence.comparisons import STEP, LayerRecord
from reproductions.coherence.kinds import (
    OFF_MEAN,
    OFF_MEAN_UNITS,
    RANDOM,
    UNIT_KINDS,
    UNITS,
    WHITE,
    WHITE_UNITS,
)


class Estimate(NamedTuple):
    """A difference of mean scores, and its standard deviation over the directions that were drawn."""

    value: float
    deviation: float

    @property
    def low(self) -> float:
        """The lower end of its normal 95% interval."""
        return self.value - 1.96 * self.deviation

    @property
    def high(self) -> float:
        """The upper end."""
        return self.value + 1.96 * self.deviation


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


RAW = difference(UNITS, RANDOM)
OFF = difference(OFF_MEAN_UNITS, OFF_MEAN)
WHITENED = difference(WHITE_UNITS, WHITE)
LEARNED = learned(RANDOM)
LEARNED_WHITENED = learned_difference(WHITE_UNITS, WHITE)


def estimate(terms: Sequence[Term]) -> Estimate:
    """The sum of weighted mean scores, of directions drawn once for all layers.

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
    return Estimate(float(value), math.sqrt(variance))
