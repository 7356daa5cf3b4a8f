"""From outcomes to tables in Markdown."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy import stats

from reproductions.bench import markdown
from reproductions.bench.attack.attacks import EXACT
from reproductions.bench.attack.measuring import Outcome

OURS = "direct"
BEHIND = 1.01  # an image counts as behind where its distance is larger than this × the best of all
MEAN, SHARE, WORST = 1.005, 0.02, 1.05  # the goals of direct: its mean, the share behind, its worst image
MEDIAN, MOST = 800, 2000  # its passes


class Line(NamedTuple):
    """One attack beside the others.

    Attributes:
        success: share of the images.
        rms: mean of ‖r‖₂/√n where it succeeded.
        mean: mean over the images where it succeeded of distance / best of all.
        worst: the largest of these.
        behind: share of the images where it fails or is further than 1.01 × the best of all.
        optimality: see `optimality`.
        outcome: what was measured.
    """

    success: float
    rms: float
    mean: float
    worst: float
    behind: float
    optimality: float
    outcome: Outcome


def distances(measured: Mapping[str, Outcome]) -> dict[str, np.ndarray]:
    """‖r‖₂ [B] by attack, infinite where it failed."""
    every = {name: np.array(one.distance, float) for name, one in measured.items()}
    return {name: np.where(np.isnan(one), np.inf, one) for name, one in every.items()}


def compare(measured: Mapping[str, Outcome], size: int) -> dict[str, Line]:
    """The attacks' results beside the best of all on every image.

    Args:
        measured: by attack.
        size: values of an image, n.
    """
    every = distances(measured)
    best = np.min(np.stack(list(every.values())), axis=0)
    return {name: _line(every[name], best, size, outcome) for name, outcome in measured.items()}


def optimality(distance: np.ndarray, best: np.ndarray) -> float:
    """How much of the area that the best of all attacks takes off the curve of robust accuracy an attack takes off.

    AttackBench's local optimality (Cinà et al. 2024): the areas lie over distances from 0 to the one at which the best
    of all attacks leaves no image. 1 is the best of all on every image, 0 changes no label.

    Args:
        distance: [B], infinite where the attack failed.
        best: [B], the smallest of all attacks.
    """
    good = np.isfinite(best)
    end = best[good].max()
    taken = end - np.minimum(distance[good], end)
    return (
        float(taken.sum() / (end - best[good]).sum())
        if (best[good] < end).any()
        else float((taken == 0).all())
    )


def _line(distance: np.ndarray, best: np.ndarray, size: int, outcome: Outcome) -> Line:
    good = np.isfinite(distance)
    if not good.any():
        return Line(0.0, np.nan, np.nan, np.nan, 1.0, 0.0, outcome)
    ratio = distance[good] / best[good]
    return Line(
        success=float(good.mean()),
        rms=float(distance[good].mean() / size**0.5),
        mean=float(ratio.mean()),
        worst=float(ratio.max()),
        behind=float(1 - (ratio <= BEHIND).sum() / len(distance)),
        optimality=optimality(distance, best),
        outcome=outcome,
    )


def comparison(lines: Mapping[str, Line], titles: Mapping[str, str]) -> str:
    """One model's table."""
    head = (
        "attack",
        "success",
        "mean RMS",
        "mean of d / best",
        "worst",
        "> 1% behind",
        "optimality",
        "passes",
    )
    head += ("CPU s", "× direct", "first call, s", "peak, MiB")
    ours = lines.get(OURS)
    rows = []
    for name, line in sorted(lines.items(), key=lambda item: -item[1].optimality):
        outcome = line.outcome
        times = f"{outcome.cpu_seconds / ours.outcome.cpu_seconds:.1f}" if ours else ""
        rows.append(
            (
                titles[name],
                f"{100 * line.success:.0f}%",
                f"{line.rms:.5f}",
                f"{line.mean:.4f}",
                f"{line.worst:.3f}",
                f"{100 * line.behind:.0f}%",
                f"{line.optimality:.4f}",
                f"{np.mean(outcome.passes):.0f}" if outcome.passes else "",
                f"{outcome.cpu_seconds:.2f}",
                times,
                "" if outcome.first_call is None else f"{outcome.first_call:.1f}",
                f"{outcome.peak_mib:.0f}",
            )
        )
    return markdown.table(head, rows)


def budgets(within: Mapping[int, Mapping[str, Outcome]], best: np.ndarray, titles: Mapping[str, str]) -> str:
    """Optimality by the passes an image that an attack may take, with the mean of those that it took in brackets.

    Args:
        within: outcomes by budget and attack.
        best: the smallest distances [B] of all attacks at all budgets.
        titles: of the attacks.
    """
    names = dict.fromkeys(name for outcomes in within.values() for name in outcomes)
    rows = []
    for name in names:
        cells = []
        for outcomes in within.values():
            found = distances(outcomes).get(name)
            if found is None:
                cells.append("–")
            else:
                cells.append(f"{optimality(found, best):.4f} ({np.mean(outcomes[name].passes):.0f})")
        rows.append((titles[name].split(",")[0], *cells))  # its number of steps is another at each budget
    return markdown.table(("attack", *(f"{budget} passes" for budget in within)), rows)


def summary(models: Mapping[str, Mapping[str, Line]], titles: Mapping[str, str]) -> str:
    """All models beside each other: mean of distance / best, and worst image."""
    names = [name for name in titles if any(name in lines for lines in models.values())]
    rows = [(titles[name], *(_cell(lines, name) for lines in models.values())) for name in names]
    return markdown.table(("attack", *models), rows)


def _cell(lines: Mapping[str, Line], name: str) -> str:
    if name not in lines:
        return "–"
    line = lines[name]
    success = "" if line.success == 1 else f" ({100 * line.success:.0f}%)"
    return f"{line.mean:.3f} / {line.worst:.2f}{success}"


def goals(measured: Mapping[str, Outcome], lines: Mapping[str, Line]) -> list[str]:
    """What is asked of `direct` beside the others, each with what came out."""
    ours = lines[OURS]
    passes = np.array(ours.outcome.passes)
    said = [
        f"{_met(ours.success == 1)}: finds all ({100 * ours.success:.1f}%)",
        f"{_met(ours.mean <= MEAN)}: mean within {MEAN} × the best of all ({ours.mean:.4f})",
        f"{_met(ours.behind <= SHARE)}: at most {100 * SHARE:.0f}% of the images more than 1% behind "
        f"({100 * ours.behind:.1f}%)",
        f"{_met(ours.worst <= WORST)}: none more than {100 * (WORST - 1):.0f}% behind ({ours.worst:.3f} ×)",
        f"{_met(np.median(passes) <= MEDIAN and passes.max() <= MOST)}: median of at most {MEDIAN} passes, none "
        f"above {MOST} ({np.median(passes):.0f}, {passes.max():.0f})",
    ]
    rivals = [name for name in lines if name not in (OURS, "penalty", EXACT)]
    if rivals:
        said.append(_beside(measured, max(rivals, key=lambda name: lines[name].optimality)))
    return said


def _beside(measured: Mapping[str, Outcome], rival: str) -> str:
    """The paired difference to the best rival, with its interval."""
    every = distances(measured)
    both = np.isfinite(every[OURS]) & np.isfinite(every[rival])
    difference = (every[OURS] - every[rival])[both] / every[rival][both].mean()
    drawn = stats.bootstrap((difference,), np.mean, method="percentile", rng=0)
    low, high = drawn.confidence_interval
    word = "met" if high < 0 else "undecided" if low < 0 else "**missed**"
    return (
        f"{word}: nearer than the best rival, {rival}: mean difference {100 * difference.mean():+.2f}% of its mean "
        f"distance [{100 * low:+.2f}%, {100 * high:+.2f}%], on {both.sum()} images"
    )


def _met(met: bool) -> str:
    return "met" if met else "**missed**"
