"""Checks of what is given with a model: images, classes and bounds, before any work starts."""

import numbers
import warnings
from collections.abc import Callable, Hashable, Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_intriguing.classifiers import outputs
from keras_intriguing.classifiers.augmentations import AUGMENTATIONS
from keras_intriguing.classifiers.images import as_images, check_shape
from keras_intriguing.classifiers.labels import as_classes
from keras_intriguing.classifiers.logits import Trace, Traced, adapted, check_logits, check_one_output
from keras_intriguing.classifiers.per_image import checked_names, class_names
from keras_intriguing.classifiers.pixels import Bounds, checked_bounds, shown, within, word
from keras_intriguing.models.base import PresetModel

PROBE = 16  # images on which a model is tried before work starts
_SMALL_SCALE = 0.02  # 1/255 and 1/127.5 are smaller


class Labelled(NamedTuple):
    """Images float32 [S, …] and the labels that the model gives them, int32 [S]."""

    x: np.ndarray
    labels: np.ndarray


class Request(NamedTuple):
    """Checked input.

    Attributes:
        model: the one that was given, or two or more classes made of it (`Adapted`).
        x: float32 [B, …].
        before: the model's labels of x, int32 [B].
        target: the classes to reach, int32 [B], or None.
        label: the classes to leave, int32 [B], or None.
        bounds: of the pixels.
        trace: of the model.
        classes: how many there are.
        starts: further images, whose classes show descents the way.
    """

    model: Callable
    x: np.ndarray
    before: np.ndarray
    target: np.ndarray | None
    label: np.ndarray | None
    bounds: Bounds
    trace: Trace
    classes: int
    starts: Labelled

    @property
    def label_to_leave(self) -> np.ndarray:
        """The given labels, or else the model's own, int32 [B]."""
        return self.before if self.label is None else self.label

    def rows(self, first: int, last: int) -> "Request":
        """A part of the images."""
        target = None if self.target is None else self.target[first:last]
        label = None if self.label is None else self.label[first:last]
        return self._replace(x=self.x[first:last], before=self.before[first:last], target=target, label=label)


def checked(
    model: Callable,
    x: Any,
    target: Any,
    label: Any,
    bounds: Any,
    batch_size: int | None,
    from_probabilities: bool | None = False,
    starts: Any = None,
    label_name: str = "label",
) -> Request:
    """The input in one form.

    The arguments are those of `minimal_distortion`; `from_probabilities` is None for a certificate, which needs layers;
    `label_name` is what messages call the label.

    Raises:
        ValueError, TypeError: see the messages.
    """
    if not callable(model) or isinstance(model, type):
        kind = f"the class {model.__name__}" if isinstance(model, type) else type(model).__name__
        raise TypeError(f"model must be a Keras model or a function, not {kind}.")
    if not isinstance(model, Hashable):
        raise TypeError(
            f"model is a {type(model).__name__}, which is not hashable, so that its compiled attack cannot be kept. "
            "Pass a function, for example model.__call__."
        )
    if batch_size is not None and (not isinstance(batch_size, numbers.Integral) or batch_size < 1):
        raise ValueError(f"batch_size must be a positive whole number or None, not {batch_size!r}.")
    check_one_output(model, x)
    check_input_type(model)
    images = as_images(x, model)
    check_shape(model, images)
    limits = checked_bounds(bounds, images.shape[1:])
    if isinstance(model, PresetModel) and (np.any(limits.lower < 0) or np.any(limits.upper > 1)):
        raise ValueError(f"{model.name} takes pixels in [0, 1], but bounds are {shown(limits)}.")
    images = within(images, limits)
    _warn_of_scale(model, images, limits)
    traced = adapted(model, images[:PROBE], from_probabilities)
    classifier, trace = traced.model, traced.trace
    classes = _classes(traced, images[:PROBE], needs_layers=from_probabilities is None)
    if names := class_names(model):
        checked_names(names, classes, "model.class_names")
    target, label = (
        _labels(name, given, images.shape, classes)
        for name, given in (("target", target), (label_name, label))
    )
    if target is not None and label is not None and (target == label).any():
        i = int(np.flatnonzero(target == label)[0])
        raise ValueError(
            f"{word(images.shape).capitalize()} {i} is to leave class {label[i]} and to reach it: target and label are equal."
        )
    seen = _starts(classifier, starts, images.shape[1:], limits)
    before = _predicted(classifier, images)
    return Request(classifier, images, before, target, label, limits, trace, classes, seen)


def _starts(model: Callable, given: Any, shape: tuple[int, ...], bounds: Bounds) -> Labelled:
    """Checked images to start from, as the model sees them; none where none are given."""
    if given is None:
        return Labelled(np.zeros((0, *shape), np.float32), np.zeros(0, np.int32))
    images = as_images(given, model, "starts")
    if images.shape[1:] != shape:
        raise ValueError(f"starts must be like x, of shape {(None, *shape)}; their shape is {images.shape}.")
    images = within(images, bounds, "starts")
    return Labelled(images, _predicted(model, images))


def _warn_of_scale(model: Callable, images: np.ndarray, bounds: Bounds) -> None:
    """Warns where a model's first layer divides by 255 or the like, and the images are of values up to 1."""
    scale = _first_scale(model)
    if scale is not None and 0 < scale < _SMALL_SCALE and max(np.max(images), np.max(bounds.upper)) <= 1:
        warnings.warn(
            f"The model's first layer multiplies by {scale:.3g}, as for values up to {1 / scale:.0f}, but x and its bounds go to 1 at most. "
            "Pass x as the model was trained on it, with its bounds.",
            stacklevel=4,
        )


def _first_scale(model: Any) -> float | None:
    """What a model multiplies its input by before all else, where that is sure: of layers in a row."""
    for layer in _in_a_row(model):
        if type(layer) is keras.layers.Rescaling:
            return None if np.ndim(layer.scale) else float(layer.scale)
        if not isinstance(layer, AUGMENTATIONS):
            return None
    return None


def _in_a_row(model: Any) -> Iterator[Any]:
    """The layers of a sequential model and of those in it; what is none stays as it is."""
    if isinstance(model, keras.Sequential):
        for layer in model.layers:
            yield from _in_a_row(layer)
    else:
        yield model


def check_input_type(model: Callable) -> None:
    """Checks that a Keras model does not take whole numbers, of which there are no small changes.

    Raises:
        TypeError: it does; the message says what to do.
    """
    inputs = getattr(model, "inputs", None) if isinstance(model, keras.Model) else None
    embeddings = [layer.name for layer in _layers(model) if isinstance(layer, keras.layers.Embedding)]
    kind = tf.as_dtype(inputs[0].dtype) if inputs else tf.float32
    if kind.is_floating and (not embeddings or _has_gradient(model)):
        return
    if embeddings:
        way = (
            f"its layer {embeddings[0]!r} looks up embeddings. Pass what comes behind: a model from the embeddings to the logits, "
            "with the embeddings of your examples as x and the bounds of their values."
        )
    else:
        way = f"its input is {kind.name}. Build it again with a float32 input and the same weights."
    raise TypeError(f"The model takes whole numbers, which have no small changes: {way}")


def _has_gradient(model: Any) -> bool:
    """Whether a model with embeddings embeds something else than its input, as the positions of an image's parts."""
    if not model.inputs:
        return False
    x = tf.zeros((1, *(size or PROBE for size in model.inputs[0].shape[1:])))
    with tf.GradientTape() as tape:
        tape.watch(x)
        given = outputs.call(model, x)
    return tape.gradient(given, x) is not None


def _layers(model: Any) -> list[Any]:
    return list(model._flatten_layers()) if isinstance(model, keras.Model) else []


def _classes(traced: Traced, images: np.ndarray, needs_layers: bool) -> int:
    """The number of classes, by calling the model again on a few images; also checks that it can be differentiated."""
    few, trace = tf.constant(images), traced.trace
    given = outputs.call(traced.model, few)
    outputs.check_outputs(given, len(few))
    _check_repeats(traced.outputs, given, trace.precision)
    logits = trace.logits(few)
    check_logits(traced.model, trace, logits, given, needs_layers)
    _check_outputs_differ(np.asarray(tf.cast(given, tf.float32)))
    if not trace.is_differentiable:
        raise ValueError(
            "TensorFlow cannot differentiate the model's logits by the image. "
            "Compute them with Keras or TensorFlow operations only, without NumPy, argmax or rounding in between."
        )
    _check_not_tied(trace, images, np.asarray(logits))
    return given.shape[-1]


def _check_repeats(before: Any, again: Any, precision: float) -> None:
    """Of outputs that change from call to call there is no label that a change of the image could change.

    An output may change by a little of what its class is at most, and of what its image's outputs differ by, so that no
    large class or image hides another; and by its rounding, which for probabilities near 0 is that of those near 1.
    """
    first, second = (np.asarray(tf.cast(given, tf.float64)) for given in (before, again))
    difference, sizes = np.abs(first - second), np.abs(first)
    by_image = sizes.max(axis=1, keepdims=True)
    scale = np.minimum(sizes.max(axis=0), np.ptp(first, axis=1, keepdims=True))
    rounding = max(2 * precision, 2.0**-19)  # two last bits of an output; of float32 sixteen
    differs = difference > 1e-3 * scale + rounding * np.maximum(sizes, np.minimum(by_image, 1))
    if differs.any():
        raise ValueError(
            "Two calls of the model with the same images gave different outputs, by up to "
            f"{difference[differs].max():.3g}: it computes with random "
            "numbers. Leave them out (call layers with training=False), or keep them the same: draw them once before, or with a fixed "
            "seed (tf.random.stateless_normal). A mean over fixed draws is such a function, too."
        )


def _check_outputs_differ(given: np.ndarray) -> None:
    """Outputs that are equal but for their last bits, such as probabilities of logits near 0, give no label."""
    if np.ptp(given, axis=1).max() <= 4 * np.finfo(np.float32).eps * np.abs(given).max():
        raise ValueError(
            f"The model's outputs for one image are all {given[0, 0]:.3g}, but for rounding: it tells no classes apart. Has it been "
            "trained, and are its weights loaded?"
        )


def _check_not_tied(trace: Trace, few: np.ndarray, logits: np.ndarray) -> None:
    """Logits of one image that differ by no more than rounding are no classes."""
    alone = np.concatenate([np.asarray(trace.logits(image[None])) for image in few[:2]])
    gaps, gaps_alone = (z - z[:, :1] for z in (logits[: len(alone)], alone))
    largest, rounding = np.abs(gaps).max(), np.abs(gaps - gaps_alone).max()
    if largest <= 4 * rounding or (largest == 0 and np.ptp(logits) == 0):
        raise ValueError(
            f"The model's logits of an image differ by {largest:.2g} only, and by {rounding:.2g} between a call with that image alone and "
            "one with others: it tells no classes apart. Has it been trained, are its weights loaded, and does it look at one image at "
            "a time, not at the batch?"
        )


def _predicted(model: Callable, images: np.ndarray) -> np.ndarray:
    """The model's labels of all images, by calling it as its user would, int32 [B]."""
    labels = np.zeros(len(images), np.int32)
    for rows, given in outputs.in_batches(model, images):
        outputs.check_outputs(given, len(images[rows]))
        labels[rows] = tf.argmax(given, axis=-1)
    return labels


def _labels(name: str, labels: Any, shape: tuple[int, ...], classes: int) -> np.ndarray | None:
    """Checked classes of images of a shape [B, …], int32 [B]."""
    if labels is None:
        return None
    values, count = as_classes(name, labels, classes), shape[0]
    if values.ndim == 0:
        values = np.full(count, values)
    if values.shape != (count,):
        raise ValueError(
            f"{name} must hold one class for each of {count} {word(shape)}s; its shape is {np.shape(labels)}."
        )
    wrong = (values < 0) | (values >= classes)
    if wrong.any():
        raise ValueError(
            f"{name} holds {values[wrong][0]}, but the model has {classes} classes, 0 to {classes - 1}."
        )
    return values.astype(np.int32)
