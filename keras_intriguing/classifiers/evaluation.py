"""Predicted labels and error rates, in batches."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

_BATCH, _BATCH_BYTES = 1000, 2**24  # at most so many images at once, and of photographs fewer


def call(model: Callable, x: Any) -> Any:
    """The outputs for images x of a Keras model, in inference mode, or of any function of tensors."""
    return model(x, training=False) if isinstance(model, keras.Model) else model(tf.convert_to_tensor(x))


def in_batches(model: Callable, x: np.ndarray) -> Iterator[tuple[slice, Any]]:
    """The rows of every batch of images x [N, …] and their outputs; memory does not grow with N."""
    size = min(_BATCH, max(1, _BATCH_BYTES // max(1, x[:1].nbytes)))
    for first in range(0, len(x), size):
        rows = slice(first, first + size)
        yield rows, call(model, x[rows])


def labels(model: Callable, x: np.ndarray) -> np.ndarray:
    """The class with the largest logit, int32 [N], for images x [N, …]; memory does not grow with N."""
    predicted = np.zeros(len(x), np.int32)
    for rows, outputs in in_batches(model, x):
        predicted[rows] = tf.argmax(outputs, axis=-1)
    return predicted


def error(model: Callable, x: np.ndarray, y: np.ndarray) -> float:
    """The share of images x [N, …] that the model does not give their labels y [N]."""
    return float(np.mean(labels(model, x) != y))
