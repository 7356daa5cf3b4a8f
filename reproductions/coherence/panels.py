"""Four directions of the convolutional net and the images that maximize them: Figures 1 (units) and 2 (random)."""

import dataclasses
from typing import Any

import numpy as np

import keras_intriguing as ki
from keras_intriguing.directions import Reference
from reproductions.coherence import measure as coherence
from reproductions.coherence.comparisons import Panel
from reproductions.coherence.kinds import UNITS
from reproductions.coherence.measure import K, Layer
from reproductions.shared.measurement import Measurement
from reproductions.shared.run import Run

PRESET = "convnet_mnist"
PANELS = 4


@dataclasses.dataclass(frozen=True)
class LayerPanel(Panel):
    """A panel with its layer and, by measure, what the values are to be compared with."""

    layer: str
    references: dict[str, Reference]


@dataclasses.dataclass(frozen=True)
class Panels(Measurement[LayerPanel]):
    """Of a kind of direction of the last hidden layer, drawn by the run's seed."""

    kind: str

    def presets(self, run: Run) -> list[str]:
        """The net and the one whose features compare images."""
        return [PRESET, coherence.feature_net(PRESET)]

    def images(self, run: Run) -> dict[str, Any]:
        """All of the data set."""
        return coherence.images_key(run)

    def settings(self, run: Run) -> dict[str, Any]:
        """The kind."""
        return {"kind": self.kind}

    def measure(self, run: Run) -> LayerPanel:
        """See `LayerPanel`."""
        x, _ = coherence.images(run)
        layer = Layer(PRESET, ki.directions.hidden_layers(run.model(PRESET))[-1], trained=True)
        net = coherence.model(run, layer)
        rows = coherence.directions_of(net, layer.name, x, run.seed)[self.kind]
        chosen = np.sort(np.random.default_rng(run.seed).choice(len(rows), PANELS, replace=False))
        top = ki.directions.top_images(net, layer.name, x, rows[chosen], K)
        alike = coherence.scorer(run, coherence.feature_net(PRESET))(top)
        names = [int(rows[i].argmax()) for i in chosen] if self.kind == UNITS else chosen.tolist()
        return LayerPanel(
            names,
            top.indices.tolist(),
            {name: values.tolist() for name, values in alike.values.items()},
            layer.name,
            alike.references,
        )
