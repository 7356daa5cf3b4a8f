"""Predicted labels and error rates, in batches."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from keras_intriguing.classifiers.logits import adapted
from keras_intriguing.classifiers.outputs import call, in_batches

__all__ = ["call", "error", "in_batches", "labels"]


def labels(model: Callable, x: np.ndarray) -> np.ndarray:
    """The class with the largest logit, int32 [N], for images x [N, …]; memory does not grow with N.

    Of a model with one output, 1 where that is a logit above 0 or, after a sigmoid, a probability above ½.
    """
    predicted = np.zeros(len(x), np.int32)
    classifier = None
    for rows, outputs in in_batches(model, x):
        if outputs.shape[-1] == 1:
            classifier = classifier or adapted(model, x[:1]).model
            outputs = call(classifier, x[rows])
        predicted[rows] = tf.argmax(outputs, axis=-1)
    return predicted


def error(model: Callable, x: np.ndarray, y: np.ndarray) -> float:
    """The share of images x [N, …] that the model does not give their labels y [N]."""
    return float(np.mean(labels(model, x) != np.reshape(y, -1)))
