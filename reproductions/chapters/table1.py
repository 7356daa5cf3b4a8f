"""Table 1: errors and average minimum distortions of the MNIST models."""

import itertools

import numpy as np

from keras_intriguing.report import Cell, Claim, Figure, Section, Table, figures
from reproductions.measurements import examples
from reproductions.measurements.certified import CertifiedDistortion
from reproductions.measurements.distortions import AverageDistortion, Distortions
from reproductions.measurements.errors import Errors
from reproductions.measurements.examples import DIRECT, NEAREST, PENALTY, RANDOM
from reproductions.shared import cells, descriptions, recorded
from reproductions.shared.chapter import Chapter
from reproductions.shared.measurement import Measurement, Values
from reproductions.shared.paper import PAPER
from reproductions.shared.run import Run

PRESETS = tuple(PAPER["table1"])
ATTACKS = ((PENALTY, RANDOM), (DIRECT, RANDOM), (PENALTY, NEAREST), (DIRECT, NEAREST))
_TARGETS = {RANDOM: "random targets", NEAREST: "nearest class"}
_FC10 = ("fc10_mnist_decay1e-4", "fc10_mnist_decay1e-2", "fc10_mnist_decay1")
_SHOWN = 4  # images of the figure


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
    """The table and a figure of examples."""
    measured = "MNIST" if run.dataset == "mnist" else "5,000 MNIST training images"
    attacks = [f"distortion, {_TARGETS[targets]}, {method}" for method, targets in ATTACKS]
    columns = [
        f"training error, {measured}",
        "test error",
        *attacks,
        "certified distortion, nearest class",
        "survive 8 bits, direct",
    ]
    rows = [(PAPER["presets"][preset], _cells(run, preset, values)) for preset in PRESETS]
    note = (
        f"Distortion: root mean square of the change over 784 pixels in [0, 1], mean over {descriptions.attacked(run)}. "
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


def _cells(run: Run, preset: str, values: Values) -> list[Cell]:
    paper = PAPER["table1"][preset]
    found = [
        recorded.error_cell(run, preset, split, values[errors(preset)], f"{paper[f'{split}_error']:g}%")
        for split in ("train", "test")
    ]
    for method, targets in ATTACKS:
        measured = values[distortion(preset, method, targets)]
        published = f"{paper['distortion']:g}" if targets == RANDOM else ""
        found.append(cells.distortion(measured.distortion, published, measured.success.value))
    found.append(cells.distortion(values[certified(preset)].distortion))
    found.append(cells.percent(values[distortion(preset, DIRECT, RANDOM)].survives_rounding))
    return found


def _figure(run: Run) -> Figure:
    images = run.attacked[0]
    rows = []
    for preset in PRESETS:
        result = examples.load(run, examples.on_digits(preset, DIRECT, RANDOM)).arrays
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


def claims(run: Run, values: Values) -> list[Claim]:
    """What the table says of the paper's claims."""
    return [_every_sample(values), _weight_decay(values), _which_targets(values)]


def _every_sample(values: Values) -> Claim:
    measured: list[Distortions] = [
        values[distortion(p, method, RANDOM)] for p in PRESETS for method in examples.METHODS
    ]
    worst = min(one.success.value for one in measured)
    largest = max(one.distortion.value for one in measured)
    return Claim(
        "“For all the networks we studied, for each sample, we have always managed to generate very close, visually "
        "hard to distinguish, adversarial examples” (read as: every image, at an average distortion below the paper's "
        "largest, 0.14)",
        "holds" if worst == 1 and largest <= 0.14 else "does not hold",
        f"the lowest success rate of a model and method is {100 * worst:.1f}%, the largest average distortion "
        f"{largest:.3f}",
    )


def _weight_decay(values: Values) -> Claim:
    numbers = [values[distortion(p, DIRECT, RANDOM)].distortion for p in _FC10]
    pairs = list(itertools.pairwise(numbers))
    if all(a.high < b.low for a, b in pairs):
        verdict = "holds"
    elif any(a.low > b.high for a, b in pairs):
        verdict = "does not hold"
    else:
        verdict = "undecided"
    means = (
        " < ".join(f"{n.value:.4f}" for n in numbers)
        if verdict == "holds"
        else str([round(n.value, 4) for n in numbers])
    )
    return Claim(
        "A stronger weight decay makes softmax regression harder to distort",
        verdict,
        f"average minimum distortions for λ = 1e-4, 1e-2, 1: {means}",
    )


def _which_targets(values: Values) -> Claim:
    def mismatch(targets: str) -> float:
        ratios = [
            values[distortion(p, PENALTY, targets)].distortion.value / PAPER["table1"][p]["distortion"]
            for p in PRESETS
        ]
        return sum(abs(1 - ratio) for ratio in ratios) / len(ratios)

    random, nearest = mismatch(RANDOM), mismatch(NEAREST)
    return Claim(
        "The paper's average minimum distortions are those to random target classes (it does not say which)",
        "does not hold" if random >= nearest else "holds" if random < 0.25 else "undecided",
        f"they differ from ours by {100 * random:.0f}% on average for random targets, by {100 * nearest:.0f}% for the "
        "nearest class",
    )


CHAPTER = Chapter("table1", _plan, _section, claims)
