"""Table 2: the error of every model on the examples made for every other, and on noise."""

from typing import Any

import numpy as np

import keras_intriguing as ki
from keras_intriguing.report import Cell, Figure, Section, Table, figures
from reproductions import statistics
from reproductions.run import PAPER, Run
from reproductions.table1 import percent

PRESETS = PAPER["table2"]["columns"]
METHODS = ("penalty", "direct")
NOISE = {"noise0.1": 0.1, "noise0.3": 0.3}
CLEAN = "clean"


def steps(run: Run) -> int:
    """How many records the table takes."""
    return 1 + len(NOISE) + 2 * len(METHODS) * len(PRESETS)


def measure(run: Run) -> dict[str, dict[str, Any]]:
    """Every row's errors and its average distortion; rows of examples are named `method/preset`."""
    x, _ = run.attacked
    rows = {CLEAN: run.record("table2/clean", PRESETS, lambda: _row(run, x))}
    for name, stddev in NOISE.items():
        noisy = ki.transfer.gaussian_noise(x, stddev, run.seed)
        rows[name] = run.record(
            f"table2/{name}", PRESETS, lambda noisy=noisy: _row(run, noisy), stddev=stddev
        )
    for method in METHODS:
        for preset in PRESETS:
            examples = run.examples(preset, method, targeted=True)
            rows[f"{method}/{preset}"] = run.record(
                f"table2/{preset}-{method}",
                PRESETS,
                lambda e=examples.arrays: _row(run, e["adversarial"], e["success"]),
                examples_sha256=examples.sha256,
            )
    return rows


def _row(run: Run, images: np.ndarray, chosen: np.ndarray | None = None) -> dict[str, Any]:
    """The models' errors on images made from the attacked ones, or on the chosen of them."""
    x, y = run.attacked
    if chosen is not None:  # where an attack failed, there is no example
        images, x, y = images[chosen], x[chosen], y[chosen]
    models = {preset: run.model(preset) for preset in PRESETS}
    errors = ki.transfer.error_table(models, {"row": images}, y)["row"]
    rms = np.sqrt(np.mean((images.astype(np.float64) - x).reshape(len(x), -1) ** 2, axis=1))
    return {
        "errors": {preset: statistics.share(error, len(x)) for preset, error in errors.items()},
        "distortion": statistics.mean(rms),
    }


def section(run: Run, values: dict[str, dict[str, Any]]) -> Section:
    """The table by the paper's method and by ours, and a heat map of the first."""
    what = "test" if run.dataset == "mnist" else "training"
    note = (
        f"Error of the column's model, against the true labels, on {run.images} {what} images (seed {run.seed}, not "
        "filtered for being classified rightly, one training seed) distorted for the row's model towards random wrong "
        "classes. "
    )
    tables = [
        Table("By the paper's method, the penalty", "made for", *_grid(values, "penalty"), note),
        Table(
            "By the direct method",
            "made for",
            *_grid(values, "direct"),
            note
            + "These lie on the boundary of the model they were made for, nearer than the paper's examples.",
        ),
    ]
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


def _grid(values: dict[str, dict[str, Any]], method: str) -> tuple[list[str], list[tuple[str, list[Cell]]]]:
    columns = [*(PAPER["presets"][preset] for preset in PRESETS), "average distortion"]
    rows = []
    for row in [*(f"{method}/{preset}" for preset in PRESETS), *NOISE, CLEAN]:
        key = row.split("/")[-1]
        paper = PAPER["table2"]["rows"].get(key)
        errors = values[row]["errors"]
        cells = [
            percent(errors[preset], f"{paper[i]:g}%" if paper else "", recorded=False)
            for i, preset in enumerate(PRESETS)
        ]
        rms = values[row]["distortion"]
        published = NOISE.get(key, PAPER["table1"].get(key, {}).get("distortion"))
        cells.append(
            Cell(
                f"{rms['value']:.4f}",
                f"{rms['low']:.4f}–{rms['high']:.4f}",
                f"{published:g}" if published else "",
            )
        )
        fewer = (
            f" ({rms['n']} of {values[CLEAN]['distortion']['n']} succeeded)"
            if rms["n"] < values[CLEAN]["distortion"]["n"]
            else ""
        )
        rows.append((_name(row) + fewer, cells))
    return columns, rows


def _name(row: str) -> str:
    key = row.split("/")[-1]
    if key in NOISE:
        return f"Gaussian noise, stddev {NOISE[key]:g}"
    return PAPER["presets"].get(key, "nothing (clean images)")
