"""Four panels of ten images that maximize units (Figure 1) or random directions (Figure 2) of the convolutional net."""

from typing import Any

import numpy as np

import keras_intriguing as ki
from keras_intriguing.directions import MEASURES
from keras_intriguing.report import Cell, Figure, Section, Table, figures
from reproductions.coherence import measure as coherence
from reproductions.coherence.kinds import UNITS
from reproductions.coherence.measure import K, Layer
from reproductions.shared.run import Run

PRESET = "convnet_mnist"
_PANELS = 4


def layer(run: Run) -> Layer:
    """The last hidden layer."""
    return Layer(PRESET, ki.directions.hidden_layers(run.model(PRESET))[-1], trained=True)


def measure(run: Run, figure: str, kind: str) -> dict[str, Any]:
    """The record of four directions of a kind, drawn by the run's seed: their images and how alike these are."""
    judge = coherence.judge_of(PRESET)

    def panels() -> dict[str, Any]:
        x, _ = coherence.images(run)
        shown = layer(run)
        net = coherence.model(run, shown)
        rows = coherence.directions_of(net, shown.name, x, run.seed)[kind]
        chosen = np.sort(np.random.default_rng(run.seed).choice(len(rows), _PANELS, replace=False))
        top = ki.directions.top_images(net, shown.name, x, rows[chosen], K)
        found = coherence.judge(run, judge)(top)
        names = [int(rows[i].argmax()) for i in chosen] if kind == UNITS else chosen.tolist()
        return {
            "layer": shown.name,
            "names": names,
            "indices": top.indices.tolist(),
            "values": {name: values.tolist() for name, values in found.values.items()},
            "references": {name: r._asdict() for name, r in found.references.items()},
        }

    return coherence.record(run, f"{figure}/{kind}", [PRESET, judge], panels, kind=kind)


def section(run: Run, heading: str, file: str, values: dict[str, Any], kind: str, rule: str) -> Section:
    """The panels and, beside them, the numbers."""
    x, y = coherence.images(run)
    titles = [f"{kind} {name}" for name in values["names"]]
    rows = [
        (title, list(x[indices]), [str(label) for label in y[indices]])
        for title, indices in zip(titles, values["indices"], strict=True)
    ]
    path = run.out / "figures" / file
    figures.strips(path, rows)
    note = (
        f"Each row: the {K} images with the largest activation along one direction of the layer `{values['layer']}` of "
        f"{PRESET}, falling from the left, with their true labels. {rule} Out of {coherence.described(run)}. "
        "What they have in common is for the reader to see; the table above tells how alike they are."
    )
    measures = {m: [f"{value:.2f}" for value in values["values"][m]] for m in MEASURES}
    cells = [(title, [Cell(measures[m][i]) for m in MEASURES]) for i, title in enumerate(titles)]
    references = [
        (words, [Cell(f"{values['references'][m][end]:.2f}") for m in MEASURES])
        for words, end in ((f"{K} random images", "chance"), (f"the best {K} that were found", "best"))
    ]
    table = Table(
        "How alike the ten images are",
        "direction",
        [
            "share of the commonest label",
            "entropy of labels, bits",
            "similarity of pixels",
            "similarity of features",
        ],
        [*cells, *references],
        "See the section on units and directions for the measures and for all directions of all layers.",
    )
    return Section(
        heading,
        [table],
        [Figure(heading, path, note)],
        provenance=[("measured on", coherence.described(run))],
    )
