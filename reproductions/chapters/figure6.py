"""Figure 6: photographs of one class that the unsupervised net's classifier no longer recognizes after a small change."""

import functools
from typing import Any

import numpy as np

import keras_intriguing as ki
from keras_intriguing.report import Cell, Claim, Figure, Section, Table, figures
from reproductions.shared import examples, imagenette, storing
from reproductions.shared import intervals as statistics
from reproductions.shared.cells import distortion, percent
from reproductions.shared.examples import Examples
from reproductions.shared.run import Run
from reproductions.shared.storing import STORED

PRESET = imagenette.QUOCNET
PRESETS = [PRESET]
METHODS = ("penalty", "direct")
IMAGES = 64
_CLASS = 1  # the classifier's logits: the others, the class
_SHOWN = 8


def steps(run: Run) -> int:
    """How many records the figure takes."""
    return 2 * len(METHODS)


def measure(run: Run) -> dict[str, Any]:
    """Average distortions by both methods, and what share of the examples survives being stored."""
    return {method: _of_method(run, method) for method in METHODS}


def class_of(run: Run) -> int:
    """The label, among the photographs' classes, that the classifier was trained to tell from the others."""
    return imagenette.validation(run).classes.index(ki.presets.load_metrics(PRESET)["recipe"]["positive"])


@functools.cache
def chosen(run: Run) -> np.ndarray:
    """The photographs [N, S, S, 3]: of the class and recognized as such, drawn at random by the run's seed.

    Raises:
        ValueError: none is.
    """
    photographs = imagenette.validation(run)
    right = (photographs.labels == class_of(run)) & (imagenette.labels_of(run, PRESET) == _CLASS)
    if not right.any():
        raise ValueError(f"No photograph of the class {photographs.classes[class_of(run)]} is recognized.")
    known = np.flatnonzero(right)
    drawn = np.random.default_rng(run.seed).choice(known, min(IMAGES, len(known)), replace=False)
    return photographs[drawn].images(imagenette.size_of(run, PRESET))


def _examples(run: Run, method: str) -> Examples:
    return examples.kept(
        run, f"figure6-{method}", PRESET, chosen(run), 1 - _CLASS, method, **imagenette.rests_on(run)
    )


def _of_method(run: Run, method: str) -> dict[str, Any]:
    example = _examples(run, method)

    def measure() -> dict[str, Any]:
        success = example.arrays["success"]
        sizes = np.where(success, example.arrays["distortion"], np.nan)
        return {
            "distortion": statistics.mean(sizes[None]),
            "success": statistics.share_of(success[None].astype(float)),
            "wrong": storing.survival(run, PRESETS, chosen(run), [example], lambda labels: labels != _CLASS),
            "peak_mib": example.peak_mib,
        }

    return imagenette.record(run, f"figure6/{method}", PRESETS, measure, examples_sha256=example.sha256)


def section(run: Run, values: dict[str, Any]) -> Section:
    """How well the class is detected, distortions, survival, and the first of the images."""
    name = imagenette.words(run)[class_of(run)]
    drawn = (
        f"{values['direct']['success']['n']} photographs drawn at random (seed {run.seed}) from those of "
        f"{imagenette.described(run)} that show a {name} and are recognized"
    )
    sizes = [
        (
            method,
            [
                distortion(values[method]["distortion"], "", values[method]["success"]["value"]),
                percent(values[method]["success"]),
            ],
        )
        for method in METHODS
    ]
    peak = max(values[method]["peak_mib"] for method in METHODS)
    note = (
        f"{drawn[0].upper() + drawn[1:]}; they are to become anything else. Distortion: root mean square over pixels and "
        f"channels in [0, 1]; the paper gives none. The process that made them held at most {peak:,} MiB."
    )
    survive = [row for method in METHODS for row in storing.rows(values[method], method, ("wrong",))]
    return Section(
        f"Figure 6: {name}s that become none",
        [
            _detection(name),
            Table("Average distortion", "method", ["distortion", "success"], sizes, note),
            Table(
                "What survives being stored",
                "examples",
                list(STORED),
                survive,
                f"Share of the examples that are still not taken for a {name}, after rounding to 256 levels and after a JPEG file. "
                "Originals are the photographs themselves.",
            ),
        ],
        [_figure(run, name)],
        provenance=[("measured on", drawn)],
    )


def _detection(name: str) -> Table:
    """What the preset records of its detectors."""
    recorded = ki.presets.load_metrics(PRESET)["detection"]
    rows = [
        (
            what,
            [
                Cell(
                    f"{100 * found['value']:.1f}%",
                    f"{100 * found['low']:.1f}–{100 * found['high']:.1f}%" if "low" in found else "",
                    recorded=True,
                )
            ],
        )
        for what, found in recorded.items()
    ]
    return Table(
        f"Detection of a {name}",
        "detector",
        ["balanced accuracy"],
        rows,
        "Mean of the rates at which photographs with and without one are told, on the validation photographs; 50% is chance. "
        "Units and thresholds were chosen on training photographs, the net's sizes with these figures in sight; the intervals "
        "do not count that.",
    )


def _figure(run: Run, name: str) -> Figure:
    x = chosen(run)
    net, made = run.model(PRESET), _examples(run, "penalty").arrays
    shown = np.flatnonzero(made["success"])[:_SHOWN]
    before, after = (imagenette.confidences(net, images[shown]) for images in (x, made["adversarial"]))
    triples = [
        figures.Triple(
            x[i], made["adversarial"][i], f"{name}\n{100 * before[k]:.0f}%", f"not\n{100 * after[k]:.0f}%"
        )
        for k, i in enumerate(shown)
    ]
    path = run.out / "figures" / "figure6-examples.png"
    figures.triples(path, [("", triples[i : i + 2]) for i in range(0, len(triples), 2)], magnified=10)
    note = (
        f"The first {len(shown)} of the photographs: original, difference ×10 around grey, adversarial, with the classifier's "
        "verdicts and probabilities. Method penalty."
    )
    return Figure(f"A {name} and no {name}", path, note)


def claims_of(values: dict[str, Any]) -> list[Claim]:
    """Whether every recognized photograph could be made unrecognized."""
    success = min(values[method]["success"]["value"] for method in METHODS)
    size = values["direct"]["distortion"]
    return [
        Claim(
            "A classifier on the features of an unsupervised net has adversarial examples too (Figure 6)",
            "holds" if success == 1 else "does not hold",
            f"{100 * success:.1f}% of {values['direct']['success']['n']} recognized photographs; average distortion "
            f"{size['value']:.5f} [{size['low']:.5f}–{size['high']:.5f}]",
        )
    ]
