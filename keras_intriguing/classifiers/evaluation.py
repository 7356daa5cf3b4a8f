"""Predicted labels and error rates, in batches."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from keras_intriguing.classifiers.images import as_array
from keras_intriguing.classifiers.loading import as_model
from keras_intriguing.classifiers.logits import adapted
from keras_intriguing.classifiers.outputs import call, in_batches

__all__ = ["call", "error", "in_batches", "labels"]


def labels(model: Callable | str | Path, x: Any) -> np.ndarray:
    """The class with the largest logit, int32 [N], of images; memory does not grow with N.

    Of a model with one output, 1 where that is a logit above 0 or, after a sigmoid, a probability above ½.

    Args:
        model: a Keras model or its method `predict`, the path of a saved one, or a function of tensors.
        x: images [N, …], or a `tf.data.Dataset` of them or of pairs with labels.

    Raises:
        TypeError, ValueError: model or x are something else; see the message.
        FileNotFoundError: there is no such file.
    """
    called = as_model(model, needs_gradient=False)
    x = np.asarray(as_array(x, called))
    predicted = np.zeros(len(x), np.int32)
    classifier = None
    for rows, outputs in in_batches(called, x):
        if outputs.shape[-1] == 1:
            classifier = classifier or adapted(called, x[:1]).model
            outputs = call(classifier, x[rows])
        predicted[rows] = tf.argmax(outputs, axis=-1)
    return predicted


def error(model: Callable | str | Path, x: Any, y: np.ndarray) -> float:
    """The share of images x [N, …] that the model does not give their labels y [N]; see `labels`."""
    return float(np.mean(labels(model, x) != np.reshape(y, -1)))
