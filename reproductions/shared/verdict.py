"""The rule by which all claims are decided.

A claim **holds** where its effect is shown at the 95% level in its direction; it **does not hold** where the opposite,
or an effect smaller than a margin, is shown at that level; else it is **undecided**, and it is said how many
images or training runs would decide it. A claim of several effects, as of all pairs of models, holds where all are
shown, and does not hold where one is refuted; its intervals are Bonferroni's, of 1 − 5%/effects each, so that the chance
of a single false finding among them is 5% at most. What is compared on the same images is paired (`effects`).

A claim about every case, such as "every image has an adversarial example", or that a formula is a bound, is decided
without statistics: by an exception.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence

from scipy import stats

from keras_intriguing.report import Verdict
from reproductions.shared.effects import Effect, Level

LEVEL = 0.05
# One image of the paper's 256: its tables could not have shown a smaller difference of errors.
ERROR_MARGIN = 1 / 256
# The paper prints distortions to three decimals: it could not have shown a smaller difference.
DISTORTION_MARGIN = 0.001

_POWER = float(stats.norm.ppf(0.8))  # with as many as are said to decide it, four of five measurements would
_MANY = 10_000_000


@dataclasses.dataclass(frozen=True)
class Decision:
    """What some effects say of a claim.

    Attributes:
        verdict: by the rule.
        intervals: of every effect, corrected for their number.
        shown: how many of them are shown to be as claimed.
        refuted: how many are shown not to be.
        needed: the images or training runs that would decide it; empty where it is decided.
    """

    verdict: Verdict
    intervals: tuple[tuple[float, float], ...]
    shown: int
    refuted: int
    needed: str


def greater(effects: Sequence[Effect], margin: float) -> Decision:
    """Whether every effect is above 0; one that is certainly smaller than the margin is refuted.

    Args:
        effects: at least one.
        margin: an effect below is none worth speaking of.
    """
    intervals = _intervals(effects)
    verdicts: list[Verdict] = [_greater(low, high, margin) for low, high in intervals]
    reaches = [max(abs(e.value), margin - abs(e.value)) for e in effects]
    return _decision(effects, intervals, verdicts, reaches)


def alike(effects: Sequence[Effect], margin: float) -> Decision:
    """Whether every effect is smaller than the margin, in either direction."""
    intervals = _intervals(effects)
    verdicts: list[Verdict] = [_alike(low, high, margin) for low, high in intervals]
    reaches = [abs(margin - abs(e.value)) for e in effects]
    return _decision(effects, intervals, verdicts, reaches)


def all_of(verdicts: Sequence[Verdict]) -> Verdict:
    """Of a claim that needs all of these."""
    if "does not hold" in verdicts:
        return "does not hold"
    return "holds" if verdicts and set(verdicts) == {"holds"} else "undecided"


def without_exception(exceptions: int, cases: int) -> Verdict:
    """Of a claim about every case, of which some were tried."""
    if exceptions:
        return "does not hold"
    return "holds" if cases else "undecided"


def _intervals(effects: Sequence[Effect]) -> list[tuple[float, float]]:
    return [effect.interval(1 - LEVEL / len(effects)) for effect in effects]


def _greater(low: float, high: float, margin: float) -> Verdict:
    if high < margin and low > -margin:
        return "does not hold"
    return "holds" if low > 0 else "does not hold" if high < 0 else "undecided"


def _alike(low: float, high: float, margin: float) -> Verdict:
    if high < margin and low > -margin:
        return "holds"
    return "does not hold" if low > margin or high < -margin else "undecided"


def _decision(
    effects: Sequence[Effect],
    intervals: Sequence[tuple[float, float]],
    verdicts: Sequence[Verdict],
    reaches: Sequence[float],
) -> Decision:
    verdict = all_of(verdicts)
    left = [
        _needed_by(effect, reach, 1 - LEVEL / len(effects))
        for effect, reach, one in zip(effects, reaches, verdicts, strict=True)
        if one == "undecided"
    ]
    return Decision(
        verdict,
        tuple(intervals),
        verdicts.count("holds"),
        verdicts.count("does not hold"),
        _needed(left) if verdict == "undecided" else "",
    )


def _needed(left: Sequence[Mapping[str, int]]) -> str:
    """What decides all of these effects."""
    counts: dict[str, int] = {}
    for one in left:
        for unit, count in one.items():
            counts[unit] = max(count, counts.get(unit, 0))
    if not counts:
        return "further training runs would decide it"
    return f"{' and '.join(_about(count, unit) for unit, count in counts.items())} would decide it"


def _needed_by(effect: Effect, reach: float, confidence: float) -> dict[str, int]:
    """How many members let an interval end before what lies so far off: of the first level alone where that does it."""
    if not effect.levels:
        return {}

    def squared(*levels: Level) -> float:
        return sum(level.variance * (level.quantile(confidence) + _POWER) ** 2 for level in levels)

    def more(levels: Sequence[Level], allowed: float) -> int:
        """The number of members with which these levels take no more than is allowed."""
        normal = float(stats.norm.ppf((1 + confidence) / 2)) + _POWER  # Student's t for many: fewer never do
        of_one = sum(level.variance * level.count for level in levels) * normal**2
        least = of_one / allowed if of_one < _MANY * allowed else _MANY
        count = max(int(least), *(level.count + 1 for level in levels))
        while squared(*(level.of(count) for level in levels)) > allowed and count < _MANY:
            count += max(count // 50, 1)
        return count

    first, *others = effect.levels
    rest = squared(*others)
    if not others or rest < reach**2 / 2:
        return {first.unit: more([first], reach**2 - rest)}
    counts = {others[0].unit: more(others, reach**2 / 2)}
    if squared(first) > reach**2 / 2:
        counts[first.unit] = more([first], reach**2 / 2)
    return counts


def _about(count: int, unit: str) -> str:
    """With two digits, rounded up."""
    if count >= _MANY:
        return f"more than {_MANY:,} {unit}"
    step = 10 ** max(math.floor(math.log10(count)) - 1, 0)
    return f"about {math.ceil(count / step) * step:,} {unit}"
