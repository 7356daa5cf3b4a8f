"""Table 1: errors and average minimum distortions of the MNIST models."""

import itertools
from typing import Any

import numpy as np

import keras_intriguing as ki
from keras_intriguing.report import Cell, Claim, Figure, Section, Table, figures
from reproductions.measurements import examples
from reproductions.measurements.certified import MOST, CertifiedDistortion
from reproductions.measurements.distortions import AverageDistortion, Distortions
from reproductions.measurements.errors import Errors
from reproductions.measurements.examples import DIRECT, NEAREST, PENALTY, RANDOM
from reproductions.presentation import cells, descriptions, recorded
from reproductions.presentation.verdicts import DISTORTION, between_models, claim, evidence
from reproductions.shared import verdict
from reproductions.shared.chapter import Chapter
from reproductions.shared.effects import of_values
from reproductions.shared.measurement import Measurement, Values
from reproductions.shared.paper import PAPER
from reproductions.shared.run import Run
from reproductions.shared.verdict import DISTORTION_MARGIN

PRESETS = tuple(PAPER["table1"])
ATTACKS = ((PENALTY, RANDOM), (DIRECT, RANDOM), (PENALTY, NEAREST), (DIRECT, NEAREST))
_TARGETS = {RANDOM: "random targets", NEAREST: "nearest class"}
_LARGEST = max(row["distortion"] for row in PAPER["table1"].values())
_FC10 = ("fc10_mnist_decay1e-4", "fc10_mnist_decay1e-2", "fc10_mnist_decay1")
_SHOWN = 3  # images of the figure


def errors(preset: str) -> Errors:
    """A model's errors."""
    return Errors(f"table1/{preset}-errors", preset, ("train", "test"))


def distortion(preset: str, method: str, targets: str) -> AverageDistortion:
    """A model's average minimum distortion."""
    return AverageDistortion(f"table1/{preset}-{method}-{targets}", preset, method, targets)


def certified(preset: str) -> CertifiedDistortion:
    """The distortion below which no image can change its label."""
    return CertifiedDistortion(f"table1/{preset}-certified", preset)


def _plan(run: Run) -> list[Measurement]:
    planned: list[Measurement] = []
    for preset in PRESETS:
        planned.append(errors(preset))
        planned += [distortion(preset, *attack) for attack in ATTACKS]
        planned.append(certified(preset))
    return planned


def _section(run: Run, values: Values) -> Section:
    """The paper's table, examples, and all distortions."""
    return Section(
        "Table 1: the models and their smallest distortions",
        [_main_table(run, values), _figure(run)],
        _text(values),
        folded=[_distortions_table(values), _robust_accuracy(run, values)],
        method=[
            "Distortion is the root mean square of the change over 784 pixels in [0, 1]. Averages are over "
            f"{descriptions.attacked(run)}.",
            "Random targets: for every image a uniformly random wrong class, the same for all models. Nearest class: whichever "
            "other class is nearest.",
            "Penalty is the paper's method, c‖r‖² + cross-entropy. Direct solves the constrained problem itself.",
            "Certified: no smaller change gives another label. It is proved by linear bounds through the layers or by the "
            "network's Lipschitz bound. Every image's true minimum lies between it and what direct found.",
        ],
    )


def _main_table(run: Run, values: Values) -> Table:
    images = "MNIST" if run.dataset == "mnist" else "5,000 MNIST training images"
    columns = [
        f"training error, {images}",
        "test error",
        "distortion, random targets",
        "distortion, nearest class",
    ]
    rows = []
    for preset in PRESETS:
        paper = PAPER["table1"][preset]
        row = [
            recorded.error_cell(run, preset, split, values[errors(preset)], f"{paper[f'{split}_error']:g}%")
            for split in ("train", "test")
        ]
        row += [_cell(values, preset, PENALTY, RANDOM), _cell(values, preset, DIRECT, NEAREST)]
        rows.append((PAPER["presets"][preset], row))
    note = (
        "Distortion: root mean square of the change. Towards random targets it is by the paper's method, average over "
        f"{min(run.by_penalty, run.images):,} images; to the nearest class by one that comes closer to the smallest, average "
        f"over {run.images:,}."
    )
    return Table("Errors and average smallest distortions", "model", columns, rows, note)


def _cell(values: Values, preset: str, method: str, targets: str) -> Cell:
    measured = values[distortion(preset, method, targets)]
    paper = f"{PAPER['table1'][preset]['distortion']:g}" if targets == RANDOM else ""
    return cells.distortion(measured.distortion, paper, measured.success.value)


def _distortions_table(values: Values) -> Table:
    attacks = [f"{_TARGETS[targets]}, {method}" for method, targets in ATTACKS]
    columns = [*attacks, "nearest class, certified", "random targets, direct: survive 8 bits"]
    rows = []
    for preset in PRESETS:
        row = [_cell(values, preset, *attack) for attack in ATTACKS]
        row.append(cells.distortion(values[certified(preset)].distortion))
        row.append(cells.percent(values[distortion(preset, DIRECT, RANDOM)].survives_rounding))
        rows.append((PAPER["presets"][preset], row))
    note = f"Certified are the first {MOST} of the images at most. "
    note += "Last column: the share of these examples that still have their target's label after rounding to 256 grey levels."
    return Table(
        "Distortions by every method, and their certified lower bounds", "model", columns, rows, note
    )


def _text(values: Values) -> str:
    success = min(values[distortion(p, *attack)].success.value for p in PRESETS for attack in ATTACKS)
    every = (
        "The attack found an adversarial example for every image and every model."
        if success == 1
        else f"Where the attack did worst, it found adversarial examples for {100 * success:.1f}% of the images."
    )
    sizes = [values[distortion(p, PENALTY, RANDOM)].distortion.value for p in PRESETS]
    papers = [PAPER["table1"][p]["distortion"] for p in PRESETS]
    proved = [values[certified(p)].distortion.value for p in PRESETS]
    some = values[certified(PRESETS[0])].distortion.n
    return (
        f"{every} Towards random classes the average change is {min(sizes):.3f} to {max(sizes):.3f} of the range of grey "
        f"levels, {min(papers):g} to {max(papers):g} in the paper. On the first {some} images the certified lower bounds of "
        f"the distance to the nearest class are {min(proved):.4f} to {max(proved):.4f}, by model."
    )


def _figure(run: Run) -> Figure:
    images = run.attacked[0]
    rows = []
    for preset in PRESETS:
        result = examples.load(run, examples.on_digits(preset, DIRECT, RANDOM)).arrays
        changed = result["label_before"] != result["label_after"]  # not an image that was its target before
        shown = np.flatnonzero(result["success"] & changed)[:_SHOWN]
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
    figures.triples(path, rows)
    note = (
        f"The first {_SHOWN} images on which the attack succeeded and changed the label, for each model: the original with "
        "the model's label; the difference around grey, scaled as written above; the adversarial image with the label "
        "that it then has. Method direct, random targets, training seed 0."
    )
    alt = (
        f"Six rows, one a model, of {_SHOWN} digits each: original, difference, adversarial image. The "
        "adversarial digits look like the originals to the eye; their labels differ."
    )
    return Figure("Adversarial examples", path, note, alt)


def _robust_accuracy(run: Run, values: Values) -> Figure:
    """What is left of the accuracy at every distance, between the curves of what is certified and what was found."""
    drawing = ki.plots.Picture(figsize=(9.6, 5.4), layout="constrained")
    count = min(run.by_penalty, MOST)
    for axes, preset in zip(drawing.subplots(2, 3).flat, PRESETS, strict=True):
        proved: dict[str, Any] = values[certified(preset)].of_first
        attacked: dict[str, Any] = examples.load(run, examples.on_digits(preset, DIRECT, NEAREST)).arrays
        certificate, found = ki.Certificate(**proved), ki.Result(**attacked)
        labels = run.attacked[1][:count]
        ki.plots.robust_accuracy(found[:count], certificate, y=labels, axes=axes)
        axes.set_title(PAPER["presets"][preset], fontsize=10)
        axes.get_legend().remove()
    drawing.legend(*drawing.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    path = run.out / "figures" / "table1-robust-accuracy.png"
    figures.save(drawing, path)
    note = (
        f"The share of the first {count} images that are correctly classified whatever change of that length is made: at most "
        "what the attack has not broken (direct, nearest class), at least what is certified. Training seed 0."
    )
    alt = "Six pairs of falling curves, one a model: found above, certified below."
    return Figure("Robust accuracy, between what is certified and what was found", path, note, alt)


def claims(run: Run, values: Values) -> list[Claim]:
    """What the table says of the paper's claims."""
    return [_every_sample(values), _weight_decay(values), _which_targets(values)]


def _every_sample(values: Values) -> Claim:
    measured: dict[str, Distortions] = {
        f"{PAPER['presets'][p]}, {method}": values[distortion(p, method, RANDOM)]
        for p in PRESETS
        for method in examples.METHODS
    }
    success = min(one.success.value for one in measured.values())
    tried = sum(one.each.size for one in measured.values())
    failed = sum(int(np.isnan(one.each).sum()) for one in measured.values())
    below = {name: of_values(_LARGEST - one.each.astype(float)) for name, one in measured.items()}
    close = verdict.greater(list(below.values()), DISTORTION_MARGIN)
    largest = max((one.distortion for one in measured.values()), key=lambda number: number.value)
    return Claim(
        "Every image has a very close adversarial example, for every model",
        verdict.all_of([verdict.without_exception(failed, tried), close.verdict]),
        "largest average distortion of a model and method",
        cells.distortion(largest, f"{_LARGEST:g}"),
        "“For all the networks we studied, for each sample, we have always managed to generate very close, visually hard to "
        "distinguish, adversarial examples”; read as: of every image that was attacked, at an average distortion below the "
        f"paper's largest, {_LARGEST:g}. The lowest success rate of a model and method is {100 * success:.1f}%. "
        f"{evidence(close, below, DISTORTION)}",
    )


def _weight_decay(values: Values) -> Claim:
    found = {preset: values[distortion(preset, DIRECT, RANDOM)] for preset in _FC10}
    rises = {
        f"{PAPER['presets'][a]} to {PAPER['presets'][b]}": of_values(
            between_models(found[b].each, found[a].each)
        )
        for a, b in itertools.pairwise(_FC10)
    }
    first, *_, last = (one.distortion for one in found.values())
    return claim(
        "Stronger weight decay makes softmax regression harder to change",
        verdict.greater(list(rises.values()), DISTORTION_MARGIN),
        rises,
        DISTORTION,
        "average distortion with λ = 1",
        cells.distortion(last),
        f"Read as: the average smallest distortion towards random targets rises from one λ to the next, on the same images; with "
        f"λ = 1e-4 it is {first.value:.4f}.",
    )


def _which_targets(values: Values) -> Claim:
    def halfway(preset: str) -> np.ndarray:
        """Between an image's two distances."""
        random, nearest = (values[distortion(preset, PENALTY, t)].each.astype(float) for t in _TARGETS)
        return (random + nearest) / 2

    beyond = {PAPER["presets"][p]: of_values(PAPER["table1"][p]["distortion"] - halfway(p)) for p in PRESETS}
    gaps = [
        abs(1 - values[distortion(p, PENALTY, RANDOM)].distortion.value / PAPER["table1"][p]["distortion"])
        for p in PRESETS
    ]
    return claim(
        "The paper's distortions are those to random target classes",
        verdict.greater(list(beyond.values()), DISTORTION_MARGIN),
        beyond,
        DISTORTION,
        "average gap to the paper's distortions, random targets",
        Cell(f"{100 * sum(gaps) / len(gaps):.0f}%"),
        "The paper does not name its targets. Read as: for every model its figure is nearer to our average for random targets "
        "than to that for the nearest class. The paper's figure minus the middle of the two:",
        of_paper=False,
    )


CHAPTER = Chapter("table1", _plan, _section, claims)
