"""How alike the photographs are that maximize units and random directions of the AlexNet-style net: Figures 3 and 4."""

import dataclasses
import functools
from typing import Any

import numpy as np

import keras_intriguing as ki
from keras_intriguing.directions import CoherenceScorer
from reproductions.coherence import comparisons
from reproductions.coherence import measure as coherence
from reproductions.coherence.comparisons import LayerRecord, Nets, Panel
from reproductions.coherence.kinds import RANDOM, UNITS
from reproductions.coherence.measure import Layer, Measured
from reproductions.shared import imagenette
from reproductions.shared.measurement import Measurement, Values
from reproductions.shared.run import Run

FEATURE_NET = imagenette.QUOCNET  # whose features compare photographs
LAYERS = ("fc2", "conv5")  # the first is the last hidden one
K = 5  # photographs a panel, as in the paper
SMALL = 32  # the side of the photographs whose pixels are compared
_PANELS = 4
_FEATURE_LAYER = "features"


@dataclasses.dataclass(frozen=True)
class PhotographCoherence(Measurement[LayerRecord]):
    """Of a layer, with its panels if it is trained."""

    layer: Layer

    def presets(self, run: Run) -> list[str]:
        """The net and the one whose features compare photographs."""
        return [self.layer.preset, FEATURE_NET]

    def images(self, run: Run) -> dict[str, Any]:
        """The validation photographs."""
        return imagenette.images(run)

    def settings(self, run: Run) -> dict[str, Any]:
        """Numbers of photographs, directions and draws."""
        return comparisons.settings(K)

    def measure(self, run: Run) -> LayerRecord:
        """See `LayerRecord`."""
        found = _measured(run, self.layer)
        if not self.layer.trained or self.layer.preset != imagenette.ALEXNET:
            return comparisons.layer_record(self.layer, found, run.seed)
        untrained = self.layer._replace(trained=False)
        record = comparisons.layer_record(
            self.layer, found, run.seed, _measured(run, untrained), key(untrained)
        )
        return dataclasses.replace(record, panels=_panels(run, self.layer))


def key(layer: Layer) -> str:
    """The name of a layer's record."""
    if layer.preset != imagenette.ALEXNET:
        return layer.key
    return layer.name if layer.trained else f"untrained-{layer.name}"


def plan(run: Run) -> list[PhotographCoherence]:
    """The measurements of all layers, trained and not, and of the last one of further training runs."""
    return [planned(layer) for layer in dict.fromkeys([*_layers(), *_last_layers(run)])]


def records(values: Values) -> dict[str, LayerRecord]:
    """Of the layers of the first training run, by key."""
    return {key(layer): values[planned(layer)] for layer in _layers()}


def last_layers(run: Run, values: Values) -> Nets:
    """Of the net's last hidden layer."""
    return {imagenette.ALEXNET: [values[planned(layer)] for layer in _last_layers(run)]}


def planned(layer: Layer) -> PhotographCoherence:
    """The measurement of a layer, of this net or of another."""
    return PhotographCoherence(f"figures34/{key(layer)}", layer)


def _layers() -> list[Layer]:
    return [Layer(imagenette.ALEXNET, name, trained) for trained in (True, False) for name in LAYERS]


def _last_layers(run: Run) -> list[Layer]:
    return [Layer(preset, LAYERS[0], trained=True) for preset in run.trained(imagenette.ALEXNET)]


@functools.cache
def _measured(run: Run, layer: Layer) -> Measured:
    """The coherence of all kinds of directions of a layer."""
    score, squares = _scorer(run), _squares(run, layer.preset)
    return coherence.measure_layer(coherence.model(run, layer), layer.name, squares, score, K, run.seed)


def _panels(run: Run, layer: Layer) -> dict[str, Panel]:
    """Four units and four random directions, drawn by the run's seed: their photographs and how alike these are."""
    score, squares = _scorer(run), _squares(run, layer.preset)
    net, random = coherence.model(run, layer), np.random.default_rng(run.seed)
    groups = coherence.directions_of(net, layer.name, squares, run.seed)
    chosen = {
        kind: np.sort(random.choice(len(groups[kind]), _PANELS, replace=False)) for kind in (UNITS, RANDOM)
    }
    rows = {kind: groups[kind][numbers] for kind, numbers in chosen.items()}
    top = ki.directions.top_images(net, layer.name, squares, np.concatenate(list(rows.values())), K)
    alike = score(top).values
    panels = {}
    for i, kind in enumerate(rows):
        own = slice(_PANELS * i, _PANELS * (i + 1))
        panels[kind] = Panel(
            rows[kind].argmax(axis=1).tolist() if kind == UNITS else chosen[kind].tolist(),
            top.indices[own].tolist(),
            {name: values[own].tolist() for name, values in alike.items()},
        )
    return panels


def _squares(run: Run, preset: str) -> Any:
    size = imagenette.input_size(run, preset)
    return imagenette.validation(run).center_crops(size)


@functools.cache
def _scorer(run: Run) -> CoherenceScorer:
    photographs, net = imagenette.validation(run), run.model(FEATURE_NET)
    crops = photographs.center_crops(net.input_shape[1])
    features = ki.directions.activations(net, _FEATURE_LAYER, crops)
    return CoherenceScorer(photographs.labels, photographs.images(SMALL), features, K)
