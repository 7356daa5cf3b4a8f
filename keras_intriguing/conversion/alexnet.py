"""AlexNet out of weights in Caffe's and in torchvision's form."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from keras_intriguing import models
from keras_intriguing.conversion.entries import (
    Mismatch,
    channels_first,
    channels_last,
    finite_floats,
    require_names,
)

# ImageNet's mean pixel in Caffe's order, blue, green, red: the mean over Caffe's ilsvrc_2012_mean.npy
CAFFE_MEAN = (104.00698793, 116.66876762, 122.67891434)
# Caffe divides its alpha of 1e-4 by the five channels of a window
_CAFFE_LRN = {"lrn_bias": 1.0, "lrn_alpha": 2e-5}

# those with weights, of both models
_LAYERS = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc1", "fc2", "fc3")


@dataclasses.dataclass(frozen=True)
class AlexNetForm:
    """A form in which people have the weights of an AlexNet.

    Attributes:
        title: in messages and on the card.
        layers: the file's names of `_LAYERS`.
        entries: of a layer, its kernel and its bias.
        make: the model, with a number of classes of its own if it is given `classes`.
        axes_last: whether a file may also have its kernels' axes in Keras' order.
        first: what the first layer's kernel and bias become, in Keras' order of axes.
        use: for the card: the model's images and what was done.
    """

    title: str
    layers: tuple[str, ...]
    entries: tuple[str, str]
    make: Callable[..., keras.Model]
    axes_last: bool
    first: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
    use: str

    @property
    def mark(self) -> str:
        """The name of an entry by which a file of this form is told from others."""
        return self.entries[0].format(self.layers[0])

    def model(self, entries: Mapping[str, Any]) -> keras.Model:
        """The model with a file's weights.

        Raises:
            Mismatch: the entries are not those of the self.
        """
        kernels, biases = ([entry.format(layer) for layer in self.layers] for entry in self.entries)
        require_names([name for pair in zip(kernels, biases, strict=True) for name in pair], entries)
        arrays = finite_floats(entries)
        classes = arrays[biases[-1]].size
        model = self.make(**({"classes": classes} if classes in arrays[kernels[-1]].shape else {}))
        layers = [model.get_layer(name) for name in _LAYERS]
        axes_last = self.axes_last and arrays[kernels[0]].shape != channels_first(layers[0].kernel.shape)
        expected = {
            **{
                name: tuple(layer.kernel.shape) if axes_last else channels_first(layer.kernel.shape)
                for name, layer in zip(kernels, layers, strict=True)
            },
            **{name: tuple(layer.bias.shape) for name, layer in zip(biases, layers, strict=True)},
        }
        wrong = [
            f"{name} {arrays[name].shape} instead of {shape}"
            for name, shape in expected.items()
            if arrays[name].shape != shape
        ]
        if wrong:
            raise Mismatch(f"these shapes differ from the expected: {'; '.join(wrong)}.")
        maps = model.get_layer("flatten").input.shape[1:]
        for i, layer in enumerate(layers):
            kernel, bias = arrays[kernels[i]], arrays[biases[i]]
            if not axes_last:
                kernel = channels_last(kernel, maps if layer.name == "fc1" else ())
            layer.set_weights(self.first(kernel, bias) if i == 0 else (kernel, bias))
        return model


def _for_rgb(kernel: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A first layer of Caffe's, for pixels of 0 to 255 less the mean, blue first, made one for RGB in [0, 1]."""
    kernel = kernel.astype(np.float64)
    return 255 * kernel[:, :, ::-1], bias - np.einsum("hwio,i->o", kernel, CAFFE_MEAN)


CAFFE = AlexNetForm(
    "Caffe's bvlc_alexnet",
    ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"),
    ("{}[0]", "{}[1]"),
    functools.partial(models.AlexNet, **_CAFFE_LRN, name="alexnet"),
    True,
    _for_rgb,
    "It takes images [B, 227, 227, 3], RGB in [0, 1], and gives logits. The file's weights are for pixels of 0 to 255 in the order blue, "
    "green, red, less ImageNet's mean (104.007, 116.669, 122.679); all of that is in the first layer's kernel and bias.",
)
TORCHVISION = AlexNetForm(
    "torchvision's alexnet",
    tuple(f"features.{i}" for i in (0, 3, 6, 8, 10)) + tuple(f"classifier.{i}" for i in (1, 4, 6)),
    ("{}.weight", "{}.bias"),
    functools.partial(models.TorchvisionAlexNet, name="torchvision_alexnet"),
    False,
    lambda kernel, bias: (kernel, bias),
    "It takes images [B, 224, 224, 3], RGB in [0, 1], and gives logits; the first layer brings the pixels to ImageNet's mean and standard "
    "deviation.",
)
