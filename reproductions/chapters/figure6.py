"""Figure 6: photographs of one class that the unsupervised net's classifier no longer recognizes after a small change."""

import numpy as np

import keras_intriguing as ki
from keras_intriguing.report import Cell, Claim, Figure, Section, Table, figures
from reproductions.measurements import detector, examples
from reproductions.measurements.detector import Detector, Unrecognized
from reproductions.measurements.examples import DIRECT, METHODS, PENALTY
from reproductions.measurements.survival import STORED
from reproductions.shared import cells, descriptions, imagenette, survival_rows
from reproductions.shared.chapter import Chapter
from reproductions.shared.measurement import Values
from reproductions.shared.run import Run

_SHOWN = 8


def by(method: str) -> Detector:
    """The attack by a method."""
    return Detector(f"figure6/{method}", method)


def _section(run: Run, values: Values) -> Section:
    """How well the class is detected, distortions, survival, and the first of the images."""
    name = imagenette.words(run)[detector.class_of(run)]
    measured = {method: values[by(method)] for method in METHODS}
    drawn = (
        f"{measured[DIRECT].success.n} photographs drawn at random (seed {run.seed}) from those of "
        f"{descriptions.photographs(run)} that show a {name} and are recognized"
    )
    survive = [row for method, one in measured.items() for row in survival_rows.rows(method, one.wrong)]
    return Section(
        f"Figure 6: {name}s that become none",
        [
            _detection(name),
            _distortions(measured, drawn),
            Table(
                "What survives being stored",
                "examples",
                list(STORED),
                survive,
                f"Share of the examples that are still not taken for a {name}, after rounding to 256 levels and after a JPEG "
                "file. Originals are the photographs themselves.",
            ),
        ],
        [_figure(run, name)],
        provenance=[("measured on", drawn)],
    )


def _distortions(measured: dict[str, Unrecognized], drawn: str) -> Table:
    rows = [
        (
            method,
            [cells.distortion(one.distortion, "", one.success.value), cells.percent(one.success)],
        )
        for method, one in measured.items()
    ]
    peak = max(one.peak_mib for one in measured.values())
    note = (
        f"{drawn[0].upper() + drawn[1:]}; they are to become anything else. Distortion: root mean square over pixels and "
        f"channels in [0, 1]; the paper gives none. The process that made them held at most {peak:,} MiB."
    )
    return Table("Average distortion", "method", ["distortion", "success"], rows, note)


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
        "Units and thresholds were chosen on training photographs, the net's sizes with these figures in sight; the intervals "
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
    path = run.out / "figures" / "figure6-examples.png"
    figures.triples(path, [("", triples[i : i + 2]) for i in range(0, len(triples), 2)], magnified=10)
    note = (
        f"The first {len(shown)} of the photographs: original, difference ×10 around grey, adversarial, with the classifier's "
        "verdicts and probabilities. Method penalty."
    )
    return Figure(f"A {name} and no {name}", path, note)


def claims(run: Run, values: Values) -> list[Claim]:
    """Whether every recognized photograph could be made unrecognized."""
    measured = values[by(DIRECT)]
    success = min(values[by(method)].success.value for method in METHODS)
    size = measured.distortion
    return [
        Claim(
            "A classifier on the features of an unsupervised net has adversarial examples too (Figure 6)",
            "holds" if success == 1 else "does not hold",
            f"{100 * success:.1f}% of {measured.success.n} recognized photographs; average distortion "
            f"{size.value:.5f} [{size.low:.5f}–{size.high:.5f}]",
        )
    ]


CHAPTER = Chapter(
    "figure6", lambda run: [by(method) for method in METHODS], _section, claims, photographs=True
)
