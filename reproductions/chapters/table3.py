"""Table 3: models of disjoint halves of the training set."""

from typing import Any

from keras_intriguing.report import Section, Table
from reproductions.chapters.table1 import distortions, error_cell, errors
from reproductions.shared.cells import distortion
from reproductions.shared.run import PAPER, Run

PRESETS = list(PAPER["table3"])
DISTORTIONS = {"min. av. distortion, penalty": "penalty", "min. av. distortion, direct": "direct"}


def steps(run: Run) -> int:
    """How many records the table takes."""
    return len(PRESETS) * (1 + len(DISTORTIONS) * (1 + run.training_seeds))


def measure(run: Run) -> dict[str, dict[str, Any]]:
    """For every model its errors on both halves and the test images, and its distortions."""
    splits = ("p1", "p2", "test") if run.dataset == "mnist" else ("p1", "p2")
    table = {}
    for preset in PRESETS:
        table[preset] = {"errors": errors(run, f"table3/{preset}-errors", preset, splits)}
        for column, method in DISTORTIONS.items():
            name = f"table3/{preset}-{method}"
            table[preset][column] = distortions(run, name, preset, method, targeted=True)
    return table


def section(run: Run, values: dict[str, dict[str, Any]]) -> Section:
    """The table."""
    half = "" if run.dataset == "mnist" else ", of mnist5k"
    columns = [f"error on P1{half}", f"error on P2{half}", "test error", *DISTORTIONS]
    rows = []
    for preset in PRESETS:
        paper, number = PAPER["table3"][preset], values[preset]
        cells = [
            error_cell(run, preset, split, number["errors"], f"{paper[split]:g}%")
            for split in ("p1", "p2", "test")
        ]
        cells += [
            distortion(number[c]["distortion"], f"{paper['distortion']:g}", number[c]["success"]["value"])
            for c in DISTORTIONS
        ]
        trained_on = preset.split("_")[-1].upper()
        rows.append((f"{PAPER['presets'][preset]}, trained on {trained_on}", cells))
    note = (
        f"P1 and P2: disjoint halves of MNIST's training images, 30,000 each. Distortion as in Table 1, {run.described}, "
        "towards random wrong classes."
    )
    return Section(
        "Table 3: models of disjoint training sets",
        [Table("Errors and distortions", "model", columns, rows, note)],
    )
