"""Figures 3 and 4: photographs that maximize units and random directions of the AlexNet-style net, and how alike they are."""

import functools
from typing import Any

import numpy as np

import keras_intriguing as ki
from keras_intriguing.directions import MEASURES, Judge, TopImages
from keras_intriguing.report import Cell, Figure, Section, Table, figures
from reproductions import coherence, imagenette
from reproductions.coherence import PAIRS, RANDOM, UNITS, Layer
from reproductions.directions import difference
from reproductions.directions_claims import Differences
from reproductions.run import Run

PRESETS = [imagenette.ALEXNET, imagenette.QUOCNET]  # the second's features judge how alike photographs are
LAYERS = ("fc2", "conv5")
K = 5  # photographs a panel, as in the paper
_PANELS = 4
_JUDGES_LAYER = "features"
_SMALL = 32  # the side of the photographs whose pixels are compared


def steps(run: Run) -> int:
    """How many records a figure takes."""
    return len(LAYERS)


def measure(run: Run) -> dict[str, dict[str, Any]]:
    """The record of every layer, by its name: panels of units and random directions, and their comparisons."""
    settings = {
        "k": K,
        "random": coherence.RANDOM_COUNT,
        "draws": coherence.DRAWS,
        "permutations": coherence.PERMUTATIONS,
    }
    return {
        name: imagenette.record(
            run, f"figures34/{name}", PRESETS, lambda name=name: _values(run, name), **settings
        )
        for name in LAYERS
    }


def _values(run: Run, name: str) -> dict[str, Any]:
    layer = Layer(imagenette.ALEXNET, name, trained=True)
    judging, squares = _judge(run), _squares(run)
    before = coherence.of_net(
        coherence.model(run, layer._replace(trained=False)), name, squares, judging, K, run.seed
    )
    net = coherence.model(run, layer)
    found = coherence.of_net(net, name, squares, judging, K, run.seed)
    rows = coherence.directions_of(ki.directions.moments(net, name, squares), run.seed)
    panels = {kind: _panels(run, net, name, rows[kind], kind) for kind in (UNITS, RANDOM)}
    return {**coherence.values_of(layer, found, before, run.seed), "panels": panels}


def _panels(run: Run, net: Any, layer: str, rows: np.ndarray, kind: str) -> dict[str, Any]:
    """Four directions of a kind, drawn by the run's seed: their photographs and how alike these are."""
    chosen = np.sort(np.random.default_rng(run.seed).choice(len(rows), _PANELS, replace=False))
    top: TopImages = ki.directions.top_images(net, layer, _squares(run), rows[chosen], K)
    found = _judge(run)(top)
    return {
        "names": [int(rows[i].argmax()) for i in chosen] if kind == UNITS else chosen.tolist(),
        "indices": top.indices.tolist(),
        "values": {name: values.tolist() for name, values in found.values.items()},
    }


def _squares(run: Run) -> Any:
    size = imagenette.size_of(run, imagenette.ALEXNET)
    return imagenette.validation(run).squares(size)


@functools.cache
def _judge(run: Run) -> Judge:
    photographs, net = imagenette.validation(run), run.model(PRESETS[1])
    squares = photographs.squares(net.input_shape[1])
    features = ki.directions.activations(net, _JUDGES_LAYER, squares)
    return Judge(photographs.labels, photographs.images(_SMALL), features, K)


def section(run: Run, values: dict[str, dict[str, Any]], kind: str, heading: str, rule: str) -> Section:
    """The panels of a kind, and their numbers."""
    photographs, words = imagenette.validation(run), imagenette.words(run)
    strips, cells = [], []
    for layer, record in values.items():
        found = record["panels"][kind]
        for i, name in enumerate(found["names"]):
            title = f"{layer}, {'unit' if kind == UNITS else 'direction'} {name}"
            shown = photographs[found["indices"][i]]
            strips.append((title, list(shown.images(128)), [words[label] for label in shown.labels]))
            cells.append((title, [Cell(f"{found['values'][m][i]:.2f}") for m in MEASURES]))
        references = record["references"]
    for what, end in ((f"{K} random photographs", "chance"), (f"the best {K} that were found", "best")):
        cells.append((what, [Cell(f"{references[m][end]:.2f}") for m in MEASURES]))
    path = run.out / "figures" / f"{heading.split(':')[0].lower().replace(' ', '')}.png"
    figures.strips(path, strips)
    note = (
        f"Each row: the {K} photographs with the largest activation along one direction, falling from the left, with their "
        f"true classes; in conv5 a photograph counts by its best position. {rule} Out of {imagenette.described(run)}."
    )
    columns = [
        "share of the commonest class",
        "entropy of classes, bits",
        f"similarity of pixels ({_SMALL}×{_SMALL})",
        "similarity of features",
    ]
    table_note = f"Features: those of {PRESETS[1]}, which were learned without labels; as for pixels, about their mean."
    return Section(
        heading,
        [Table("How alike the photographs are", "direction", columns, cells, table_note)],
        [Figure(heading, path, note)],
        provenance=[("measured on", imagenette.described(run))],
    )


def comparison(run: Run, values: dict[str, dict[str, Any]]) -> Table:
    """All units against random and other directions, by layer."""
    differences = Differences(values)
    names = [f"{a} − {b}" for a, b in PAIRS] + [coherence.learned(kind) for kind in coherence.LEARNING]
    rows = [
        (
            f"{layer} ({record['kinds'][UNITS]['count']})",
            [
                *(
                    Cell(f"{record['kinds'][kind]['scores'][coherence.OVERALL]:.3f}")
                    for kind in (UNITS, RANDOM)
                ),
                *(difference(differences.of(layer, name)) for name in names),
            ],
        )
        for layer, record in values.items()
    ]
    note = (
        "All units of the layer against their rivals, as in the section on units and random directions: score 0 for what "
        f"{K} random photographs have and 1 for the most alike that were found, mean of four measures; differences with "
        "95% interval (bootstrap over directions), Cliff's δ, and p of a permutation test corrected for "
        f"{differences.tests} tests."
    )
    columns = ["score, units", "score, random", *names]
    return Table("Units against their rivals", "layer (units)", columns, rows, note)
