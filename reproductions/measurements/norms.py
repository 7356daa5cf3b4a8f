"""Bounds of layers' and networks' Lipschitz constants: Table 5."""

import dataclasses
import functools
from typing import Any

import keras

import keras_intriguing as ki
from reproductions.shared.measurement import Measurement
from reproductions.shared.run import Run

POINTS = 25  # of the frequency plane, along every axis


@dataclasses.dataclass(frozen=True)
class LayerNorms:
    """The bounds of a layer, out of `ki.spectral.LayerBounds`.

    Attributes:
        name: of the layer.
        kind: its class.
        input_shape: without the batch axis.
        activation: the Lipschitz constant of its activation, which is not in the bounds.
        lower: of its Lipschitz constant, attained.
        upper: of it, proved.
        method: how the bounds were found.
        supremum: over frequencies, of a convolution.
        paper: the same by the formula as the paper prints it.
        spectrum: the norms of the symbol at frequencies [POINTS, POINTS], of a convolution of AlexNet.
        size: of the kernel, of a layer of AlexNet that has one.
        stride: of a convolution of AlexNet.
    """

    name: str
    kind: str
    input_shape: list[int]
    activation: float
    lower: float
    upper: float
    method: str
    supremum: float | None = None
    paper: float | None = None
    spectrum: list[list[float]] | None = None
    size: str | None = None
    stride: int | None = None


@dataclasses.dataclass(frozen=True)
class NetworkNorms:
    """The bounds of a preset's layers and of the whole network.

    Attributes:
        layers: all that compute.
        spectra: of the convolutions, by name.
        lower: of the network's constant, attained.
        upper: of it, proved.
        product: the bound that multiplies the layers' along every path.
        refused: why it has none, where a layer has no constant.
    """

    layers: list[LayerNorms]
    spectra: dict[str, list[list[float]]] | None = None
    lower: float | None = None
    upper: float | None = None
    product: float | None = None
    refused: str | None = None


@dataclasses.dataclass(frozen=True)
class PresetNorms(Measurement[NetworkNorms]):
    """Of a preset."""

    preset: str

    def presets(self, run: Run) -> list[str]:
        """The preset."""
        return [self.preset]

    def measure(self, run: Run) -> NetworkNorms:
        """See `NetworkNorms`."""
        model = ki.from_preset(self.preset)
        digits = run.attacked[0]
        starts = digits if model.input_shape[1:] == digits.shape[1:] else None
        try:
            network = ki.spectral.analyze(model, starts)
        except ValueError as error:  # a network with a layer that has no constant
            return NetworkNorms([], refused=str(error))
        spectra = {
            layer.name: ki.spectral.frequency_norms(layer, POINTS).tolist()
            for layer in model.layers
            if isinstance(layer, keras.layers.Conv2D)
        }
        layers = [norms(layer) for layer in network.layers]
        return NetworkNorms(layers, spectra, network.lower, network.upper, network.product)


@dataclasses.dataclass(frozen=True)
class AlexNetLayerNorms(Measurement[LayerNorms]):
    """Of a layer of AlexNet, in groups or without; a measurement each, since together they take minutes."""

    layer: str
    grouped: bool

    def presets(self, run: Run) -> list[str]:
        """None of the zoo's."""
        return []

    def settings(self, run: Run) -> dict[str, Any]:
        """Its weights."""
        return {"weights": weights_of_alexnet(run, self.grouped)}

    def measure(self, run: Run) -> LayerNorms:
        """See `LayerNorms`."""
        layer = _alexnet(run, self.grouped).get_layer(self.layer)
        bounds = ki.spectral.analyze_layer(layer, layer.input.shape[1:])
        return dataclasses.replace(norms(bounds), **_described(layer))


def norms(layer: ki.spectral.LayerBounds) -> LayerNorms:
    """The bounds of an analyzed layer, for its record."""
    bounds = layer.bounds
    return LayerNorms(
        name=layer.name,
        kind=layer.kind,
        input_shape=list(layer.input_shape),
        activation=layer.activation,
        lower=bounds.lower,
        upper=bounds.upper,
        method=bounds.method,
        supremum=layer.supremum,
        paper=layer.paper,
    )


def _described(layer: keras.Layer) -> dict[str, Any]:
    """The fields of `LayerNorms` that tell of the layer itself."""
    if isinstance(layer, keras.layers.Conv2D):
        sizes = (layer.kernel.shape[2], *layer.kernel.shape[:2], layer.filters)
        return {
            "spectrum": ki.spectral.frequency_norms(layer, POINTS).tolist(),
            "size": "×".join(map(str, sizes)),
            "stride": layer.strides[0],
        }
    if isinstance(layer, keras.layers.Dense):
        return {"size": "×".join(map(str, layer.kernel.shape))}
    return {}


@functools.cache
def _alexnet(run: Run, grouped: bool) -> keras.Model:
    if grouped and run.alexnet:
        model = ki.models.AlexNet.from_preset(str(run.alexnet.absolute()))
        if not model.grouped:
            raise ValueError(
                f"{run.alexnet} holds an AlexNet without groups; Table 5 needs the published one."
            )
        return model
    keras.utils.set_random_seed(0)
    return ki.models.AlexNet(grouped)


def weights_of_alexnet(run: Run, grouped: bool) -> str:
    """Which weights it has: the hash of a preset's, or the words for its initialization."""
    if grouped and run.alexnet:
        return f"SHA-256 {ki.presets.load_metrics(run.alexnet.absolute())['sha256']}"
    return "initialization, seed 0"
