"""What the comparisons of units with random directions say of the paper's first claim."""

import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from keras_intriguing.report import Claim
from reproductions import coherence, panels, resampling
from reproductions.coherence import CENTRED, OVERALL, RANDOM, SCORES, UNITS, WHITE, WHITE_UNITS

MARGIN = 0.05  # of the way from chance to the best: a smaller difference is none worth speaking of
LEVEL = 0.05
MORE, LESS, ALIKE, UNDECIDED = "more", "less", "alike", "undecided"


class Difference(NamedTuple):
    """Of two kinds' mean scores, with its interval, Cliff's δ, corrected p, and what that says of the first kind."""

    value: float
    low: float
    high: float
    delta: float
    p: float

    @property
    def verdict(self) -> str:
        """`alike` where the whole interval is within the margin; else `more` or `less` coherent where p decides."""
        if self.low > -MARGIN and self.high < MARGIN:
            return ALIKE
        if self.p >= LEVEL:
            return UNDECIDED
        return MORE if self.value > 0 else LESS


class Differences:
    """All comparisons of a measurement, with p-values corrected for their number."""

    def __init__(self, values: dict[str, dict[str, Any]]) -> None:
        names = [
            (key, name, score)
            for key, record in values.items()
            for name, score in itertools.product(record["comparisons"], SCORES)
        ]
        found = [values[key]["comparisons"][name][score] for key, name, score in names]
        corrected = resampling.holm(np.array([one["p"] for one in found]))
        self.tests = len(names)
        self._by_name = {
            name: Difference(one["difference"], one["low"], one["high"], one["delta"], float(p))
            for name, one, p in zip(names, found, corrected, strict=True)
        }

    def of(self, key: str, name: str, score: str = OVERALL) -> Difference:
        """The difference of a layer, by the name of its comparison."""
        return self._by_name[key, name, score]


def claims_of(values: dict[str, dict[str, Any]]) -> list[Claim]:
    """What the numbers say of the paper's first claim, of fairer comparisons, and of learning."""
    differences = Differences(values)
    trained = [key for key, record in values.items() if record["trained"]]
    untrained = [key for key, record in values.items() if not record["trained"]]
    convolutional = [key for key in trained if values[key]["preset"] == panels.PRESET]
    raw, centred, white = f"{UNITS} − {RANDOM}", f"{UNITS} − {CENTRED}", f"{WHITE_UNITS} − {WHITE}"
    no_more = (ALIKE, LESS)
    claims = [
        (
            "“there is no distinction between individual high level units and random linear combinations of high level "
            "units” (read as: images that maximize random directions are as alike as those that maximize units)",
            (raw, trained, no_more),
        ),
        ("The same, in the convolutional net alone", (raw, convolutional, no_more)),
        (
            "The same, in all nets, without the random directions' component along the mean activation (not in the paper)",
            (centred, trained, no_more),
        ),
        (
            "The same between units and random directions of the whitened space, where no direction has more variance "
            "than another (not in the paper)",
            (white, trained, no_more),
        ),
        (
            "Before training, too, random directions are as coherent as units (not in the paper)",
            (raw, untrained, no_more),
        ),
        (
            "The coherence of random directions is learned: it is larger than in the untrained net (not in the paper)",
            (coherence.learned(RANDOM), trained, (MORE,)),
        ),
    ]
    return _judged(differences, claims)


def claims_on_photographs(values: dict[str, dict[str, Any]]) -> list[Claim]:
    """The same of a net on photographs; the records of its layers by name."""
    raw, white, no_more = f"{UNITS} − {RANDOM}", f"{WHITE_UNITS} − {WHITE}", (ALIKE, LESS)
    layers = list(values)
    claims = [
        (
            f"Images that maximize random directions are as alike as those that maximize units (layers {', '.join(layers)})",
            (raw, layers, no_more),
        ),
        (
            "The same between units and random directions of the whitened space (not in the paper)",
            (white, layers, no_more),
        ),
        (
            "The coherence of random directions is learned: it is larger than in the untrained net (not in the paper)",
            (coherence.learned(RANDOM), layers, (MORE,)),
        ),
    ]
    return _judged(Differences(values), claims)


def _judged(differences: Differences, claims: Sequence[tuple[str, tuple]]) -> list[Claim]:
    """Claims out of a statement and its comparison, the layers, and the verdicts that support it."""
    judged = [
        (statement, name, [differences.of(key, name) for key in keys], supporting)
        for statement, (name, keys, supporting) in claims
        if keys
    ]
    means = [mean_difference(found) for _, _, found, _ in judged]
    corrected = resampling.holm(np.array([mean.p for mean in means]))
    return [
        _claim(*one, mean._replace(p=float(p))) for one, mean, p in zip(judged, means, corrected, strict=True)
    ]


def _claim(
    statement: str, name: str, found: Sequence[Difference], supporting: tuple[str, ...], mean: Difference
) -> Claim:
    """By the mean difference over the layers, each of the same weight, judged as a layer's is."""
    decided = "holds" if mean.verdict in supporting else "does not hold"
    verdict = "undecided" if mean.verdict == UNDECIDED else decided
    each = (MORE, LESS, ALIKE, UNDECIDED)
    counts = ", ".join(f"{v} in {n}" for v in each if (n := sum(f.verdict == v for f in found)))
    return Claim(
        statement,
        verdict,
        f"difference of scores ({name}), mean over {len(found)} layers: {mean.value:+.3f} ({mean.low:+.3f} to "
        f"{mean.high:+.3f}), {shown_p(mean.p)} corrected for these claims; by layer {counts}",
    )


def mean_difference(found: Sequence[Difference]) -> Difference:
    """The mean over layers, with the normal interval and p-value that their own intervals give, as if independent."""
    value = float(np.mean([f.value for f in found]))
    deviation = math.sqrt(sum(((f.high - f.low) / (2 * 1.96)) ** 2 for f in found)) / len(found)
    p = math.erfc(abs(value) / deviation / math.sqrt(2))
    half, delta = 1.96 * deviation, float(np.mean([f.delta for f in found]))
    return Difference(value, value - half, value + half, delta, p)


def shown_p(p: float) -> str:
    """A p-value in words."""
    return "p < 0.001" if p < 0.001 else f"p {p:.3f}" if p < 0.9995 else "p 1"
