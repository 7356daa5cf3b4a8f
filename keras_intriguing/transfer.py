"""Cross-model generalization: every model on every other model's examples, and on noise (paper §4.2)."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_intriguing.classifiers import evaluation


def error_table(
    models: Mapping[str, Any], examples: Mapping[str, np.ndarray], labels: np.ndarray
) -> dict[str, dict[str, float]]:
    """Error of every model on every set of images.

    Args:
        models: name to a model of images [B, …] to logits.
        examples: name to images [N, …], each set made from the same N originals.
        labels: int [N], the originals' true labels.

    Returns:
        `table[examples' name][model's name]`: the share of images not given their true label.

    Raises:
        ValueError: a set of examples has another number of images than there are labels.
    """
    for name, images in examples.items():
        if len(images) != len(labels):
            raise ValueError(
                f"The examples {name!r} are {len(images)} images, but there are {len(labels)} labels."
            )
    return {
        name: {other: evaluation.error(model, images, labels) for other, model in models.items()}
        for name, images in examples.items()
    }


def gaussian_noise(x: np.ndarray, stddev: float, seed: int) -> np.ndarray:
    """X [N, …] plus independent normal noise, float32; not clipped, so that its RMS is `stddev` on average."""
    noise = np.random.default_rng(seed).normal(0, stddev, x.shape)
    return (x + noise).astype(np.float32)


def distortion(x: np.ndarray, changed: np.ndarray) -> np.ndarray:
    """The root mean square of changed − x over an image's values, float64 [N], for images [N, …]."""
    difference = (changed.astype(np.float64) - x).reshape(len(x), -1)
    return np.sqrt(np.mean(difference**2, axis=1))


def rescaled(x: np.ndarray, changed: np.ndarray, size: float | np.ndarray) -> np.ndarray:
    """X [N, …] plus the difference changed − x, scaled to another distortion (paper, Table 4's lower rows).

    Args:
        x: the originals.
        changed: the distorted images [N, …].
        size: the distortion to have, one or one an image [N].

    Returns:
        float32 [N, …]; not clipped, so that the distortion is exact. An image without a change stays.
    """
    old = distortion(x, changed)
    factor = np.divide(size, old, out=np.zeros_like(old), where=old > 0).reshape(-1, *[1] * (x.ndim - 1))
    return (x + factor * (changed.astype(np.float64) - x)).astype(np.float32)


def random_targets(labels: np.ndarray, classes: int, seed: int) -> np.ndarray:
    """For every label a class other than it, uniformly at random, int32 [N]."""
    steps = np.random.default_rng(seed).integers(1, classes, len(labels))
    return ((labels + steps) % classes).astype(np.int32)
