"""Figure 7: adversarial images beside images with random noise of growing size, with accuracies."""

from collections.abc import Mapping

import numpy as np

import keras_intriguing as ki
from keras_intriguing.report import Cell, Claim, Figure, Section, Table, figures
from reproductions.measurements import examples
from reproductions.measurements.examples import PENALTY, RANDOM
from reproductions.measurements.transfer import Adversarial, Clean, Noise, Transfer
from reproductions.presentation import cells, descriptions
from reproductions.presentation.verdicts import POINTS, claim, difference
from reproductions.shared import intervals, verdict
from reproductions.shared.chapter import Chapter
from reproductions.shared.effects import of_outcomes
from reproductions.shared.intervals import Number
from reproductions.shared.measurement import Measurement, Values
from reproductions.shared.paper import PAPER
from reproductions.shared.run import Run
from reproductions.shared.verdict import ERROR_MARGIN

PRESETS = tuple(PAPER["table1"])
STDDEVS = (0.06, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
CLEAN = Transfer("figure7/clean", Clean(), PRESETS)
_ATTACKED = ("fc10_mnist_decay1e-4", "fc200_200_10_mnist")  # the paper's two panels of examples
_DRAWN = (0.1, 0.3, 1.0)
_SHOWN = 10
_PAPER = PAPER["figure7"]


def noisy(stddev: float) -> Transfer:
    """The models' errors under noise."""
    return Transfer(f"figure7/noise{stddev:g}", Noise(stddev), PRESETS)


def own_examples(preset: str) -> Transfer:
    """A model's error on its own examples."""
    return Transfer(f"figure7/{preset}", Adversarial(preset, PENALTY), (preset,))


def _plan(run: Run) -> list[Measurement]:
    noises = [noisy(stddev) for stddev in STDDEVS]
    return [CLEAN, *noises, *(own_examples(preset) for preset in PRESETS)]


def _section(run: Run, values: Values) -> Section:
    """Accuracies as a table and as curves, and the images."""
    columns = [PAPER["presets"][preset] for preset in PRESETS]
    rows = [("the originals", _accuracies(values[CLEAN].errors))]
    for stddev in STDDEVS:
        published = f"{_PAPER['accuracy']:g}%" if stddev == _PAPER["stddev"] else ""
        rows.append((f"noise, stddev {stddev:g}", _accuracies(values[noisy(stddev)].errors, published)))
    own = {preset: values[own_examples(preset)].errors[preset] for preset in PRESETS}
    rows.append(("its own adversarial examples", _accuracies(own)))
    note = "Share of images that keep their true label. The paper does not say which model has 51% accuracy at stddev 1."
    return Section(
        "Figure 7: adversarial images and random noise",
        [_images(run, values), _curves(run, values)],
        _text(values),
        folded=[Table("Accuracy under noise and on adversarial examples", "images", columns, rows, note)],
        method=[
            f"Accuracies are those on {descriptions.attacked(run)}. The noise is Gaussian and not clipped to [0, 1]. The examples "
            "are made by the penalty method towards random wrong classes.",
        ],
    )


def _text(values: Values) -> str:
    kept = [100 * intervals.complement(e).value for e in values[noisy(_PAPER["stddev"])].errors.values()]
    own = [values[own_examples(preset)] for preset in PRESETS]
    left = max(100 * intervals.complement(one.errors[p]).value for p, one in zip(PRESETS, own, strict=True))
    sizes = [one.distortion.value for one in own]
    return (
        f"Under noise of standard deviation {_PAPER['stddev']:g} the models still have {min(kept):.0f}% to {max(kept):.0f}% "
        f"accuracy, {_PAPER['accuracy']:g}% in the paper. On their own adversarial examples, whose average distortion is "
        f"{min(sizes):.3f} to {max(sizes):.3f}, they have {'none' if left == 0 else f'at most {left:.1f}%'}."
    )


def _accuracies(errors: Mapping[str, Number], paper: str = "") -> list[Cell]:
    return [cells.percent(intervals.complement(errors[preset]), paper) for preset in PRESETS]


def _images(run: Run, values: Values) -> Figure:
    x, _ = run.attacked
    rows = []
    for preset in _ATTACKED:
        result = examples.load(run, examples.on_digits(preset, PENALTY, RANDOM)).arrays
        shown = np.flatnonzero(result["success"])[:_SHOWN]
        own = values[own_examples(preset)]
        rows.append((f"originals, {PAPER['presets'][preset]}", x[shown], result["label_before"][shown]))
        rows.append(
            (
                f"adversarial, distortion {own.distortion.value:.3f},\naccuracy {_shown(own.errors[preset])}",
                result["adversarial"][shown],
                result["label_after"][shown],
            )
        )
    model = _ATTACKED[1]
    for stddev in _DRAWN:
        images = ki.transfer.gaussian_noise(x, stddev, run.seed)[:_SHOWN]
        label = ki.evaluation.labels(run.model(model), images)
        error = values[noisy(stddev)].errors[model]
        rows.append((f"noise, stddev {stddev:g},\naccuracy {_shown(error)}", images, label))
    path = run.out / "figures" / "figure7-images.png"
    figures.strips(path, [(name, list(images), [str(n) for n in labels]) for name, images, labels in rows])
    note = (
        f"The first {_SHOWN} images, below each the label that the model gives it: the row's model, for noise "
        f"{PAPER['presets'][model]}; training seed 0. Pixels outside [0, 1] are drawn as the nearest grey."
    )
    alt = (
        f"Seven rows of {_SHOWN} digits: originals and adversarial images of two models, then noise of three sizes. The "
        "adversarial digits are easy to read; under the strongest noise they can hardly be made out."
    )
    return Figure("Adversarial images and noise", path, note, alt)


def _shown(error: Number) -> str:
    return f"{100 * (1 - error.value):.0f}%"


def _curves(run: Run, values: Values) -> Figure:
    curves = {}
    for preset in PRESETS:
        errors = [values[one].errors[preset] for one in (CLEAN, *(noisy(stddev) for stddev in STDDEVS))]
        curves[PAPER["presets"][preset]] = [100 * (1 - error.value) for error in errors]
    path = run.out / "figures" / "figure7-accuracy.png"
    figures.curves(
        path,
        (0.0, *STDDEVS),
        curves,
        ("standard deviation of the noise", "accuracy, %"),
        ("the paper", _PAPER["stddev"], _PAPER["accuracy"]),
    )
    alt = "Six falling curves, one a model, of accuracy over the noise's standard deviation, and the paper's point at 1."
    return Figure("Accuracy under noise", path, "At standard deviation 0: the originals.", alt)


def claims(run: Run, values: Values) -> list[Claim]:
    """What the accuracies say of the paper's remark."""
    under_noise = values[noisy(_PAPER["stddev"])]
    own = {preset: values[own_examples(preset)] for preset in PRESETS}
    more = {
        PAPER["presets"][preset]: of_outcomes(
            difference(own[preset].wrong[preset], under_noise.wrong[preset])
        )
        for preset in PRESETS
    }
    at_one = [intervals.complement(number) for number in under_noise.errors.values()]
    least = min(at_one, key=lambda number: number.value)
    left = max(1 - row.errors[preset].value for preset, row in own.items())
    return [
        claim(
            "Noise of standard deviation 1 leaves accuracy where small adversarial changes leave none",
            verdict.greater(list(more.values()), ERROR_MARGIN),
            more,
            POINTS,
            "lowest accuracy of a model under that noise",
            cells.percent(least, f"{_PAPER['accuracy']:g}%"),
            "The paper: 51% under noise beyond recognition, none on examples of a sixteenth of that size; read as: every model is "
            f"right about more images under this noise than about its own examples of them (at most {100 * left:.1f}%). More accuracy under noise:",
        )
    ]


CHAPTER = Chapter("figure7", _plan, _section, claims)
