"""Predicted labels and error rates, in batches."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

_BATCH, _BATCH_BYTES = 1000, 2**24  # at most so many images at once, and of photographs fewer


def call(model: Callable, x: Any) -> Any:
    """The outputs for images x of a Keras model, in inference mode, or of any function of tensors."""
    return model(x, training=False) if isinstance(model, keras.Model) else model(tf.convert_to_tensor(x))


def labels(model: Callable, x: np.ndarray) -> np.ndarray:
    """The class with the largest logit, int32 [N], for images x [N, …]; memory does not grow with N."""
    found = np.zeros(len(x), np.int32)
    batch = min(_BATCH, max(1, _BATCH_BYTES // max(1, x[:1].nbytes)))
    for first in range(0, len(x), batch):
        found[first : first + batch] = tf.argmax(call(model, x[first : first + batch]), axis=-1)
    return found


def error(model: Callable, x: np.ndarray, y: np.ndarray) -> float:
    """The share of images x [N, …] that the model does not give their labels y [N]."""
    return float(np.mean(labels(model, x) != y))
