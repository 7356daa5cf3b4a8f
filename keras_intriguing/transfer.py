"""Cross-model generalization: the error of every model on every other model's examples (paper §4.2)."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_intriguing import evaluation


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


def random_targets(labels: np.ndarray, classes: int, seed: int) -> np.ndarray:
    """For every label a class other than it, uniformly at random, int32 [N]."""
    steps = np.random.default_rng(seed).integers(1, classes, len(labels))
    return ((labels + steps) % classes).astype(np.int32)
