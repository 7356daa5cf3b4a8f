"""Figure 5: photographs that are all taken for one class after an imperceptible change, and what becomes of it in files."""

import numpy as np

from keras_intriguing.report import Cell, Claim, Figure, Section, Table, figures
from reproductions.measurements import examples, one_target
from reproductions.measurements.examples import METHODS, PENALTY
from reproductions.measurements.one_target import IMAGES, OneTarget, Targeted
from reproductions.measurements.survival import STORED, key
from reproductions.presentation import cells, descriptions, survival
from reproductions.presentation.verdicts import DISTORTION, evidence
from reproductions.shared import imagenette, verdict
from reproductions.shared.chapter import Chapter
from reproductions.shared.effects import of_values
from reproductions.shared.measurement import Values
from reproductions.shared.paper import PAPER
from reproductions.shared.run import Run

CLOSE = 4 / 255  # the customary limit of a pixel's change on ImageNet (RobustBench, Croce et al. 2021)
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
    columns = [f"{name}: {stored}" for name in (target, "wrong") for stored in STORED]
    note = (
        f"Share of the examples that are still taken for {target}, and that are taken for anything wrong, after rounding to "
        "256 levels and after a JPEG file. The smallest change ends on the decision boundary, where rounding decides; "
        "longer ones (clipped to [0, 1]) lie further along the same line. Originals are the photographs "
        "themselves."
    )
    peak = max(one.peak_mib for one in measured.values())
    return Section(
        f"Figure 5: photographs that all become “{target}”",
        [_figure(run, target)],
        _text(measured[PENALTY], target),
        folded=[
            _distortions(measured, target),
            Table(f"How many stay “{target}” after being stored", "examples", columns, survive, note),
        ],
        method=[
            f"{drawn[0].upper() + drawn[1:]}; the target was drawn likewise. Distortion: root mean square over pixels and "
            "channels in [0, 1]. The paper's figure is of AlexNet on ImageNet, 64 examples. The process that made them held at "
            f"most {peak:,} MiB."
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
                cells.distortion(one.distortion, paper, one.success.value),
                cells.percent(one.success),
                Cell(f"{one.evaluations:.0f}"),
            ],
        )
        for method, one in measured.items()
    ]
    title = f"Average distortion of what becomes “{target}”"
    return Table(title, "method", ["distortion", "success", "gradients"], rows, "")


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
    path = run.out / "figures" / "figure5-examples.jpg"
    figures.triples(path, [("", triples[i : i + 2]) for i in range(0, len(triples), 2)])
    note = (
        f"The first {len(shown)} of the photographs: original; difference around grey, scaled as written above; adversarial "
        "image. Labels and probabilities are by the network of training seed 0. Method penalty."
    )
    before_names = ", ".join(names[y[i]] for i in shown)
    alt = f"{len(shown)} photographs that look the same before and after. Before: {before_names}; after: {target}."
    return Figure(f"Photographs and what becomes “{target}”", path, note, alt)


def claims(run: Run, values: Values) -> list[Claim]:
    """Whether every photograph could be driven to the class, by a change that is small."""
    measured = values[by(PENALTY)]
    tried = sum(values[by(method)].each.size for method in METHODS)
    failed = sum(int(np.isnan(values[by(method)].each).sum()) for method in METHODS)
    success = min(values[by(method)].success.value for method in METHODS)
    below = {f"Below {CLOSE:.4f} by": of_values(CLOSE - measured.each.astype(float))}
    close = verdict.greater(list(below.values()), 0.0)
    size = measured.distortion
    return [
        Claim(
            "Every photograph has a very close adversarial example of any class",
            verdict.all_of([verdict.without_exception(failed, tried), close.verdict]),
            f"average distortion, {255 * size.value:.1f} of 255 levels",
            cells.distortion(size, f"{PAPER['figure5']['distortion']:g}"),
            "§4.2; read as: of every photograph that was attacked, for a class drawn at random, at an average distortion below "
            f"{255 * CLOSE:g} of 255 levels, which is customary for changes of photographs that are not to be seen. Either method "
            f"succeeds on at least {100 * success:.1f}% of {measured.success.n} photographs. "
            f"{evidence(close, below, DISTORTION)} The paper's figure is of AlexNet.",
        )
    ]


CHAPTER = Chapter(
    "figure5", lambda run: [by(method) for method in METHODS], _section, claims, photographs=True
)
