"""Figures 3 to 5 and Table 5 with a net trained on ImageNet, as the paper's was: photographs that become ostriches."""

import dataclasses
import math

import numpy as np

from keras_intriguing.report import Cell, Claim, Figure, Section, Table
from reproductions.coherence import hypothesis, photographs, tables
from reproductions.coherence.measure import Layer
from reproductions.coherence.photographs import PhotographCoherence
from reproductions.measurements import examples, imagenet
from reproductions.measurements.folded import FoldedNorms
from reproductions.measurements.imagenet import ACCURACY, ATTACKS, BUDGET, GREY_LEVELS, IMAGES, PRESET, TARGET
from reproductions.measurements.norms import LayerNorms
from reproductions.presentation import cells, closeness, descriptions, survival
from reproductions.presentation import photographs as pictures
from reproductions.presentation.norms import NUMBERS, numbers, shape, strided
from reproductions.shared import imagenette
from reproductions.shared.chapter import Chapter
from reproductions.shared.measurement import Measurement, Values
from reproductions.shared.paper import PAPER
from reproductions.shared.run import Run

LAYERS = ("pool", "block14_project_norm")  # of the directions; the first is the last hidden one
NORMS = FoldedNorms("imagenet/norms", PRESET)
_NAMES = dict(
    zip(
        ATTACKS,
        (f"“{TARGET}”", f"“{TARGET}”, on {GREY_LEVELS} grey levels", "the nearest class"),
        strict=True,
    )
)
_SHOWN = 8


def _directions() -> dict[str, PhotographCoherence]:
    return {name: photographs.planned(Layer(PRESET, name, trained=True)) for name in LAYERS}


def _plan(run: Run) -> list[Measurement]:
    return [ACCURACY, *ATTACKS, NORMS, *_directions().values()]


def _section(run: Run, values: Values) -> Section:
    """The photographs, how far they were moved, the layers' norms, and units compared with directions."""
    drawn = (
        f"{IMAGES} photographs drawn at random (seed {run.seed}) from those of {descriptions.photographs(run)} that are "
        "correctly classified among 1,000 classes"
    )
    stored = [row for one, name in _NAMES.items() for row in _stored(values, one, name)]
    layers = {name: values[one] for name, one in _directions().items()}
    return Section(
        "ImageNet: Figures 3 to 5 and Table 5 with a net of 1,000 classes that takes photographs for ostriches",
        [_figure(run), _distortions(values)],
        _text(values),
        folded=[
            survival.table("How many survive being stored", "the wanted class", stored),
            _norms(values[NORMS]),
            tables.by_layer(layers),
        ],
        method=[
            f"The network is `{PRESET}`, EfficientNet-Lite0 with the published weights; {drawn[0].upper() + drawn[1:]}, enlarged from "
            f"160 to 224 pixels. Method direct, at most {BUDGET} passes a photograph. {pictures.DISTORTION} Without a target any "
            "wrong label was wanted.",
            "Batch normalization is folded into the convolution before it, as a factor of every channel. Networks so deep have "
            "no useful bound by the product of their layers.",
            "Units and directions are of two layers; in a convolution a photograph counts by its best position.",
        ],
        provenance=[("measured on", drawn)],
    )


def _text(values: Values) -> str:
    accuracy, ostriches, nearest = (
        values[ACCURACY],
        values[imagenet.OSTRICHES],
        values[imagenet.NEAREST_CLASS],
    )
    grey = values[imagenet.GREY_OSTRICHES]
    return (
        f"The net names {100 * accuracy.value:.1f}% of {accuracy.n:,} photographs correctly. The attack turned "
        f"{100 * ostriches.success.value:.0f}% of {ostriches.success.n} into “{TARGET}”, the class of the paper's own picture, by an "
        f"average change of {255 * ostriches.distortion.value:.2f} of 255 levels ({ostriches.distortion.value:.5f}; the paper has "
        f"{PAPER['figure5']['distortion']:g}), and {100 * grey.success.value:.0f}% where the changed image has to be one of "
        f"{GREY_LEVELS} grey levels ({grey.distortion.value:.5f}). The nearest other class is "
        f"{ostriches.distortion.value / nearest.distortion.value:.1f} times nearer."
    )


def _distortions(values: Values) -> Table:
    paper = f"{PAPER['figure5']['distortion']:g}"
    rows = []
    for one, name in _NAMES.items():
        found = values[one]
        published = paper if one is imagenet.OSTRICHES else ""
        size = cells.distortion(found.distortion, published)
        rows.append((name, [size, cells.percent(found.success)]))
    return Table("Average distortion", "towards", ["distortion", "success"], rows, cells.SUCCESSES)


def _stored(values: Values, one: imagenet.ImageNetTargeted, name: str) -> list[tuple[str, list[Cell]]]:
    found = values[one]
    return survival.rows(name, found.target, found.wrong)


def _figure(run: Run) -> Figure:
    x, y = imagenet.chosen(run)
    classes = [imagenet.CLASSES[name] for name in imagenette.validation(run).classes]
    words = dict(zip(classes, imagenette.words(run), strict=True))
    made = examples.load(run, imagenet.GREY_OSTRICHES.attack()).arrays
    shown = np.flatnonzero(made["success"])[:_SHOWN]
    before = [words[label] for label in y[shown].tolist()]
    path = run.out / "figures" / "imagenet-examples.jpg"
    net, after = run.model(PRESET), [TARGET] * len(shown)
    pictures.pairs(path, net, x[shown], made["adversarial"][shown], before, after)
    note = (
        f"The first {len(shown)} photographs that could be changed so: {pictures.NOTE}, whose pixels have {GREY_LEVELS} grey "
        "levels. With the net's probabilities."
    )
    alt = f"{len(shown)} photographs that look the same before and after: {', '.join(before)}."
    return Figure(f"Photographs and what becomes “{TARGET}”", path, note, alt)


def _norms(rows: list[LayerNorms]) -> Table:
    shown = [(row.name, [Cell(row.kind), Cell(shape(row)), *numbers(row)]) for row in rows]
    product = math.prod(row.upper for row in rows)
    exceeded = sum(row.lower > paper for row, paper in strided(rows))
    note = (
        f"Every layer with weights, normalization folded in. The product of what is proved is {product:.3g}: of the whole net it "
        f"says nothing. Of {len(strided(rows))} convolutions with a stride, {exceeded} exceed the printed formula."
    )
    return Table("Norms of the layers", "layer", ["kind", "input", *NUMBERS], shown, note)


def _claims(run: Run, values: Values) -> list[Claim]:
    """What the paper says of photographs, and of units, on this net."""
    found = values[imagenet.OSTRICHES]
    close = closeness.claim(
        "A net trained on ImageNet takes every photograph for an ostrich after a very small change",
        {"direct": found},
        "direct",
        f"“{TARGET}”",
        "The paper's figure is of AlexNet.",
    )
    layer = LAYERS[0]
    units = hypothesis.decided({PRESET: [values[_directions()[layer]]]}, f"the directions of {layer}")
    units = dataclasses.replace(
        units,
        statement="On a net trained on ImageNet, too, units and random directions are equally alike",
        evidence=f"{units.evidence} Of this one network: only its directions are taken as drawn.",
    )
    # decided by Figure 5 and the networks of digits
    return [dataclasses.replace(claim, of_paper=False) for claim in (close, units)]


CHAPTER = Chapter("imagenet", _plan, _section, _claims, photographs=True)
