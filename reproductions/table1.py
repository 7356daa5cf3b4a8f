"""Table 1: errors and average minimum distortions of the MNIST models."""

from typing import Any

import numpy as np

import keras_intriguing as ki
from keras_intriguing.report import Cell, Figure, Section, Table, figures
from reproductions import statistics
from reproductions.run import PAPER, Run

PRESETS = list(PAPER["table1"])
# column -> (method, targeted)
DISTORTIONS = {
    "distortion, random targets, penalty": ("penalty", True),
    "distortion, random targets, direct": ("direct", True),
    "distortion, nearest class, penalty": ("penalty", False),
    "distortion, nearest class, direct": ("direct", False),
}
_SHOWN = 4  # images of the figure


def steps(run: Run) -> int:
    """How many records the table takes."""
    return len(PRESETS) * (1 + 2 * len(DISTORTIONS))


def measure(run: Run) -> dict[str, dict[str, Any]]:
    """For every preset its errors and its distortions by every method."""
    table = {}
    for preset in PRESETS:
        name = f"table1/{preset}"
        table[preset] = {"errors": run.record(f"{name}-errors", [preset], lambda p=preset: _errors(run, p))}
        for column, (method, targeted) in DISTORTIONS.items():
            examples = run.examples(preset, method, targeted)
            table[preset][column] = run.record(
                f"{name}-{method}-{'random' if targeted else 'nearest'}",
                [preset],
                lambda arrays=examples.arrays: _distortion(arrays),
                examples_sha256=examples.sha256,
            )
    return table


def _errors(run: Run, preset: str) -> dict[str, Any]:
    splits = ("train", "test") if run.dataset == "mnist" else ("train",)
    found = {}
    for split in splits:
        x, y = run.load(split)
        found[split] = statistics.share(ki.evaluation.error(run.model(preset), x, y), len(x))
    return found


def _distortion(result: dict[str, np.ndarray]) -> dict[str, Any]:
    reached = result["success"]
    return {
        "distortion": statistics.mean(result["distortion"][reached]),
        "success": statistics.share(float(reached.mean()), len(reached)),
        "survives_rounding": statistics.share(float(result["survives_rounding"].mean()), len(reached)),
    }


def section(run: Run, values: dict[str, dict[str, Any]]) -> Section:
    """The table and a figure of examples."""
    measured = "MNIST" if run.dataset == "mnist" else "5,000 MNIST training images"
    columns = [f"training error, {measured}", "test error", *DISTORTIONS, "survive 8 bits, direct"]
    rows = [(PAPER["presets"][preset], _cells(preset, values[preset])) for preset in PRESETS]
    what = "test" if run.dataset == "mnist" else "training"
    note = (
        f"Distortion: root mean square of the change over 784 pixels in [0, 1], mean over {run.images} {what} "
        f"images (seed {run.seed}, not filtered), one training seed. Random targets: a uniformly random wrong class, "
        "the same for all models; nearest class: whichever other class is nearest. Penalty: the paper's c‖r‖² + "
        "cross-entropy; direct: the constrained problem itself. Last column: the share of the direct, randomly "
        "targeted examples that are still misclassified as asked after rounding to 256 grey levels."
    )
    return Section(
        "Table 1: the models",
        [Table("Errors and average minimum distortion", "model", columns, rows, note)],
        [_figure(run)],
    )


def _cells(preset: str, values: dict[str, Any]) -> list[Cell]:
    paper = PAPER["table1"][preset]
    metrics = ki.presets.load_metrics(preset)
    cells = []
    for split in ("train", "test"):
        number = values["errors"].get(split)
        recorded = number is None
        if recorded:
            number = statistics.share(metrics[f"{split}_error"], metrics[f"{split}_images"])
        cells.append(percent(number, f"{paper[f'{split}_error']:g}%", recorded))
    for column in DISTORTIONS:
        number, success = values[column]["distortion"], values[column]["success"]["value"]
        failed = "" if success == 1 else f" ({100 * success:.1f}% succeeded)"
        interval = f"{number['low']:.4f}–{number['high']:.4f}"
        targeted = DISTORTIONS[column][1]
        cells.append(
            Cell(f"{number['value']:.4f}{failed}", interval, f"{paper['distortion']:g}" if targeted else "")
        )
    cells.append(percent(values["distortion, random targets, direct"]["survives_rounding"], "", False))
    return cells


def percent(number: dict[str, Any], paper: str, recorded: bool) -> Cell:
    """A share as a cell in percent."""
    low, high = (100 * number[end] for end in ("low", "high"))
    digits = 2 if number["n"] > 1000 else 1
    return Cell(
        f"{100 * number['value']:.{digits}f}%", f"{low:.{digits}f}–{high:.{digits}f}%", paper, recorded
    )


def _figure(run: Run) -> Figure:
    images = run.attacked[0]
    rows = []
    for preset in PRESETS:
        result = run.examples(preset, "direct", True).arrays
        shown = np.flatnonzero(result["success"])[:_SHOWN]
        triples = [
            figures.Triple(
                images[i],
                result["adversarial"][i],
                str(result["label_before"][i]),
                str(result["label_after"][i]),
            )
            for i in shown
        ]
        rows.append((PAPER["presets"][preset], triples))
    path = run.out / "figures" / "table1-examples.png"
    figures.triples(path, rows, magnified=10)
    note = (
        f"The first {_SHOWN} images on which the attack succeeded: original with the model's label, difference ×10 around grey, adversarial "
        "image with the label it then gets. Method direct, random targets."
    )
    return Figure("Adversarial examples", path, note)
