"""Figure 5: photographs that are all taken for one class after an imperceptible change, and what becomes of it in files."""

import numpy as np

from keras_intriguing.report import Cell, Claim, Figure, Section, Table, figures
from reproductions.measurements import examples, one_target
from reproductions.measurements.examples import METHODS, PENALTY
from reproductions.measurements.one_target import IMAGES, OneTarget, Targeted
from reproductions.measurements.survival import STORED
from reproductions.shared import cells, descriptions, imagenette, survival_rows
from reproductions.shared.chapter import Chapter
from reproductions.shared.measurement import Values
from reproductions.shared.paper import PAPER
from reproductions.shared.run import Run

CLOSE = 2 / 255  # two grey levels
_SHOWN = 8


def by(method: str) -> OneTarget:
    """The attack by a method."""
    return OneTarget(f"figure5/{method}", method)


def _section(run: Run, values: Values) -> Section:
    """Distortions, survival, and the first of the images."""
    target = imagenette.words(run)[one_target.target_of(run)]
    measured = {method: values[by(method)] for method in METHODS}
    drawn = (
        f"{IMAGES} photographs drawn at random (seed {run.seed}) from those of {descriptions.photographs(run)} that are "
        f"correctly classified and show no {target}"
    )
    survive = [
        row for method, one in measured.items() for row in survival_rows.rows(method, one.target, one.wrong)
    ]
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
            _distortions(measured, drawn, target),
            Table("What survives being stored", "examples", columns, survive, survival),
        ],
        [_figure(run, target)],
        provenance=[("measured on", drawn)],
    )


def _distortions(measured: dict[str, Targeted], drawn: str, target: str) -> Table:
    paper = f"{PAPER['figure5']['distortion']:g}"
    rows = [
        (
            method,
            [
                cells.distortion(one.distortion, paper, one.success.value),
                cells.percent(one.success),
                Cell(f"{one.evaluations:.0f}"),
            ],
        )
        for method, one in measured.items()
    ]
    peak = max(one.peak_mib for one in measured.values())
    note = (
        f"{drawn[0].upper() + drawn[1:]}; all are to become {target}, drawn likewise. Distortion: root mean square over "
        "pixels and channels in [0, 1]. The paper's figure is of AlexNet on ImageNet, 64 examples. The process that made "
        f"them held at most {peak:,} MiB."
    )
    return Table("Average distortion", "method", ["distortion", "success", "gradients"], rows, note)


def _figure(run: Run, target: str) -> Figure:
    x, y = one_target.chosen(run)
    names = imagenette.words(run)
    net = run.model(imagenette.ALEXNET)
    made = examples.load(run, one_target.attack(imagenette.ALEXNET, PENALTY)).arrays
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


def claims(run: Run, values: Values) -> list[Claim]:
    """Whether every photograph could be driven to the class, by a change that is small."""
    measured = values[by(PENALTY)]
    success = min(values[by(method)].success.value for method in METHODS)
    size = measured.distortion
    far = success < 1 or size.low > CLOSE
    return [
        Claim(
            "For each sample there is a very close adversarial example of a chosen class (§4.2, Figure 5) (read as: of "
            f"every photograph, at an average distortion below {255 * CLOSE:g} of 255 levels, with its 95% interval)",
            "does not hold" if far else "holds" if size.high < CLOSE else "undecided",
            f"{100 * success:.1f}% of {measured.success.n} photographs by either method; average distortion "
            f"{size.value:.5f} [{size.low:.5f}–{size.high:.5f}], which is {255 * size.value:.1f} of 255 levels, "
            f"the paper's on AlexNet {PAPER['figure5']['distortion']:g}",
        )
    ]


CHAPTER = Chapter(
    "figure5", lambda run: [by(method) for method in METHODS], _section, claims, photographs=True
)
