"""From records to tables in Markdown."""

from typing import NamedTuple

import numpy as np

from reproductions.bench import markdown
from reproductions.bench.attack.attacks import Outcome

WORST, FASTER = 1.01, 20  # the goals: no image further than this × the best of all; this × faster than C&W


class Line(NamedTuple):
    """One attack beside the others.

    Attributes:
        success: share of the images.
        rms: mean of ‖r‖₂/√n where it succeeded.
        mean: mean distance where it succeeded, as a multiple of the mean of the best of all there.
        worst: largest multiple of an image's best.
        further: share of the images where it is further than 1.01 × the best of all.
        outcome: what was measured.
    """

    success: float
    rms: float
    mean: float
    worst: float
    further: float
    outcome: Outcome


def compare(measured: dict[str, Outcome], size: int) -> dict[str, Line]:
    """The attacks' results beside the best of all on every image.

    Args:
        measured: by attack.
        size: values of an image, n.
    """
    distances = {name: np.array(one.distance, float) for name, one in measured.items()}
    best = np.nanmin(np.stack(list(distances.values())), axis=0)
    return {name: _line(distances[name], best, size, outcome) for name, outcome in measured.items()}


def _line(distance: np.ndarray, best: np.ndarray, size: int, outcome: Outcome) -> Line:
    good = np.isfinite(distance)
    if not good.any():
        return Line(0.0, np.nan, np.nan, np.nan, 1.0, outcome)
    ratio = distance[good] / best[good]
    return Line(
        success=float(good.mean()),
        rms=float(distance[good].mean() / size**0.5),
        mean=float(distance[good].mean() / best[good].mean()),
        worst=float(ratio.max()),
        further=float(1 - (ratio <= WORST).sum() / len(distance)),
        outcome=outcome,
    )


def comparison(lines: dict[str, Line], titles: dict[str, str]) -> str:
    """One model's table; times as multiples of `direct`'s where that was measured."""
    head = ("attack", "success", "mean RMS", "mean / best", "worst / best", "> 1.01 ×", "s", "× direct")
    head += ("CPU s", "× direct", "first call, s", "peak, MiB", "gradients")
    direct = lines.get("direct")
    rows = []
    for name, line in lines.items():
        outcome = line.outcome
        times = [
            *_time(outcome.seconds, direct and direct.outcome.seconds),
            *_time(outcome.cpu_seconds, direct and direct.outcome.cpu_seconds),
        ]
        rows.append(
            (
                titles[name],
                f"{100 * line.success:.0f}%",
                f"{line.rms:.5f}",
                f"{line.mean:.4f}",
                f"{line.worst:.4f}",
                f"{100 * line.further:.0f}%",
                *times,
                "" if outcome.first_call is None else f"{outcome.first_call:.1f}",
                f"{outcome.peak_mib:.0f}",
                "" if outcome.gradients is None else f"{outcome.gradients:.0f}",
            )
        )
    return markdown.table(head, rows)


def _time(seconds: float, directs: float | None) -> tuple[str, str]:
    """Seconds, and how many times `direct`'s they are."""
    return f"{seconds:.2f}", f"{seconds / directs:.1f}" if directs else ""


def summary(models: dict[str, dict[str, Line]], titles: dict[str, str]) -> str:
    """All models beside each other: mean and worst image as multiples of the best of all, CPU time of direct's."""
    names = list(dict.fromkeys(name for name in titles if any(name in lines for lines in models.values())))
    rows = [(titles[name], *(_cell(lines, name) for lines in models.values())) for name in names]
    return markdown.table(("attack", *models), rows)


def _cell(lines: dict[str, Line], name: str) -> str:
    if name not in lines:
        return "–"
    line, direct = lines[name], lines.get("direct")
    success = "" if line.success == 1 else f" ({100 * line.success:.0f}%)"
    time = f" / {line.outcome.cpu_seconds / direct.outcome.cpu_seconds:.1f}" if direct else ""
    return f"{line.mean:.4f} / {line.worst:.3f}{time}{success}"


def goals(lines: dict[str, Line]) -> list[str]:
    """What is asked of `direct` beside the others, each with what came out."""
    direct = lines["direct"]
    said = []
    others = {n: line for n, line in lines.items() if n not in ("direct", "exact") and line.success == 1}
    if others:
        lowest = min(others, key=lambda name: others[name].rms)
        met = direct.success == 1 and direct.rms <= others[lowest].rms
        said.append(f"{_met(met)}: best mean ({direct.rms:.5f}; the next {others[lowest].rms:.5f}, {lowest})")
    said.append(
        f"{_met(direct.worst <= WORST)}: worst image at {direct.worst:.4f} × the best of all{_nearer(lines)}"
    )
    for name, least in (("cw", FASTER), ("ddn1000", 1)):
        if name in lines:
            ratio = lines[name].outcome.seconds / direct.outcome.seconds
            cpu = lines[name].outcome.cpu_seconds / direct.outcome.cpu_seconds
            said.append(
                f"{_met(ratio >= least)}: {name} takes {ratio:.1f} × the time ({cpu:.1f} × the processor time)"
            )
    return said


def _nearer(lines: dict[str, Line]) -> str:
    """The images on which another attack is nearer by more than the goal, and which one."""
    names = list(lines)
    distances = np.array([lines[name].outcome.distance for name in names], float)
    ratios = distances[names.index("direct")] / np.nanmin(distances, axis=0)
    beaten = [i for i in np.argsort(-ratios) if ratios[i] > WORST]
    said = (f"image {i}: {ratios[i]:.4f}, {names[np.nanargmin(distances[:, i])]}" for i in beaten)
    return f" ({'; '.join(said)})" if beaten else ""


def _met(met: bool) -> str:
    return "met" if met else "**missed**"
