"""The table of which differences between "A's examples given to B" and "B's given to A" are larger than luck."""

import itertools
import math
from collections.abc import Mapping, Sequence

from keras_intriguing.report import Cell, Table
from reproductions.measurements.asymmetry import Difference, pair
from reproductions.shared.paper import PAPER


def table(name: str, values: Mapping[str, Difference], papers: Mapping[str, Mapping[str, float]]) -> Table:
    """A row for every pair of models, in the direction in which the paper's difference is positive.

    Args:
        name: of the paper's table.
        values: by pair.
        papers: `papers[A][B]`, the paper's error of B on A's examples, in percent.
    """
    rows = [_row(values, papers, a, b) for a, b in itertools.combinations(papers, 2)]
    rows.sort(key=lambda row: row[0])
    note = (
        "Row A → B: the error of B on A's examples minus the error of A on B's, in percent points, in the direction in which "
        "the paper's difference is positive. Ours: average over all pairs of training runs, its 95% interval over images, "
        "lowest and highest pair. It has the paper's sign where all of these lie above zero. Luck: twice the standard "
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
        rows,
        note,
    )


def _row(
    values: Mapping[str, Difference], papers: Mapping[str, Mapping[str, float]], a: str, b: str
) -> tuple[str, Sequence[Cell]]:
    number, sign = values[pair(a, b)], 1
    paper = papers[a][b] - papers[b][a]
    if paper < 0:
        a, b, paper, sign = b, a, -paper, -1
    value, luck = 100 * sign * number.value, 200 * number.deviation
    low, high = sorted(100 * sign * end for end in (number.low, number.high))
    runs = [100 * sign * difference for difference in number.runs]
    if min(low, *runs) > 0:
        same = "yes"
    elif max(high, *runs) < 0:
        same = "no"
    else:
        same = "undecided"
    cells = [
        Cell(f"{papers[a][b]:g} − {papers[b][a]:g} = {paper:.1f}"),
        Cell(f"{value:.1f}", f"{low:.1f} to {high:.1f}", spread=f"{min(runs):.1f} to {max(runs):.1f}"),
        Cell("unknown" if math.isnan(luck) else f"{luck:.1f}"),
        Cell("unknown" if math.isnan(luck) else "yes" if paper > luck else "no"),
        Cell(same),
    ]
    return f"{PAPER['presets'][a]} → {PAPER['presets'][b]}", cells
