"""How attacks are compared: adversarial images checked by a fresh forward pass, the model's passes counted."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Attacked(NamedTuple):
    """What an attack returns.

    Attributes:
        adversarial: images [B, …].
        forward_passes: of the model, for each image [B]; where a tool works on its batch, the mean for all.
        backward_passes: likewise [B]; a gradient is one forward and one backward pass.
    """

    adversarial: np.ndarray
    forward_passes: np.ndarray
    backward_passes: np.ndarray


def distances(
    model: Callable, x: np.ndarray, y: np.ndarray, adversarial: np.ndarray, targets: np.ndarray | None
) -> np.ndarray:
    """The distances ‖r‖₂ [B] of adversarial images, by one fresh forward pass.

    Args:
        model: a Keras model; maps images to logits.
        x: the images [B, …].
        y: their labels [B], to be changed.
        adversarial: [B, …], in [0, 1].
        targets: the classes to be reached [B], or None.

    Returns:
        float64 [B], infinite where the label is wrong, a pixel is outside the box, or a value is not finite.
    """
    labels = np.argmax(np.asarray(model(adversarial, training=False)), axis=1)
    rows = adversarial.reshape(len(x), -1)
    good = labels == targets if targets is not None else labels != y
    good &= (rows >= 0).all(axis=1) & (rows <= 1).all(axis=1)
    distance = np.linalg.norm(rows.astype(np.float64) - x.reshape(len(x), -1), axis=1)
    return np.where(good, distance, np.inf)
