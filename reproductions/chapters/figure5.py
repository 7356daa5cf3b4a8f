"""Figure 5: photographs that are all taken for one class after an imperceptible change, and what becomes of it in files."""

import functools
from typing import Any

import numpy as np

from keras_intriguing.report import Cell, Claim, Figure, Section, Table, figures
from reproductions.shared import examples, imagenette, storing
from reproductions.shared import intervals as statistics
from reproductions.shared.cells import distortion, percent
from reproductions.shared.run import PAPER, Run
from reproductions.shared.storing import STORED

PRESETS = [imagenette.ALEXNET]
METHODS = ("penalty", "direct")
IMAGES = 64
CLOSE = 2 / 255  # two grey levels
_SHOWN = 8


def steps(run: Run) -> int:
    """How many records the figure takes."""
    return len(METHODS) * (1 + len(run.trained(imagenette.ALEXNET)))


def measure(run: Run) -> dict[str, Any]:
    """Average distortions by both methods, and what share of the examples survives being stored."""
    return {method: _of_method(run, method) for method in METHODS}


@functools.cache
def target_of(run: Run) -> int:
    """The class that all photographs are driven to, drawn by the run's seed."""
    return int(np.random.default_rng(run.seed).integers(len(imagenette.words(run))))


@functools.cache
def chosen(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """The photographs [IMAGES, S, S, 3] and their labels: drawn at random, by the run's seed, from all that every
    training run classifies rightly and that are not of the target's class.

    Raises:
        ValueError: there are fewer.
    """
    photographs = imagenette.validation(run)
    right = photographs.labels != target_of(run)
    for preset in run.trained(imagenette.ALEXNET):
        right &= imagenette.labels_of(run, preset) == photographs.labels
    if right.sum() < IMAGES:
        raise ValueError(
            f"Of {len(photographs)} photographs only {right.sum()} are classified rightly and of another class than "
            f"{imagenette.words(run)[target_of(run)]}; {IMAGES} are needed."
        )
    drawn = np.random.default_rng(run.seed).choice(np.flatnonzero(right), IMAGES, replace=False)
    return photographs[drawn].images(imagenette.size_of(run, imagenette.ALEXNET)), photographs.labels[drawn]


def _examples(run: Run, preset: str, method: str) -> Any:
    x, _ = chosen(run)
    target = target_of(run)
    kind = f"figure5-{preset}-{method}"
    return examples.kept(run, kind, preset, x, target, method, targets=target, **imagenette.rests_on(run))


def _of_method(run: Run, method: str) -> dict[str, Any]:
    presets = run.trained(imagenette.ALEXNET)
    made = [_examples(run, preset, method) for preset in presets]

    def measure() -> dict[str, Any]:
        x, y = chosen(run)
        success = np.stack([e.arrays["success"] for e in made])
        sizes = np.stack([e.arrays["distortion"] for e in made])
        return {
            "distortion": statistics.mean(np.where(success, sizes, np.nan)),
            "success": statistics.share_of(success.astype(float)),
            "evaluations": float(np.mean([e.arrays["evaluations"] for e in made])),
            "target": storing.survival(run, presets, x, made, lambda labels: labels == target_of(run)),
            "wrong": storing.survival(run, presets, x, made, lambda labels: labels != y),
            "peak_mib": max(e.peak_mib for e in made),
        }

    hashes = [e.sha256 for e in made]
    return imagenette.record(run, f"figure5/{method}", presets, measure, examples_sha256=hashes)


def section(run: Run, values: dict[str, Any]) -> Section:
    """Distortions, survival, and the first of the images."""
    target = imagenette.words(run)[target_of(run)]
    drawn = (
        f"{IMAGES} photographs drawn at random (seed {run.seed}) from those of {imagenette.described(run)} that are classified "
        f"rightly and show no {target}"
    )
    paper = f"{PAPER['figure5']['distortion']:g}"
    sizes = [
        (
            method,
            [
                distortion(values[method]["distortion"], paper, values[method]["success"]["value"]),
                percent(values[method]["success"]),
                Cell(f"{values[method]['evaluations']:.0f}"),
            ],
        )
        for method in METHODS
    ]
    peak = max(values[method]["peak_mib"] for method in METHODS)
    note = (
        f"{drawn[0].upper() + drawn[1:]}; all are to become {target}, drawn likewise. Distortion: root mean square over "
        "pixels and channels in [0, 1]. The paper's figure is of AlexNet on ImageNet, 64 examples. The process that made them held at most "
        f"{peak:,} MiB."
    )
    survive = [row for method in METHODS for row in storing.rows(values[method], method, ("target", "wrong"))]
    columns = [f"{name}: {stored}" for name in (target, "wrong") for stored in STORED]
    survival = (
        f"Share of the examples that are still taken for {target}, and that are taken for anything wrong, after rounding to "
        "256 levels and after a JPEG file. The smallest change ends on the decision boundary, where rounding decides; "
        "longer ones (clipped to [0, 1]) lie further along the same line. Originals are the photographs "
        "themselves."
    )
    return Section(
        f"Figure 5: photographs that all become “{target}”",
        [
            Table("Average distortion", "method", ["distortion", "success", "gradients"], sizes, note),
            Table("What survives being stored", "examples", columns, survive, survival),
        ],
        [_figure(run, target)],
        provenance=[("measured on", drawn)],
    )


def _figure(run: Run, target: str) -> Figure:
    x, y = chosen(run)
    names = imagenette.words(run)
    net = run.model(imagenette.ALEXNET)
    made = _examples(run, imagenette.ALEXNET, "penalty").arrays
    shown = np.flatnonzero(made["success"])[:_SHOWN]
    before, after = (imagenette.confidences(net, images[shown]) for images in (x, made["adversarial"]))
    triples = [
        figures.Triple(
            x[i],
            made["adversarial"][i],
            f"{names[y[i]]}\n{100 * before[k]:.0f}%",
            f"{names[made['label_after'][i]]}\n{100 * after[k]:.0f}%",
        )
        for k, i in enumerate(shown)
    ]
    path = run.out / "figures" / "figure5-examples.png"
    figures.triples(path, [("", triples[i : i + 2]) for i in range(0, len(triples), 2)], magnified=10)
    note = (
        f"The first {len(shown)} of the photographs: original, difference ×10 around grey, adversarial; labels and "
        "probabilities by the net of training seed 0. Method penalty."
    )
    return Figure(f"Photographs and what becomes “{target}”", path, note)


def claims_of(values: dict[str, Any]) -> list[Claim]:
    """Whether every photograph could be driven to the class, by a change that is small."""
    success = min(values[method]["success"]["value"] for method in METHODS)
    size = values["penalty"]["distortion"]
    far = success < 1 or size["low"] > CLOSE
    return [
        Claim(
            "For each sample there is a very close adversarial example of a chosen class (§4.2, Figure 5) (read as: of "
            f"every photograph, at an average distortion below {255 * CLOSE:g} of 255 levels, with its 95% interval)",
            "does not hold" if far else "holds" if size["high"] < CLOSE else "undecided",
            f"{100 * success:.1f}% of {values['penalty']['success']['n']} photographs by either method; average distortion "
            f"{size['value']:.5f} [{size['low']:.5f}–{size['high']:.5f}], which is {255 * size['value']:.1f} of 255 levels, "
            f"the paper's on AlexNet {PAPER['figure5']['distortion']:g}",
        )
    ]
