"""Predicted labels and error rates, in batches."""

import functools
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

_BATCH = 1000
_compiled: "weakref.WeakKeyDictionary[Any, Callable]" = weakref.WeakKeyDictionary()


def labels(model: Any, x: np.ndarray) -> np.ndarray:
    """The class with the largest logit, int32 [N], for images x [N, …]; memory does not grow with N."""
    if model not in _compiled:
        reference = weakref.ref(model)  # the value must not keep its own key alive
        _compiled[model] = tf.function(
            functools.partial(_argmax, reference), autograph=False, reduce_retracing=True
        )
    batches = [_compiled[model](tf.constant(x[i : i + _BATCH])) for i in range(0, len(x), _BATCH)]
    return np.concatenate([np.asarray(b) for b in batches]) if batches else np.zeros(0, np.int32)


def error(model: Any, x: np.ndarray, y: np.ndarray) -> float:
    """The share of images x [N, …] that the model does not give their labels y [N]."""
    return float(np.mean(labels(model, x) != y))


def _argmax(model: Callable[[], Any], x: tf.Tensor) -> tf.Tensor:
    return tf.argmax(model()(x, training=False), axis=-1, output_type=tf.int32)
