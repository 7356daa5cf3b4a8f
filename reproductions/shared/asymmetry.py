"""Which differences between "A's examples fed to B" and "B's fed to A" are larger than luck."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_intriguing.report import Cell, Table
from reproductions.shared import cross
from reproductions.shared import intervals as statistics
from reproductions.shared.run import PAPER, Run

_PAPER_IMAGES = 256


def measure(run: Run, name: str, made: Mapping[str, cross.Made]) -> dict[str, dict[str, Any]]:
    """The record of all pairs of models, named `A → B`; needs several training runs.

    Returns:
        For every pair, of the error of B on A's examples minus that of A on B's, in shares: its `statistics.mean`
        over all pairs of training runs, and `deviation`, the standard deviation of a single one, over training
        runs and over the choice of 256 images, as many as the paper most likely took.
    """
    presets = sorted({p for preset in made for p in run.trained(preset)})

    def all_pairs() -> dict[str, dict[str, Any]]:
        return {_pair(a, b): _difference(run, made, a, b) for a, b in itertools.combinations(made, 2)}

    return run.record(name, presets, all_pairs, examples_sha256=[h for m in made.values() for h in m.hashes])


def _pair(first: str, second: str) -> str:
    return f"{first} → {second}"


def _difference(run: Run, made: Mapping[str, cross.Made], first: str, second: str) -> dict[str, Any]:
    ones, others = run.trained(first), run.trained(second)
    there = cross.wrong(run, made[first], others)
    back = cross.wrong(run, made[second], ones)
    # the pairs of `there` are (run of first, run of second), those of `back` the other way round
    back = back.reshape(len(others), len(ones), -1).swapaxes(0, 1).reshape(there.shape)
    return summary((there - back).reshape(len(ones), len(others), -1))


def summary(difference: np.ndarray) -> dict[str, Any]:
    """See `measure`, of differences [runs of A, runs of B, images] between −1 and 1; NaN where there is no example.

    The variance of one pair of runs is the sum of those of A's runs, of B's and of what is left, each estimated without
    bias from the means of rows and columns (two-way analysis of variance). With a single run it is unknown: NaN.
    """
    number = statistics.mean(difference.reshape(-1, difference.shape[-1]))
    rows, columns = difference.shape[:2]
    if min(rows, columns) < 2:
        return {**number, "deviation": math.nan}
    means = np.array(number["runs"]).reshape(rows, columns)
    of_rows, of_columns = columns * means.mean(axis=1).var(ddof=1), rows * means.mean(axis=0).var(ddof=1)
    centred = means - means.mean(axis=1, keepdims=True) - means.mean(axis=0) + means.mean()
    left = np.sum(centred**2) / ((rows - 1) * (columns - 1))
    by_runs = max(of_rows - left, 0) / columns + max(of_columns - left, 0) / rows + left
    images = np.nanmean(difference, axis=(0, 1))
    by_images = np.nanvar(images) / _PAPER_IMAGES
    return {**number, "deviation": float(np.sqrt(by_runs + by_images))}


def table(values: Mapping[str, Mapping[str, Any]], papers: Mapping[str, Mapping[str, float]]) -> Table:
    """A row for every pair of models, in the direction in which the paper's difference is positive.

    Args:
        values: from `measure`.
        papers: `papers[A][B]`, the paper's error of B on A's examples, in percent.
    """
    rows = [_row(values, papers, a, b) for a, b in itertools.combinations(papers, 2)]
    rows.sort(key=lambda row: row[0])
    note = (
        "Row A → B: the error of B on A's examples minus the error of A on B's, in percent points, the paper's "
        "examples (penalty), in the direction in which the paper's difference is positive; average, its interval over "
        "images, lowest and highest of all pairs of training runs. Ours has its sign where both lie on one side of zero. "
        "Luck: twice the standard deviation of a single such difference over training runs of both models and over the "
        "choice of 256 images; unknown where a model has one run. The paper has one run each: a difference of its "
        "tables that is smaller says nothing of the models."
    )
    columns = [
        "the paper's difference",
        "ours, average over runs",
        "luck",
        "paper's exceeds luck",
        "ours has its sign",
    ]
    return Table("Which differences are larger than the luck of a training run", "A → B", columns, rows, note)


def _row(
    values: Mapping[str, Mapping[str, Any]], papers: Mapping[str, Mapping[str, float]], a: str, b: str
) -> tuple[str, Sequence[Cell]]:
    number, sign = values[_pair(a, b)], 1
    paper = papers[a][b] - papers[b][a]
    if paper < 0:
        a, b, paper, sign = b, a, -paper, -1
    value, luck = 100 * sign * number["value"], 200 * number["deviation"]
    low, high = sorted(100 * sign * number[end] for end in ("low", "high"))
    runs = [100 * sign * difference for difference in number["runs"]]
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
