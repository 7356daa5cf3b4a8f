"""Checks of what is given with a model: images, classes and bounds, before any work starts."""

import math
import numbers
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_intriguing.classifiers import evaluation
from keras_intriguing.classifiers.logits import check_logits, check_outputs, logits_function
from keras_intriguing.data.photographs import Photographs
from keras_intriguing.models.base import PresetModel

PROBE = 16  # images on which a model is tried before work starts


class Request(NamedTuple):
    """Checked input: x float32 [B, …], the model's labels of it, target and label int32 [B] or None, bounds."""

    x: np.ndarray
    before: np.ndarray
    target: np.ndarray | None
    label: np.ndarray | None
    bounds: tuple[float, float]

    @property
    def label_to_leave(self) -> np.ndarray:
        """The given labels, or else the model's own, int32 [B]."""
        return self.before if self.label is None else self.label

    def rows(self, first: int, last: int) -> "Request":
        """A part of the images."""
        target = None if self.target is None else self.target[first:last]
        label = None if self.label is None else self.label[first:last]
        return Request(self.x[first:last], self.before[first:last], target, label, self.bounds)


def checked(model: Callable, x: Any, target: Any, label: Any, bounds: Any, batch_size: int | None) -> Request:
    """The input in one form.

    Raises:
        ValueError, TypeError: see the messages.
    """
    if not callable(model):
        hint = " Load it first: keras_intriguing.from_preset(name)." if isinstance(model, str) else ""
        raise TypeError(f"model must be a Keras model or a function, not {type(model).__name__}.{hint}")
    if not isinstance(model, Hashable):
        raise TypeError(
            f"model is a {type(model).__name__}, which is not hashable, so that its compiled attack cannot be kept. "
            "Pass a function, for example model.__call__."
        )
    if batch_size is not None and (not isinstance(batch_size, numbers.Integral) or batch_size < 1):
        raise ValueError(f"batch_size must be a positive whole number or None, not {batch_size!r}.")
    lower, upper = _bounds(bounds)
    if isinstance(model, PresetModel) and (lower < 0 or upper > 1):
        raise ValueError(f"{model.name} takes pixels in [0, 1], but bounds are ({lower:.6g}, {upper:.6g}).")
    images = _images(model, x, lower, upper)
    classes = _classes(model, images)
    target = _labels("target", target, len(images), classes)
    label = _labels("label", label, len(images), classes)
    if target is not None and label is not None and (target == label).any():
        i = int(np.flatnonzero(target == label)[0])
        raise ValueError(
            f"Image {i} is to leave class {label[i]} and to reach it: target and label are equal."
        )
    return Request(images, _predicted(model, images), target, label, (lower, upper))


def _bounds(bounds: Any) -> tuple[float, float]:
    try:
        lower, upper = (float(np.float32(b)) for b in bounds)
    except (TypeError, ValueError) as error:
        raise ValueError(f"bounds must be two numbers (lowest, highest), not {bounds!r}.") from error
    if not (math.isfinite(lower) and math.isfinite(upper) and lower < upper):
        raise ValueError(f"bounds must be finite and rising, not {bounds!r}.")
    return lower, upper


def _images(model: Callable, x: Any, lower: float, upper: float) -> np.ndarray:
    if isinstance(x, Photographs):
        raise TypeError("x must be the photographs' pixels: pass photographs.images(size).")
    images = np.asarray(x)
    if not _is_float(images.dtype):
        raise TypeError(
            f"x holds {images.dtype}, and floats are needed, in the range that the model was trained on: "
            "x.astype('float32') / 255 for [0, 1], say, or x.astype('float32') with bounds=(0, 255)."
        )
    images = images.astype(np.float32)
    if images.ndim < 2 or images.size == 0:
        raise ValueError(f"x must hold at least one image, [B, …]; its shape is {images.shape}.")
    expected = getattr(model, "input_shape", None) if isinstance(model, keras.Model) else None
    if isinstance(expected, tuple) and not _fits(images.shape, expected):
        hint = " For a single image pass x[None]." if _fits((1, *images.shape), expected) else ""
        raise ValueError(f"The model takes images of shape {expected}, but x has shape {images.shape}.{hint}")
    finite = np.isfinite(images).reshape(len(images), -1).all(axis=1)
    if not finite.all():
        raise ValueError(
            f"x has NaN or infinite values in {int((~finite).sum())} of {len(images)} images, "
            f"first in image {int(np.argmin(finite))}."
        )
    if images.min() < lower or images.max() > upper:
        raise ValueError(
            f"x ranges from {images.min():.6g} to {images.max():.6g}, outside the bounds "
            f"({lower:.6g}, {upper:.6g}). Bring x into the range that the model was trained on, and pass that as bounds."
        )
    return images


def _is_float(dtype: np.dtype) -> bool:
    try:
        return tf.as_dtype(dtype).is_floating  # knows bfloat16, as NumPy does not
    except TypeError:  # text, objects
        return False


def _fits(shape: tuple[int, ...], expected: tuple[int | None, ...]) -> bool:
    return len(shape) == len(expected) and all(
        e is None or s == e for s, e in zip(shape, expected, strict=True)
    )


def _classes(model: Callable, images: np.ndarray) -> int:
    """The number of classes, by calling the model on a few images; also checks that it can be differentiated."""
    few = tf.constant(images[:PROBE])
    outputs = evaluation.call(model, few)
    logits_of = logits_function(model)
    check_outputs(outputs, len(few))
    with tf.GradientTape() as tape:
        tape.watch(few)
        logits = logits_of(few)
    check_logits(logits, outputs)
    if tape.gradient(logits, few) is None:
        raise ValueError(
            "TensorFlow cannot differentiate the model's logits by the image. "
            "Compute them with Keras or TensorFlow operations only, without NumPy in between."
        )
    return outputs.shape[-1]


def _predicted(model: Callable, images: np.ndarray) -> np.ndarray:
    """The model's labels of all images, by calling it as its user would, int32 [B]."""
    labels = np.zeros(len(images), np.int32)
    for rows, outputs in evaluation.in_batches(model, images):
        check_outputs(outputs, len(images[rows]))
        labels[rows] = tf.argmax(outputs, axis=-1)
    return labels


def _labels(name: str, labels: Any, count: int, classes: int) -> np.ndarray | None:
    if labels is None:
        return None
    values = np.asarray(labels)
    if not np.issubdtype(values.dtype, np.integer):
        hint = " One-hot rows become class indices by .argmax(axis=-1)." if values.ndim == 2 else ""
        raise TypeError(f"{name} must hold whole numbers, class indices; it holds {values.dtype}.{hint}")
    if values.ndim == 0:
        values = np.full(count, values)
    if values.shape != (count,):
        raise ValueError(
            f"{name} must hold one class for each of {count} images; its shape is {values.shape}."
        )
    wrong = (values < 0) | (values >= classes)
    if wrong.any():
        raise ValueError(
            f"{name} holds {values[wrong][0]}, but the model has {classes} classes, 0 to {classes - 1}."
        )
    return values.astype(np.int32)
