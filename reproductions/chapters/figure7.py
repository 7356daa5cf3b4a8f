"""Figure 7: adversarial images beside images with random noise of growing size, with accuracies."""

from typing import Any

import numpy as np

import keras_intriguing as ki
from keras_intriguing.report import Figure, Section, Table, figures
from reproductions.shared import cross, examples
from reproductions.shared.cells import percent
from reproductions.shared.run import PAPER, Run

PRESETS = list(PAPER["table1"])
STDDEVS = (0.06, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
CLEAN = "clean"
_ATTACKED = ("fc10_mnist_decay1e-4", "fc200_200_10_mnist")  # the paper's two panels of examples
_DRAWN = (0.1, 0.3, 1.0)
_SHOWN = 10


def steps(run: Run) -> int:
    """How many records the figure takes."""
    return 1 + len(STDDEVS) + len(PRESETS) * (1 + run.training_seeds)


def measure(run: Run) -> dict[str, dict[str, Any]]:
    """The models' errors on the originals, on noise of every size, and of each on its own examples."""
    x, _ = run.attacked
    rows = {CLEAN: cross.row(run, "figure7/clean", cross.unmade(x), PRESETS)}
    for stddev in STDDEVS:
        noisy = cross.unmade(ki.transfer.gaussian_noise(x, stddev, run.seed))
        rows[f"noise{stddev:g}"] = cross.row(run, f"figure7/noise{stddev:g}", noisy, PRESETS, stddev=stddev)
    for preset in PRESETS:
        made = cross.made_for(run, preset, "penalty")
        rows[preset] = cross.row(run, f"figure7/{preset}", made, [preset])
    return rows


def section(run: Run, values: dict[str, dict[str, Any]]) -> Section:
    """Accuracies as a table and as curves, and the images."""
    columns = [PAPER["presets"][preset] for preset in PRESETS]
    own = {preset: values[preset]["errors"][preset] for preset in PRESETS}
    rows = [("the originals", _accuracies(values[CLEAN]["errors"]))]
    for stddev in STDDEVS:
        published = f"{PAPER['figure7']['accuracy']:g}%" if stddev == PAPER["figure7"]["stddev"] else ""
        rows.append(
            (f"noise, stddev {stddev:g}", _accuracies(values[f"noise{stddev:g}"]["errors"], published))
        )
    rows.append(("its own adversarial examples", _accuracies(own)))
    note = (
        f"Share of images that keep their true label, {run.described}. The noise is not clipped to [0, 1]. The examples are "
        "those of Table 1's penalty method. The paper does not say which model has 51% accuracy at stddev 1."
    )
    return Section(
        "Figure 7: adversarial images and random noise",
        [Table("Accuracy", "images", columns, rows, note)],
        [_images(run, values), _curves(run, values)],
    )


def accuracy(error: dict[str, Any]) -> dict[str, Any]:
    """The share of rightly classified images out of that of misclassified ones."""
    return {
        "value": 1 - error["value"],
        "low": 1 - error["high"],
        "high": 1 - error["low"],
        "n": error["n"],
        "runs": [1 - run for run in error["runs"]],
    }


def _accuracies(errors: dict[str, dict[str, Any]], paper: str = "") -> list[Any]:
    return [percent(accuracy(errors[preset]), paper) for preset in PRESETS]


def _images(run: Run, values: dict[str, dict[str, Any]]) -> Figure:
    x, _ = run.attacked
    rows = []
    for preset in _ATTACKED:
        result = examples.of_attacked(run, preset, "penalty", targeted=True).arrays
        shown = np.flatnonzero(result["success"])[:_SHOWN]
        mean = values[preset]["distortion"]["value"]
        rows.append((f"originals, {PAPER['presets'][preset]}", x[shown], result["label_before"][shown]))
        rows.append(
            (
                f"adversarial, distortion {mean:.3f},\naccuracy {_shown(values[preset]['errors'][preset])}",
                result["adversarial"][shown],
                result["label_after"][shown],
            )
        )
    model = _ATTACKED[1]
    for stddev in _DRAWN:
        noisy = ki.transfer.gaussian_noise(x, stddev, run.seed)[:_SHOWN]
        label = ki.evaluation.labels(run.model(model), noisy)
        error = values[f"noise{stddev:g}"]["errors"][model]
        rows.append((f"noise, stddev {stddev:g},\naccuracy {_shown(error)}", noisy, label))
    path = run.out / "figures" / "figure7-images.png"
    figures.strips(path, [(name, list(images), [str(n) for n in labels]) for name, images, labels in rows])
    note = (
        f"The first {_SHOWN} images, below each the label that the model gives it: the row's model, for noise "
        f"{PAPER['presets'][model]}; training seed 0. Pixels outside [0, 1] are drawn as the nearest grey."
    )
    return Figure("Adversarial images and noise", path, note)


def _shown(error: dict[str, Any]) -> str:
    return f"{100 * (1 - error['value']):.0f}%"


def _curves(run: Run, values: dict[str, dict[str, Any]]) -> Figure:
    curves = {}
    for preset in PRESETS:
        errors = [values[CLEAN]["errors"][preset]]
        errors += [values[f"noise{stddev:g}"]["errors"][preset] for stddev in STDDEVS]
        curves[PAPER["presets"][preset]] = [100 * (1 - error["value"]) for error in errors]
    path = run.out / "figures" / "figure7-accuracy.png"
    paper = PAPER["figure7"]
    figures.curves(
        path,
        (0.0, *STDDEVS),
        curves,
        ("standard deviation of the noise", "accuracy, %"),
        ("the paper", paper["stddev"], paper["accuracy"]),
    )
    return Figure("Accuracy under noise", path, "The table's rows, noise of stddev 0 being the originals.")
