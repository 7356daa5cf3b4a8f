"""Figure 6: photographs of one class that the unsupervised net's classifier no longer recognizes after a small change."""

import numpy as np

import keras_intriguing as ki
from keras_intriguing.report import Cell, Claim, Figure, Section, Table, figures
from reproductions.measurements import detector, examples
from reproductions.measurements.detector import Detector, Unrecognized
from reproductions.measurements.examples import DIRECT, METHODS, PENALTY
from reproductions.measurements.survival import STORED
from reproductions.presentation import cells, descriptions, survival
from reproductions.shared import imagenette, verdict
from reproductions.shared.chapter import Chapter
from reproductions.shared.measurement import Values
from reproductions.shared.run import Run

_SHOWN = 8


def by(method: str) -> Detector:
    """The attack by a method."""
    return Detector(f"figure6/{method}", method)


def _section(run: Run, values: Values) -> Section:
    """How well the class is detected, distortions, survival, and the first of the images."""
    name = imagenette.words(run)[detector.positive_class(run)]
    measured = {method: values[by(method)] for method in METHODS}
    drawn = (
        f"{measured[DIRECT].success.n} photographs drawn at random (seed {run.seed}) from those of "
        f"{descriptions.photographs(run)} that show a {name} and are recognized"
    )
    survive = [row for method, one in measured.items() for row in survival.rows(method, one.wrong)]
    note = (
        f"Share of the examples that are still not taken for a {name}, after rounding to 256 levels and after a JPEG file. "
        "Originals are the photographs themselves."
    )
    peak = max(one.peak_mib for one in measured.values())
    return Section(
        f"Figure 6: {name}s that are no longer recognized",
        [_figure(run, name)],
        _text(measured[DIRECT], name),
        folded=[
            _distortions(measured, name),
            Table(f"How many stay no {name} after being stored", "examples", list(STORED), survive, note),
            _detection(name),
        ],
        method=[
            f"{drawn[0].upper() + drawn[1:]}; they are to become anything else. Distortion: root mean square over pixels and "
            f"channels in [0, 1]; the paper gives none. The process that made them held at most {peak:,} MiB."
        ],
        provenance=[("measured on", drawn)],
    )


def _text(found: Unrecognized, name: str) -> str:
    size = found.distortion.value
    return (
        f"Of {found.success.n} photographs that the classifier takes for a {name}, {100 * found.success.value:.0f}% are no longer "
        f"recognized after an average change of {size:.4f} of the range, {255 * size:.1f} of 255 levels. The classifier works on "
        "the features of a network that was trained without labels."
    )


def _distortions(measured: dict[str, Unrecognized], name: str) -> Table:
    rows = [
        (method, [cells.distortion(one.distortion), cells.percent(one.success)])
        for method, one in measured.items()
    ]
    return Table(
        f"Average distortion of each {name}", "method", ["distortion", "success"], rows, cells.SUCCESSES
    )


def _detection(name: str) -> Table:
    """What the preset records of its detectors."""
    recorded = ki.presets.load_metrics(detector.PRESET)["detection"]
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
        "Units and thresholds were chosen on training photographs, the network's sizes with these figures in sight; the intervals "
        "do not count that.",
    )


def _figure(run: Run, name: str) -> Figure:
    x = detector.chosen(run)
    net, made = run.model(detector.PRESET), examples.load(run, detector.attack(PENALTY)).arrays
    shown = np.flatnonzero(made["success"])[:_SHOWN]
    before, after = (imagenette.confidences(net, images[shown]) for images in (x, made["adversarial"]))
    triples = [
        figures.Triple(
            x[i], made["adversarial"][i], f"{name}\n{100 * before[k]:.0f}%", f"not\n{100 * after[k]:.0f}%"
        )
        for k, i in enumerate(shown)
    ]
    path = run.out / "figures" / "figure6-examples.jpg"
    figures.triples(path, [("", triples[i : i + 2]) for i in range(0, len(triples), 2)])
    note = (
        f"The first {len(shown)} of the photographs: original; difference around grey, scaled as written above; adversarial "
        "image. Verdicts and probabilities are the classifier's. Method penalty."
    )
    alt = f"{len(shown)} photographs of a {name} that look the same before and after; after, the classifier says no."
    return Figure(f"A {name} and no {name}", path, note, alt)


def claims(run: Run, values: Values) -> list[Claim]:
    """Whether every recognized photograph could be made unrecognized."""
    measured = values[by(DIRECT)]
    success = min(values[by(method)].success.value for method in METHODS)
    failed = sum(round((1 - one.value) * one.n) for one in (values[by(method)].success for method in METHODS))
    return [
        Claim(
            "A classifier on the features of an unsupervised network has adversarial examples too",
            verdict.without_exception(failed, measured.success.n),
            "average distortion",
            cells.distortion(measured.distortion),
            f"Read as: for every photograph that it recognizes and that was attacked. Either method succeeds on at least {100 * success:.1f}% of "
            f"{measured.success.n}.",
        )
    ]


CHAPTER = Chapter(
    "figure6", lambda run: [by(method) for method in METHODS], _section, claims, photographs=True
)
