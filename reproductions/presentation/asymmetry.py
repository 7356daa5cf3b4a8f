"""The table of which differences between "A's examples given to B" and "B's given to A" are larger than luck."""

import itertools
import math
from collections.abc import Mapping, Sequence

from keras_intriguing.report import Cell, Table
from reproductions.measurements.asymmetry import Difference, pair
from reproductions.measurements.transfer import TransferRow
from reproductions.presentation.verdicts import difference
from reproductions.shared import verdict
from reproductions.shared.effects import Effect, of_outcomes
from reproductions.shared.paper import PAPER
from reproductions.shared.verdict import ERROR_MARGIN


def table(
    name: str,
    values: Mapping[str, Difference],
    rows: Mapping[str, TransferRow],
    papers: Mapping[str, Mapping[str, float]],
) -> Table:
    """A row for every pair of models, in the direction in which the paper's difference is positive.

    Args:
        name: of the paper's table.
        values: by pair.
        rows: of the paper's table, by attacked model.
        papers: `papers[A][B]`, the paper's error of B on A's examples, in percent.
    """
    pairs = list(itertools.combinations(papers, 2))
    decision = verdict.greater([_effect(rows, *one) for one in pairs], ERROR_MARGIN)
    found = [
        _row(values[pair(a, b)], ends, papers, a, b)
        for (a, b), ends in zip(pairs, decision.intervals, strict=True)
    ]
    found.sort(key=lambda row: row[0])
    note = (
        "Row A → B: the error of B on A's examples minus the error of A on B's, in percentage points, in the direction in which "
        "the paper's difference is positive. Ours: average over all pairs of training runs, its 95% interval over images and training "
        "runs, corrected for the number of rows, lowest and highest pair. It has the paper's sign where the interval lies above zero. Luck: twice the standard "
        "deviation of a single such difference over training runs and over the choice of 256 images; unknown where a model "
        "has one run. The paper trained each model once: a difference of its table that is smaller than luck says nothing of "
        "the models."
    )
    columns = [
        "the paper's difference",
        "ours, average over runs",
        "luck",
        "paper's exceeds luck",
        "ours has its sign",
    ]
    return Table(
        f"Which differences of {name} are larger than the luck of a training run",
        "A → B",
        columns,
        found,
        note,
    )


def _effect(rows: Mapping[str, TransferRow], a: str, b: str) -> Effect:
    """The error of B on A's examples minus that of A on B's, run by run and image by image."""
    return of_outcomes(difference(rows[a].wrong[b], rows[b].wrong[a].swapaxes(0, 1)))


def _row(
    number: Difference,
    ends: tuple[float, float],
    papers: Mapping[str, Mapping[str, float]],
    a: str,
    b: str,
) -> tuple[str, Sequence[Cell]]:
    sign = 1
    paper = papers[a][b] - papers[b][a]
    if paper < 0:
        a, b, paper, sign = b, a, -paper, -1
    value, luck = 100 * sign * number.value, 200 * number.deviation
    low, high = sorted(100 * sign * end for end in ends)
    runs = [100 * sign * difference for difference in number.runs]
    same = "yes" if low > 0 else "no" if high < 0 else "undecided"
    cells = [
        Cell(f"{papers[a][b]:g} − {papers[b][a]:g} = {paper:.1f}"),
        Cell(f"{value:.1f}", f"{low:.1f} to {high:.1f}", spread=f"{min(runs):.1f} to {max(runs):.1f}"),
        Cell("unknown" if math.isnan(luck) else f"{luck:.1f}"),
        Cell("unknown" if math.isnan(luck) else "yes" if paper > luck else "no"),
        Cell(same),
    ]
    return f"{PAPER['presets'][a]} → {PAPER['presets'][b]}", cells
