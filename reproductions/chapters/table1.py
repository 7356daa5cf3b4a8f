"""Table 1: errors and average minimum distortions of the MNIST models."""

from typing import Any

import numpy as np

import keras_intriguing as ki
from keras_intriguing.report import Cell, Figure, Section, Table, figures
from reproductions.shared import examples
from reproductions.shared import intervals as statistics
from reproductions.shared.cells import distortion, percent
from reproductions.shared.run import PAPER, Run

PRESETS = list(PAPER["table1"])
# column -> (method, targeted)
DISTORTIONS = {
    "distortion, random targets, penalty": ("penalty", True),
    "distortion, random targets, direct": ("direct", True),
    "distortion, nearest class, penalty": ("penalty", False),
    "distortion, nearest class, direct": ("direct", False),
}
CERTIFIED = "certified distortion, nearest class"
_SHOWN = 4  # images of the figure


def steps(run: Run) -> int:
    """How many records the table takes."""
    return len(PRESETS) * (2 + len(DISTORTIONS) * (1 + run.training_seeds))


def measure(run: Run) -> dict[str, dict[str, Any]]:
    """For every model its errors and its distortions by every method, over its training runs."""
    table = {}
    for preset in PRESETS:
        splits = ("train", "test") if run.dataset == "mnist" else ("train",)
        table[preset] = {"errors": errors(run, f"table1/{preset}-errors", preset, splits)}
        for column, (method, targeted) in DISTORTIONS.items():
            kind = f"table1/{preset}-{method}-{'random' if targeted else 'nearest'}"
            table[preset][column] = distortions(run, kind, preset, method, targeted)
        table[preset][CERTIFIED] = _certified(run, preset)
    return table


def _certified(run: Run, preset: str) -> dict[str, Any]:
    """The record of the distortion below which no image of the attacked ones can change its label."""

    def measure() -> dict[str, Any]:
        images = run.attacked[0]
        proved = [ki.certified_distortion(run.model(p), images) for p in run.trained(preset)]
        return {"distortion": statistics.mean(np.stack([p.distortion for p in proved]))}

    return run.record(f"table1/{preset}-certified", run.trained(preset), measure)


def errors(run: Run, name: str, preset: str, splits: tuple[str, ...]) -> dict[str, Any]:
    """The record of a model's errors on splits of the run's data set."""

    def measure() -> dict[str, Any]:
        found = {}
        for split in splits:
            x, y = run.load(split)
            shares = [ki.evaluation.error(run.model(p), x, y) for p in run.trained(preset)]
            found[split] = statistics.share(shares, len(x))
        return found

    return run.record(name, run.trained(preset), measure)


def distortions(run: Run, name: str, preset: str, method: str, targeted: bool) -> dict[str, Any]:
    """The record of a model's average minimum distortion."""
    made = [examples.of_attacked(run, p, method, targeted) for p in run.trained(preset)]

    def measure() -> dict[str, Any]:
        success, sizes, rounded = (
            np.stack([e.arrays[field] for e in made])
            for field in ("success", "distortion", "survives_rounding")
        )
        return {
            "distortion": statistics.mean(np.where(success, sizes, np.nan)),
            "success": statistics.share_of(success.astype(float)),
            "survives_rounding": statistics.share_of(rounded.astype(float)),
        }

    hashes = [e.sha256 for e in made]
    return run.record(name, run.trained(preset), measure, examples_sha256=hashes)


def section(run: Run, values: dict[str, dict[str, Any]]) -> Section:
    """The table and a figure of examples."""
    measured = "MNIST" if run.dataset == "mnist" else "5,000 MNIST training images"
    columns = [f"training error, {measured}", "test error", *DISTORTIONS, CERTIFIED, "survive 8 bits, direct"]
    rows = [(PAPER["presets"][preset], _cells(run, preset, values[preset])) for preset in PRESETS]
    note = (
        f"Distortion: root mean square of the change over 784 pixels in [0, 1], mean over {run.described}. "
        "Random targets: a uniformly random wrong class, "
        "the same for all models; nearest class: whichever other class is nearest. Penalty: the paper's c‖r‖² + "
        "cross-entropy; direct: the constrained problem itself. Certified: no smaller change gives another label, by "
        "linear bounds through the layers or the network's Lipschitz bound; every image's true minimum lies between it and "
        "direct's. Last column: the share of the direct, randomly "
        "targeted examples that are still misclassified as asked after rounding to 256 grey levels."
    )
    return Section(
        "Table 1: the models",
        [Table("Errors and average minimum distortion", "model", columns, rows, note)],
        [_figure(run)],
    )


def _cells(run: Run, preset: str, values: dict[str, Any]) -> list[Cell]:
    paper = PAPER["table1"][preset]
    found = [
        error_cell(run, preset, split, values["errors"], f"{paper[f'{split}_error']:g}%")
        for split in ("train", "test")
    ]
    for column, (_, targeted) in DISTORTIONS.items():
        number, success = values[column]["distortion"], values[column]["success"]["value"]
        found.append(distortion(number, f"{paper['distortion']:g}" if targeted else "", success))
    found.append(distortion(values[CERTIFIED]["distortion"]))
    found.append(percent(values["distortion, random targets, direct"]["survives_rounding"]))
    return found


def error_cell(run: Run, preset: str, split: str, measured: dict[str, Any], paper: str) -> Cell:
    """An error measured in this run, or else that recorded when the checkpoints were made."""
    if split in measured:
        return percent(measured[split], paper)
    return percent(recorded_error(run, preset, split), paper, recorded=True)


def recorded_error(run: Run, preset: str, split: str) -> dict[str, Any]:
    """The error that was measured when the checkpoints of a model's training runs were made."""
    metrics = [ki.presets.load_metrics(p) for p in run.trained(preset)]
    return statistics.share([m[f"{split}_error"] for m in metrics], metrics[0][f"{split}_images"])


def _figure(run: Run) -> Figure:
    images = run.attacked[0]
    rows = []
    for preset in PRESETS:
        result = examples.of_attacked(run, preset, "direct", True).arrays
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
        f"The first {_SHOWN} images on which the attack succeeded: original with the model's label, difference ×10 "
        "around grey, adversarial image with the label it then gets. Method direct, random targets, training seed 0."
    )
    return Figure("Adversarial examples", path, note)
