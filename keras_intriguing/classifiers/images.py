"""Images as users have them."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_intriguing.classifiers.pixels import Bounds, as_floats, within
from keras_intriguing.data.photographs import Photographs


def as_images(x: Any, model: Any = None) -> np.ndarray:
    """Float32 images [B, …] of an array, or of a `tf.data.Dataset` of images or of pairs (images, labels).

    Whether a data set comes in batches is told by the model's input, else by a first axis of no fixed length.

    Raises:
        TypeError: they are no floats, or not images.
        ValueError: there is none, or a data set has no end.
    """
    if isinstance(x, Photographs):
        raise TypeError("x must be the photographs' pixels: pass photographs.images(size).")
    if isinstance(x, dict):
        raise TypeError(
            f"x must be an array of images, not a dict ({', '.join(map(str, x))}). Of a model of several inputs pass a function "
            "of one of them, with the others fixed."
        )
    return as_floats(_of_dataset(x, _input_shape(model)) if isinstance(x, tf.data.Dataset) else x)


def checked_images(model: Callable, images: np.ndarray, bounds: Bounds) -> np.ndarray:
    """Images [B, …] of which it is known that they fit the model and the bounds.

    What is outside the bounds by rounding is clipped, with a warning.

    Raises:
        ValueError: they do not.
    """
    expected = _input_shape(model)
    if expected and not _fits(images.shape, expected):
        hint = " For a single image pass x[None]." if _fits((1, *images.shape), expected) else ""
        raise ValueError(f"The model takes images of shape {expected}, but x has shape {images.shape}.{hint}")
    return within(images, bounds)


def _input_shape(model: Any) -> tuple[int | None, ...] | None:
    shape = getattr(model, "input_shape", None) if isinstance(model, keras.Model) else None
    return shape if isinstance(shape, tuple) else None


def _of_dataset(dataset: Any, expected: tuple[int | None, ...] | None) -> np.ndarray:
    if dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise ValueError("x is a data set without end. Pass x.take(n).")
    spec = dataset.element_spec
    is_pair = isinstance(spec, (tuple, list))
    first = spec[0] if is_pair else spec
    if not isinstance(first, tf.TensorSpec) or first.shape.rank is None:
        raise TypeError(
            f"x must be a data set of images or of pairs (images, labels), not of {spec}. Map it to one."
        )
    elements = [np.asarray(element[0] if is_pair else element) for element in dataset]
    if not elements:
        raise ValueError("x is a data set without elements.")
    is_batched = first.shape.rank == len(expected) if expected else first.shape[0] is None
    return np.concatenate(elements) if is_batched else np.stack(elements)


def _fits(shape: tuple[int, ...], expected: tuple[int | None, ...]) -> bool:
    return len(shape) == len(expected) and all(
        e is None or s == e for s, e in zip(shape, expected, strict=True)
    )
