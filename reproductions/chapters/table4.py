"""Table 4: examples made for models of one half of the training set, fed to models of the other."""

from typing import Any

import numpy as np

import keras_intriguing as ki
from keras_intriguing.report import Section, Table
from reproductions.shared import asymmetry, cross
from reproductions.shared.run import PAPER, Run

PRESETS = list(PAPER["table3"])
AMPLIFIED = 0.1  # the distortion of the lower rows
NOISE = {"noise0.06": 0.06, "noise0.1": AMPLIFIED}
CLEAN = "clean"


def steps(run: Run) -> int:
    """How many records the table takes."""
    made = len(PRESETS) * (4 + run.training_seeds)
    return made + len(NOISE) + 1 + (run.training_seeds > 1)


def measure(run: Run) -> dict[str, dict[str, Any]]:
    """Every row's errors and average distortion.

    For every model the rows `as made/`, `noise/` (of the same distortion, image by image), `amplified/` and
    `literal/` (the paper's formula as it is printed); then Gaussian noise and the clean images. With several
    training runs, `asymmetry` compares both directions of every pair of models.
    """
    x, _ = run.attacked
    rows = {CLEAN: cross.row(run, "table4/clean", cross.unmade(x), PRESETS)}
    for name, stddev in NOISE.items():
        noisy = cross.unmade(ki.transfer.gaussian_noise(x, stddev, run.seed))
        rows[name] = cross.row(run, f"table4/{name}", noisy, PRESETS, stddev=stddev)
    made = {preset: cross.made_for(run, preset, "penalty") for preset in PRESETS}
    noise = ki.transfer.gaussian_noise(x, 1.0, run.seed)
    changes = {
        "as made": lambda images: images,
        "noise": lambda images: ki.transfer.rescaled(x, noise, ki.transfer.distortion(x, images)),
        "amplified": lambda images: ki.transfer.rescaled(x, images, AMPLIFIED),
        "literal": lambda images: ki.transfer.rescaled(x, images, AMPLIFIED / np.sqrt(x[0].size)),
    }
    for kind, change in changes.items():
        for preset in PRESETS:
            name = f"table4/{preset}-{kind.replace(' ', '-')}"
            images = made[preset].changed(change)
            rows[f"{kind}/{preset}"] = cross.row(run, name, images, PRESETS)
    if run.training_seeds > 1:
        rows["asymmetry"] = asymmetry.measure(run, "table4/asymmetry", made)
    return rows


def section(run: Run, values: dict[str, dict[str, Any]]) -> Section:
    """The paper's table with noise beside, and what the printed formula of its lower rows would give."""
    columns = [*(PAPER["presets"][preset] for preset in PRESETS), "average distortion"]

    def block(kind: str, name: str, paper: str = "") -> list:
        rows = []
        for preset in PRESETS:
            row = values[f"{kind}/{preset}"]
            rms = {"as made": PAPER["table3"][preset]["distortion"], "amplified": AMPLIFIED}.get(kind)
            published = PAPER["table4"][paper][preset] if paper else None
            cells = cross.cells(row, PRESETS, published, f"{rms:g}" if rms else "")
            rows.append((name.format(cross.name_of(preset, row, run.images)), cells))
        return rows

    def noise(name: str) -> tuple:
        return (
            f"Gaussian noise, stddev {NOISE[name]:g}",
            cross.cells(values[name], PRESETS, PAPER["table4"][name], f"{NOISE[name]:g}"),
        )

    rows = [
        *block("as made", "{}", "as made"),
        noise("noise0.06"),
        *block("noise", "noise of the distortion of {}'s examples"),
        *block("amplified", "{}, amplified to 0.1", "amplified"),
        noise("noise0.1"),
        ("nothing (clean images)", cross.cells(values[CLEAN], PRESETS, None, "")),
    ]
    note = (
        f"Error of the column's model, against the true labels, on {run.described}, distorted by the penalty method for "
        f"the row's model towards random wrong classes. {run.pairs_described} Amplified: the difference from the original "
        "rescaled to a root mean square of 0.1, not clipped to [0, 1], like the noise."
    )
    literal = (
        "The paper prints x + 0.1 (x′ − x)/‖x′ − x‖₂ for the amplified rows. Taken literally, the change has an L2 norm, not "
        "a root mean square, of 0.1, far less than the smallest that changes the label: these rows. What its table "
        "shows is the rescaling to a root mean square of 0.1."
    )
    tables = [
        Table("Error on distorted images", "distorted for", columns, rows, note),
        Table("The formula as printed", "distorted for", columns, block("literal", "{}, literally"), literal),
    ]
    if "asymmetry" in values:
        published = PAPER["table4"]["as made"]
        papers = {p: dict(zip(PRESETS, published[p], strict=True)) for p in PRESETS}
        tables.append(asymmetry.table(values["asymmetry"], papers))
    return Section("Table 4: cross-training-set generalization", tables)
