"""Bounds of the convolutions of a net with batch normalization, which is folded into them: Table 5."""

import dataclasses
from collections.abc import Iterator

import keras
import numpy as np

import keras_intriguing as ki
from reproductions.measurements.norms import LayerNorms, norms
from reproductions.shared.measurement import Measurement
from reproductions.shared.run import Run


@dataclasses.dataclass(frozen=True)
class FoldedNorms(Measurement[list[LayerNorms]]):
    """Of every convolution with the normalization that follows it, and of every other layer with weights."""

    preset: str

    def presets(self, run: Run) -> list[str]:
        """The preset."""
        return [self.preset]

    def measure(self, run: Run) -> list[LayerNorms]:
        """In the order of the layers."""
        model = ki.from_preset(self.preset)
        return [norms(ki.spectral.analyze_layer(layer, shape)) for layer, shape in folded(model)]


def folded(model: keras.Model) -> Iterator[tuple[keras.Layer, tuple[int, ...]]]:
    """The layers with kernels and the shapes of their inputs; those that normalization follows have its factors in them.

    Raises:
        ValueError: a normalization follows something else.
    """
    factors = {
        layer.input.name: layer
        for layer in model.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    }
    for layer in model.layers:
        if not hasattr(layer, "kernel"):
            continue
        normalization = factors.pop(layer.output.name, None)
        shape = tuple(layer.input.shape[1:])
        yield (layer if normalization is None else _with(layer, normalization, shape)), shape
    if factors:
        raise ValueError(f"What is before {', '.join(factors)} is no layer with a kernel.")


def _with(
    layer: keras.Layer, normalization: keras.layers.BatchNormalization, shape: tuple[int, ...]
) -> keras.Layer:
    """A copy whose kernel has the normalization's factor of every channel; the shift alters no norm and is left out."""
    copy = type(layer).from_config(layer.get_config())
    copy.build((None, *shape))
    factor = normalization.gamma / np.sqrt(normalization.moving_variance + normalization.epsilon)
    kernel = np.asarray(layer.kernel)
    if isinstance(layer, keras.layers.DepthwiseConv2D):  # [rows, columns, channels, outputs of each]
        factor = np.reshape(factor, kernel.shape[2:])
    copy.kernel.assign(kernel * factor)
    return copy
