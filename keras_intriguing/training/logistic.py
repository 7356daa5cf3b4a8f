"""Logistic regression on features that are computed once, in which both classes count alike."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_intriguing import optimize

_FOLDS = 5  # every so many-th image of a random order is held out to choose the decay
_TOLERANCE, _MAX_ITERATIONS = 1e-3, 2000


class Classifier(NamedTuple):
    """A linear score of features [F]: above 0 for the class.

    Attributes:
        kernel: float32 [F].
        bias: of the score.
        decay: the coefficient of Σw² that was chosen.
        progress: of its training.
    """

    kernel: np.ndarray
    bias: float
    decay: float
    progress: optimize.Progress

    def scores(self, features: np.ndarray) -> np.ndarray:
        """The scores [N] of features [N, F]."""
        return features @ self.kernel + self.bias


def fit(features: np.ndarray, labels: np.ndarray, decays: Sequence[float], seed: int) -> Classifier:
    """Minimizes the balanced cross-entropy plus weight decay, whose coefficient is chosen on a fifth of the images.

    Args:
        features: float32 [N, F]; they are standardized, to a variance of 1/F each.
        labels: bool [N], which images are of the class.
        decays: the coefficients to choose from, by the loss on the fifth that is held out; all images are used then.
        seed: of the fifth.
    """
    mean = features.mean(axis=0)
    scale = (features.std(axis=0) + 1e-6) * np.float32(features.shape[1]) ** 0.5
    standardized = features - mean
    standardized /= scale  # in place: pixels take 0.4 GiB
    x = tf.constant(standardized)
    del standardized
    signs = tf.constant(np.where(labels, 1, -1), tf.float32)
    held_out = np.random.default_rng(seed).permutation(len(labels)) % _FOLDS == 0

    def loss(values: Sequence[tf.Tensor], members: np.ndarray) -> tf.Tensor:
        """The mean over both classes of the members' mean cross-entropy."""
        kernel, bias = values
        losses = tf.nn.softplus(-signs * (tf.linalg.matvec(x, kernel) + bias))
        return tf.reduce_sum(_balanced_weights(labels, members) * losses)

    def minimize(decay: float, members: np.ndarray) -> tuple[list[tf.Variable], optimize.Progress]:
        variables = [tf.Variable(tf.zeros(features.shape[1])), tf.Variable(tf.zeros(()))]
        progress = optimize.minimize_variables(
            lambda values: loss(values, members) + decay * tf.reduce_sum(values[0] ** 2),
            variables,
            max_iterations=_MAX_ITERATIONS,
            tolerance=_TOLERANCE,
        )
        return variables, progress

    decay = min(decays, key=lambda decay: float(loss(minimize(decay, ~held_out)[0], held_out)))
    (kernel, bias), progress = minimize(decay, np.ones(len(labels), bool))
    kernel = kernel.numpy() / scale
    return Classifier(kernel, float(bias) - float(mean @ kernel), decay, progress)


def _balanced_weights(labels: np.ndarray, members: np.ndarray) -> np.ndarray:
    """The weight of every image, float32 [N]: ½ for the members of either class together, 0 for the others."""
    weights = np.zeros(len(labels), np.float32)
    for kind in (labels & members, ~labels & members):
        weights[kind] = 0.5 / max(1, kind.sum())
    return weights
