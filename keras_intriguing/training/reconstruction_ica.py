"""Reconstruction ICA (Le et al. 2011) of local filters: features of images, learned without labels."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_intriguing.models.local import L2Pooling, LocalFilters
from keras_intriguing.training.settings import ReconstructionICA

# added to every variance, so that whitening does not blow up noise: a share of their mean, and for constant patches
_FLATTENED, _LEAST = 0.1, 1e-8


class Whitened(NamedTuple):
    """What the filters of P positions see of N images, each position whitened for itself to d dimensions.

    Attributes:
        mean: of the patches, float32 [P, D].
        transform: from centred patches to whitened ones, float32 [P, D, d].
        patches: whitened, float32 [P, d, N].
    """

    mean: np.ndarray
    transform: np.ndarray
    patches: np.ndarray


def whiten(layer: LocalFilters, x: np.ndarray, dimensions: int) -> Whitened:
    """Centres the patches of every position, and keeps their directions of most variance, with like variances.

    Args:
        layer: built; whose patches.
        x: its inputs, float32 [N, H, W, C]. Beside the result, the patches of one row of positions are held.
        dimensions: that are kept, at most those of a patch.
    """
    height, width, *_ = layer.kernel.shape
    parts = []
    for row in range(height):
        first = row * layer.stride
        seen = np.asarray(layer.patches(x[:, first : first + layer.size]))
        patches = np.moveaxis(seen[:, 0], 2, 0).reshape(width, len(x), -1)
        mean = patches.mean(axis=1)
        patches = patches - mean[:, None]
        variances, directions = np.linalg.eigh(np.swapaxes(patches, 1, 2) @ patches / len(x))
        # eigenvalues rise
        variances = np.maximum(variances[:, -dimensions:], 0)
        floor = _FLATTENED * variances.mean(axis=1, keepdims=True) + _LEAST
        transform = directions[:, :, -dimensions:] / np.sqrt(variances + floor)[:, None]
        parts.append(Whitened(mean, transform, np.swapaxes(patches @ transform, 1, 2)))
    return Whitened(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def start(whitened: Whitened, filters: int, seed: int) -> np.ndarray:
    """Random weights [P, d, filters] on whitened patches: as far as there are dimensions, orthonormal."""
    positions, dimensions, _ = whitened.patches.shape
    random = np.random.default_rng(seed).normal(size=(positions, dimensions, filters))
    if filters <= dimensions:
        return np.linalg.qr(random)[0].astype(np.float32)
    return (random / np.linalg.norm(random, axis=1, keepdims=True)).astype(np.float32)


def objective(
    layer: LocalFilters, pool: L2Pooling, whitened: Whitened, options: ReconstructionICA
) -> Callable[[Sequence[tf.Tensor]], tf.Tensor]:
    """The function of [weights [P, d, M]] that is minimized: see `ReconstructionICA`."""
    z = tf.constant(whitened.patches)
    positions, _, count = whitened.patches.shape
    sizes = layer.kernel.shape[:2]

    def value(values: Sequence[tf.Tensor]) -> tf.Tensor:
        (weights,) = values
        responses = tf.matmul(weights, z, transpose_a=True)
        errors = tf.matmul(weights, responses) - z
        # one image whose maps are all filters' of all images: they are pooled one by one
        pooled = pool(tf.reshape(responses, (1, *sizes, -1)))
        total = options.reconstruction * tf.reduce_sum(errors**2) + tf.reduce_sum(pooled)
        return total / (positions * count)

    return value


def assign(layer: LocalFilters, whitened: Whitened, weights: np.ndarray) -> None:
    """Sets the layer's kernel and bias to those that give patches what `weights` [P, d, M] give whitened ones."""
    kernel = whitened.transform @ weights
    layer.kernel.assign(kernel.reshape(layer.kernel.shape))
    layer.bias.assign(-(whitened.mean[:, None] @ kernel).reshape(layer.bias.shape))
