"""Table 2: the error of every model on the examples made for every other, and on noise."""

import itertools
from typing import Any

import numpy as np

import keras_intriguing as ki
from keras_intriguing.report import Cell, Figure, Section, Table, figures
from reproductions.shared import asymmetry, cross
from reproductions.shared.cells import percent
from reproductions.shared.run import PAPER, Run

PRESETS = PAPER["table2"]["columns"]
METHODS = ("penalty", "direct")
NOISE = {"noise0.1": 0.1, "noise0.3": 0.3}
CLEAN = "clean"


def steps(run: Run) -> int:
    """How many records the table takes."""
    rows = 1 + len(NOISE) + len(METHODS) * len(PRESETS) * (1 + run.training_seeds)
    return rows + (run.training_seeds > 1)


def measure(run: Run) -> dict[str, dict[str, Any]]:
    """Every row's errors and its average distortion; rows of examples are named `method/preset`.

    With several training runs, `asymmetry` compares both directions of every pair of models.
    """
    x, _ = run.attacked
    rows = {CLEAN: cross.row(run, "table2/clean", cross.unmade(x), PRESETS)}
    for name, stddev in NOISE.items():
        noisy = cross.unmade(ki.transfer.gaussian_noise(x, stddev, run.seed))
        rows[name] = cross.row(run, f"table2/{name}", noisy, PRESETS, stddev=stddev)
    made = {method: {p: cross.made_for(run, p, method) for p in PRESETS} for method in METHODS}
    for method, preset in itertools.product(METHODS, PRESETS):
        name = f"table2/{preset}-{method}"
        rows[f"{method}/{preset}"] = cross.row(run, name, made[method][preset], PRESETS)
    if run.training_seeds > 1:
        rows["asymmetry"] = asymmetry.measure(run, "table2/asymmetry", made["penalty"])
    return rows


def section(run: Run, values: dict[str, dict[str, Any]]) -> Section:
    """The table by the paper's method and by ours, and a heat map of the first."""
    note = (
        f"Error of the column's model, against the true labels, on {run.described}, distorted for the row's model "
        f"towards random wrong classes. {run.pairs_described}"
    )
    tables = [
        Table("By the paper's method, the penalty", "made for", *_grid(run, values, "penalty"), note),
        Table(
            "By the direct method",
            "made for",
            *_grid(run, values, "direct"),
            note
            + " These lie on the boundary of the model they were made for, nearer than the paper's examples.",
        ),
    ]
    if "asymmetry" in values:
        papers = {p: dict(zip(PRESETS, PAPER["table2"]["rows"][p], strict=True)) for p in PRESETS}
        tables.append(asymmetry.table(values["asymmetry"], papers))
    rows = [f"penalty/{preset}" for preset in PRESETS] + list(NOISE) + [CLEAN]
    matrix = np.array([[100 * values[row]["errors"][p]["value"] for p in PRESETS] for row in rows])
    path = run.out / "figures" / "table2-heat-map.png"
    names = [PAPER["presets"][p] for p in PRESETS]
    figures.heat_map(path, matrix, [_name(row) for row in rows], names, "error, %")
    caption = (
        "Rows: what the images were made for, by the penalty method. Columns: the model they are fed to."
    )
    return Section(
        "Table 2: cross-model generalization", tables, [Figure("Heat map of Table 2", path, caption)]
    )


def _grid(run: Run, values: dict[str, Any], method: str) -> tuple[list[str], list[tuple[str, list[Cell]]]]:
    columns = [*(PAPER["presets"][preset] for preset in PRESETS), "average distortion"]
    if run.training_seeds > 1:
        columns.append("the same model, another training run")
    rows = []
    for preset in PRESETS:
        row = values[f"{method}/{preset}"]
        rms = f"{PAPER['table1'][preset]['distortion']:g}"
        cells = cross.cells(row, PRESETS, PAPER["table2"]["rows"][preset], rms)
        if run.training_seeds > 1:
            cells.append(percent(row["other_run"]) if "other_run" in row else Cell())
        rows.append((cross.name_of(preset, row, run.images), cells))
    for name in [*NOISE, CLEAN]:
        rms = f"{NOISE[name]:g}" if name in NOISE else ""
        cells = cross.cells(values[name], PRESETS, PAPER["table2"]["rows"].get(name), rms)
        rows.append((_name(name), [*cells, Cell()] if run.training_seeds > 1 else cells))
    return columns, rows


def _name(row: str) -> str:
    key = row.split("/")[-1]
    if key in NOISE:
        return f"Gaussian noise, stddev {NOISE[key]:g}"
    return PAPER["presets"].get(key, "nothing (clean images)")
