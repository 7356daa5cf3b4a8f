"""How attacks are compared: adversarial images checked by a fresh forward pass, gradients counted."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

import keras_intriguing as ki


class Attacked(NamedTuple):
    """Adversarial images [B, …], and how many gradients of the model were computed for an image on average."""

    adversarial: np.ndarray
    gradients: float


class CountedGradients:
    """A Keras model that counts the images of which a gradient is asked; for attacks that are not compiled.

    Args:
        model: maps images [B, …] to logits [B, K].

    Attributes:
        images: gradients by the image so far.
    """

    def __init__(self, model: Callable) -> None:
        self.images = 0
        # compiled, as the package's own attack is: an eager Keras model takes more than twice the time
        self._model = tf.function(lambda x: ki.evaluation.call(model, x), reduce_retracing=True)

    def __call__(self, x: Any, training: bool = False) -> tf.Tensor:
        """The logits, in inference mode; libraries say `training`, of which there is none here."""
        return self._model(self._watched(tf.convert_to_tensor(x)))

    def _watched(self, x: tf.Tensor) -> Any:
        @tf.custom_gradient
        def identity(x: tf.Tensor) -> tuple[tf.Tensor, Callable]:
            def backward(gradient: tf.Tensor) -> tf.Tensor:
                self.images += len(gradient)
                return gradient

            return tf.identity(x), backward

        return identity(x)


def distances(
    model: Callable, x: np.ndarray, y: np.ndarray, adversarial: np.ndarray, targets: np.ndarray | None
) -> np.ndarray:
    """The distances ‖r‖₂ [B] of adversarial images, by one fresh forward pass.

    Args:
        model: maps images to logits.
        x: the images [B, …].
        y: their labels [B], to be changed.
        adversarial: [B, …], in [0, 1].
        targets: the classes to be reached [B], or None.

    Returns:
        float64 [B], infinite where the label is wrong, a pixel is outside the box, or a value is not finite.
    """
    labels = np.argmax(np.asarray(ki.evaluation.call(model, adversarial)), axis=1)
    rows = adversarial.reshape(len(x), -1)
    good = labels == targets if targets is not None else labels != y
    good &= (rows >= 0).all(axis=1) & (rows <= 1).all(axis=1)
    distance = np.linalg.norm(rows.astype(np.float64) - x.reshape(len(x), -1), axis=1)
    return np.where(good, distance, np.inf)
