"""Figure 5: photographs that are all taken for one class after an imperceptible change, and what becomes of it in files."""

import numpy as np

from keras_intriguing.report import Cell, Claim, Figure, Section, Table
from reproductions.measurements import examples, one_target
from reproductions.measurements.examples import METHODS, PENALTY
from reproductions.measurements.one_target import IMAGES, OneTarget, Targeted
from reproductions.measurements.survival import key
from reproductions.presentation import cells, closeness, descriptions, photographs, survival
from reproductions.shared import imagenette
from reproductions.shared.chapter import Chapter
from reproductions.shared.measurement import Values
from reproductions.shared.paper import PAPER
from reproductions.shared.run import Run

_SHOWN = 8


def by(method: str) -> OneTarget:
    """The attack by a method."""
    return OneTarget(f"figure5/{method}", method)


def _section(run: Run, values: Values) -> Section:
    """Distortions, survival, and the first of the images."""
    target = imagenette.words(run)[one_target.target_class(run)]
    measured = {method: values[by(method)] for method in METHODS}
    drawn = (
        f"{IMAGES} photographs drawn at random (seed {run.seed}) from those of {descriptions.photographs(run)} that are "
        f"correctly classified and show no {target}"
    )
    survive = [
        row for method, one in measured.items() for row in survival.rows(method, one.target, one.wrong)
    ]
    peak = max(one.peak_mib for one in measured.values())
    return Section(
        f"Figure 5: photographs that all become “{target}”",
        [_figure(run, target)],
        _text(measured[PENALTY], target),
        folded=[
            _distortions(measured, target),
            survival.table(f"How many stay “{target}” after being stored", target, survive),
        ],
        method=[
            f"{drawn[0].upper() + drawn[1:]}; the target was drawn likewise. {photographs.DISTORTION} The process that made them "
            f"held at most {peak:,} MiB."
        ],
        provenance=[("measured on", drawn)],
    )


def _text(found: Targeted, target: str) -> str:
    size, stored = found.distortion.value, found.target[key(1.0)]
    return (
        f"The attack turned {100 * found.success.value:.0f}% of {found.success.n} photographs into “{target}”. The average change is "
        f"{size:.4f} of the range, {255 * size:.1f} of 255 levels; the paper has {PAPER['figure5']['distortion']:g} on AlexNet. "
        f"Rounded to 8 bits {100 * stored['8 bits'].value:.0f}% of the examples keep that label, after a JPEG file of quality 95 "
        f"{100 * stored['JPEG, quality 95'].value:.0f}%."
    )


def _distortions(measured: dict[str, Targeted], target: str) -> Table:
    paper = f"{PAPER['figure5']['distortion']:g}"
    rows = [
        (
            method,
            [
                cells.distortion(one.distortion, paper),
                cells.percent(one.success),
                Cell(f"{one.backward_passes:,.0f}"),
            ],
        )
        for method, one in measured.items()
    ]
    title = f"Average distortion of what becomes “{target}”"
    return Table(
        title, "method", ["distortion", "success", "backward passes an image"], rows, cells.SUCCESSES
    )


def _figure(run: Run, target: str) -> Figure:
    x, y = one_target.chosen(run)
    names = imagenette.words(run)
    made = examples.load(run, one_target.attack(imagenette.ALEXNET, PENALTY)).arrays
    shown = np.flatnonzero(made["success"])[:_SHOWN]
    before, after = ([names[label] for label in labels[shown]] for labels in (y, made["label_after"]))
    path = run.out / "figures" / "figure5-examples.jpg"
    net = run.model(imagenette.ALEXNET)
    photographs.pairs(path, net, x[shown], made["adversarial"][shown], before, after)
    note = (
        f"The first {len(shown)} of the photographs: {photographs.NOTE}. Labels and probabilities are by the network of "
        "training seed 0. Method penalty."
    )
    alt = f"{len(shown)} photographs that look the same before and after. Before: {', '.join(before)}; after: {target}."
    return Figure(f"Photographs and what becomes “{target}”", path, note, alt)


def claims(run: Run, values: Values) -> list[Claim]:
    """Whether every photograph could be driven to the class, by a change that is small."""
    return [
        closeness.claim(
            "Every photograph has a very close adversarial example of any class",
            {method: values[by(method)] for method in METHODS},
            PENALTY,
            "a class drawn at random",
            "The paper's figure is of AlexNet.",
        )
    ]


CHAPTER = Chapter(
    "figure5", lambda run: [by(method) for method in METHODS], _section, claims, photographs=True
)
