"""Figures 3 and 4: photographs that maximize units and random directions of the AlexNet-style net, and how alike they are."""

import functools
from typing import Any

import numpy as np

import keras_intriguing as ki
from keras_intriguing.directions import MEASURES, Judge
from keras_intriguing.report import Cell, Figure, Section, Table, figures
from reproductions.chapters.directions import difference, gained
from reproductions.coherence import comparisons
from reproductions.coherence import measure as coherence
from reproductions.coherence.claims import LEARNED_WHITENED, Differences
from reproductions.coherence.kinds import LEARNING, PAIRS, RANDOM, UNITS
from reproductions.coherence.measure import Layer, Measured
from reproductions.shared import imagenette
from reproductions.shared.run import Run

PRESETS = [imagenette.ALEXNET, imagenette.QUOCNET]  # the second's features judge how alike photographs are
LAYERS = ("fc2", "conv5")
K = 5  # photographs a panel, as in the paper
_PANELS = 4
_JUDGES_LAYER = "features"
_SMALL = 32  # the side of the photographs whose pixels are compared


def steps(run: Run) -> int:
    """How many records a figure takes."""
    return 2 * len(LAYERS)


def measure(run: Run) -> dict[str, dict[str, Any]]:
    """The record of every layer, trained and not, by its name: comparisons and, of the trained, panels."""
    layers = [Layer(imagenette.ALEXNET, name, trained) for trained in (True, False) for name in LAYERS]
    return {
        _key(layer): imagenette.record(
            run,
            f"figures34/{_key(layer)}",
            PRESETS,
            lambda layer=layer: _values(run, layer),
            **comparisons.settings(K),
        )
        for layer in layers
    }


def _key(layer: Layer) -> str:
    return layer.name if layer.trained else f"untrained-{layer.name}"


def _values(run: Run, layer: Layer) -> dict[str, Any]:
    found = _measured(run, layer)
    if not layer.trained:
        return comparisons.values_of(layer, found, run.seed)
    untrained = layer._replace(trained=False)
    before = _measured(run, untrained)
    values = comparisons.values_of(layer, found, run.seed, before, _key(untrained))
    return {**values, "panels": _panels(run, layer)}


@functools.cache
def _measured(run: Run, layer: Layer) -> Measured:
    """The coherence of all kinds of directions of a layer."""
    judging, squares = _judge(run), _squares(run)
    return coherence.of_net(coherence.model(run, layer), layer.name, squares, judging, K, run.seed)


def _panels(run: Run, layer: Layer) -> dict[str, Any]:
    """Four units and four random directions, drawn by the run's seed: their photographs and how alike these are."""
    judging, squares = _judge(run), _squares(run)
    net, random = coherence.model(run, layer), np.random.default_rng(run.seed)
    groups = coherence.directions_of(net, layer.name, squares, run.seed)
    chosen = {
        kind: np.sort(random.choice(len(groups[kind]), _PANELS, replace=False)) for kind in (UNITS, RANDOM)
    }
    rows = {kind: groups[kind][numbers] for kind, numbers in chosen.items()}
    top = ki.directions.top_images(net, layer.name, squares, np.concatenate(list(rows.values())), K)
    alike = judging(top).values
    panels = {}
    for i, kind in enumerate(rows):
        own = slice(_PANELS * i, _PANELS * (i + 1))
        panels[kind] = {
            "names": rows[kind].argmax(axis=1).tolist() if kind == UNITS else chosen[kind].tolist(),
            "indices": top.indices[own].tolist(),
            "values": {name: values[own].tolist() for name, values in alike.items()},
        }
    return panels


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
    for layer, record in _trained(values).items():
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


def _trained(values: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {layer: record for layer, record in values.items() if record["trained"]}


def comparison(run: Run, values: dict[str, dict[str, Any]]) -> Table:
    """All units against random and other directions, by layer."""
    differences = Differences(values)
    names = [f"{a} − {b}" for a, b in PAIRS] + [comparisons.learned(kind) for kind in LEARNING]
    rows = [
        (
            f"{layer} ({record['kinds'][UNITS]['count']})",
            [
                *(
                    Cell(f"{record['kinds'][kind]['scores'][coherence.OVERALL]:.3f}")
                    for kind in (UNITS, RANDOM)
                ),
                *(difference(differences.of(layer, name)) for name in names),
                gained(values, layer),
            ],
        )
        for layer, record in _trained(values).items()
    ]
    note = (
        "All units of the layer against their rivals, as in the section on units and random directions: score 0 for what "
        f"{K} random photographs have and 1 for the most alike that were found, mean of four measures; differences with "
        "95% interval (bootstrap over directions), Cliff's δ, and p of a permutation test of Welch's t corrected for "
        f"{differences.tests} tests; “alike” goes by the interval, which is not corrected. The last column is how much more "
        "units of the whitened space are ahead than before training."
    )
    columns = ["score, units", "score, random", *names, LEARNED_WHITENED.name]
    return Table("Units against their rivals", "layer (units)", columns, rows, note)
