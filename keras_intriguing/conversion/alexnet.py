"""Presets out of weights in the forms of other programs."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_intriguing import files, models, presets
from keras_intriguing.conversion import weight_files
from keras_intriguing.presets import cards

# ImageNet's mean pixel in Caffe's order, blue, green, red: the mean over Caffe's ilsvrc_2012_mean.npy
CAFFE_MEAN = (104.00698793, 116.66876762, 122.67891434)
# Caffe divides its alpha of 1e-4 by the five channels of a window
_CAFFE_LRN = {"lrn_bias": 1.0, "lrn_alpha": 2e-5}

# those with weights, of both models
_LAYERS = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc1", "fc2", "fc3")
_SHOWN = 3  # names in a message


@dataclasses.dataclass(frozen=True)
class _Form:
    """A form in which people have weights.

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


def convert(weights: str | Path, folder: str | Path) -> Path:
    """Makes a preset of AlexNet's weights in the form of another program; no code in the file is run.

    Known are Caffe's `bvlc_alexnet` as `.npy` (a dictionary of layers, with the axes in TensorFlow's order or in
    Caffe's), which becomes `models.AlexNet`, and torchvision's `alexnet` as `.pth` or `.safetensors`, which becomes
    `models.TorchvisionAlexNet`. Any number of classes will do. Both models take RGB in [0, 1].

    Caffe's net takes pixels of 0 to 255, blue first, less ImageNet's mean. All of that goes into its first layer, which
    pads nothing: with kernel W and bias b there, 255·W with its channels reversed and b − Σ W·mean give the same. Files
    with the same names and shapes of other networks, such as Caffe's `bvlc_reference_caffenet`, which normalizes after
    pooling, or of weights for RGB, cannot be told apart and give wrong logits.

    Args:
        weights: the file.
        folder: where the preset is written.

    Returns:
        The folder.

    Raises:
        ValueError: a file of another form or architecture, damaged, with numbers that are no finite floats, or whose
            pickle asks for anything that weights do not need.
        FileNotFoundError: there is no such file.
        FileExistsError: the folder holds a finished preset.
        OSError: the folder cannot be written.
    """
    path, folder = Path(weights), Path(folder)
    form = _FORMS.get(path.suffix.lower())
    if form is None:
        known = "; ".join(f"{suffix}: {form.title}" for suffix, form in _FORMS.items())
        raise ValueError(f"The form of {path} is not known by its suffix. Known are {known}.")
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    presets.require_vacant(folder)
    files.require_writable(folder / presets.METRICS)
    try:
        model = _model(form, weight_files.read(path))
    except _Mismatch as error:
        raise ValueError(f"{path} does not hold the weights of {form.title}: {error}") from error
    metrics = {
        "preset": folder.resolve().name,
        "model": type(model).__name__,
        "form": form.title,
        "classes": model.output_shape[-1],
        "parameters": model.count_params(),
        "source": {"file": path.name, "sha256": files.sha256(path), "bytes": path.stat().st_size},
        "versions": presets.versions(),
        "command": f"keras-intriguing convert {path.name} --out {folder.name}",
    }
    presets.save_to_preset(model, folder, metrics, cards.converted(metrics, form.use))
    return folder


class _Mismatch(ValueError):
    """Entries that are not those of a form."""


def _model(form: _Form, entries: Mapping[str, Any]) -> keras.Model:
    """The form's model with a file's weights.

    Raises:
        _Mismatch: the entries are not those of the form.
    """
    kernels, biases = ([entry.format(layer) for layer in form.layers] for entry in form.entries)
    _require_names([name for pair in zip(kernels, biases, strict=True) for name in pair], entries)
    arrays = _finite_floats(entries)
    classes = arrays[biases[-1]].size
    model = form.make(**({"classes": classes} if classes in arrays[kernels[-1]].shape else {}))
    layers = [model.get_layer(name) for name in _LAYERS]
    axes_last = form.axes_last and arrays[kernels[0]].shape != _channels_first(layers[0].kernel.shape)
    expected = {
        **{
            name: tuple(layer.kernel.shape) if axes_last else _channels_first(layer.kernel.shape)
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
        raise _Mismatch(f"these shapes differ from the expected: {'; '.join(wrong)}.")
    maps = model.get_layer("flatten").input.shape[1:]
    for i, layer in enumerate(layers):
        kernel, bias = arrays[kernels[i]], arrays[biases[i]]
        if not axes_last:
            kernel = _channels_last(kernel, maps if layer.name == "fc1" else ())
        layer.set_weights(form.first(kernel, bias) if i == 0 else (kernel, bias))
    return model


def _require_names(expected: list[str], entries: Mapping[str, Any]) -> None:
    missing = [name for name in expected if name not in entries]
    unknown = [name for name in entries if name not in expected]
    if missing or unknown:
        parts = [
            f"{what} {_some(names)}"
            for what, names in (("it lacks", missing), ("it also has", unknown))
            if names
        ]
        raise _Mismatch(
            f"{', and '.join(parts)}. Expected are {len(expected)} arrays, {expected[0]}, {expected[1]} to "
            f"{expected[-1]}, and nothing else."
        )


def _some(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _finite_floats(entries: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The entries in float32."""
    found = {}
    for name, value in entries.items():
        if not isinstance(value, np.ndarray):
            raise _Mismatch(f"{name} is no array but of class {type(value).__name__}.")
        if value.dtype.kind != "f":
            raise _Mismatch(
                f"{name} has numbers of type {value.dtype}; expected are floats of 16, 32 or 64 bits."
            )
        with np.errstate(over="ignore"):
            found[name] = value.astype(np.float32, copy=False)
        if not np.isfinite(found[name]).all():
            raise _Mismatch(f"{name} has numbers that are not finite in 32 bits.")
    return found


def _channels_first(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that Caffe and PyTorch give a kernel of Keras' shape: output, input, height, width."""
    *taps, inputs, outputs = shape
    return (outputs, inputs, *taps)


def _channels_last(kernel: np.ndarray, maps: tuple[int, ...]) -> np.ndarray:
    """A kernel with its axes in Keras' order: height, width, input, output.

    Args:
        kernel: [output, input, height, width], or [output, input].
        maps: of a dense layer on flattened maps, their height, width and channels; else empty. Flattened with
            channels first, they have another order.
    """
    if maps:
        height, width, channels = maps
        kernel = kernel.reshape(-1, channels, height, width)
        return _channels_last(kernel, ()).reshape(-1, len(kernel))
    return np.moveaxis(kernel, (0, 1), (-1, -2))


def _for_rgb(kernel: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A first layer of Caffe's, for pixels of 0 to 255 less the mean, blue first, made one for RGB in [0, 1]."""
    kernel = kernel.astype(np.float64)
    return 255 * kernel[:, :, ::-1], bias - np.einsum("hwio,i->o", kernel, CAFFE_MEAN)


_CAFFE = _Form(
    "Caffe's bvlc_alexnet",
    ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"),
    ("{}[0]", "{}[1]"),
    functools.partial(models.AlexNet, **_CAFFE_LRN, name="alexnet"),
    True,
    _for_rgb,
    "It takes images [B, 227, 227, 3], RGB in [0, 1], and gives logits. The file's weights are for pixels of 0 to 255 in the order blue, "
    "green, red, less ImageNet's mean (104.007, 116.669, 122.679); all of that is in the first layer's kernel and bias.",
)
_TORCHVISION = _Form(
    "torchvision's alexnet",
    tuple(f"features.{i}" for i in (0, 3, 6, 8, 10)) + tuple(f"classifier.{i}" for i in (1, 4, 6)),
    ("{}.weight", "{}.bias"),
    functools.partial(models.TorchvisionAlexNet, name="torchvision_alexnet"),
    False,
    lambda kernel, bias: (kernel, bias),
    "It takes images [B, 224, 224, 3], RGB in [0, 1], and gives logits; the first layer brings the pixels to ImageNet's mean and standard "
    "deviation.",
)
_FORMS = {".npy": _CAFFE, ".pth": _TORCHVISION, ".safetensors": _TORCHVISION}
