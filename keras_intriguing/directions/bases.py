"""Directions of a layer's space: its units, and their rivals.

A direction is a row v of an array [M, D]; an image counts by ⟨φ(x), v⟩. Two things other than the basis can decide
which images that picks, and a rival is fair only where they do not:

The mean of φ. Subtracting it from φ shifts ⟨φ(x), v⟩ by the same ⟨μ, v⟩ for all images and changes no order, so the
activations are not centred. But a v that has a component along μ favours images with much activation all over;
`centred` takes that component out of v.

The covariance of φ. Where a few principal components hold most of the variance, every random v orders the images
nearly as those few do. `whitened` gives the directions of the whitened space, where none has more variance than another.
"""

from typing import NamedTuple

import numpy as np
from scipy import stats

_FLAT = 1e-7  # of the largest variance: below it float32 activations vary by rounding only


class Moments(NamedTuple):
    """Of a layer's activations, over images and, for a convolutional layer's channels, over positions.

    Attributes:
        mean: float64 [D].
        covariance: float64 [D, D].
    """

    mean: np.ndarray
    covariance: np.ndarray


def units(dimensions: int) -> np.ndarray:
    """The natural basis, float32 [D, D] (paper §3: e_i).

    Raises:
        ValueError: not a positive whole number.
    """
    return np.eye(_count("dimensions", dimensions), dtype=np.float32)


def random_directions(dimensions: int, count: int, seed: int) -> np.ndarray:
    """Unit vectors uniform on the sphere, float32 [count, dimensions] (paper §3: random v).

    Raises:
        ValueError: dimensions or count is not a positive whole number.
    """
    shape = _count("count", count), _count("dimensions", dimensions)
    drawn = np.random.default_rng(seed).normal(size=shape)
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


def rotated_basis(dimensions: int, seed: int) -> np.ndarray:
    """An orthonormal basis, uniform over all (Haar), float32 [D, D]; every row alone is a uniform direction.

    Raises:
        ValueError: not a positive whole number.
    """
    size = _count("dimensions", dimensions)
    if size == 1:
        return random_directions(1, 1, seed)
    return stats.ortho_group.rvs(size, random_state=np.random.default_rng(seed)).astype(np.float32)


def principal_directions(activations: np.ndarray | Moments) -> np.ndarray:
    """The eigenvectors of the covariance, float32 [D, D], by falling variance.

    The covariance is that about the mean, so that the mean itself is no direction unless images vary along it.
    An eigenvector's sign means nothing; its largest entry is made positive. Whitening scales these directions
    and changes none of them, so they are their own fair rivals.

    Args:
        activations: [N, …, D], one row an image or position; or their `Moments`.

    Raises:
        ValueError: no activations, or some that are not finite.
    """
    covariance = _moments(activations).covariance
    rows = np.linalg.eigh(covariance)[1].T[::-1]
    largest = rows[np.arange(len(rows)), np.abs(rows).argmax(axis=1)]
    return (rows * np.where(largest < 0, -1, 1)[:, None]).astype(np.float32)


def centred(directions: np.ndarray, activations: np.ndarray | Moments) -> np.ndarray:
    """Directions [M, D] without their component along the mean activation, float32, of the length that is left.

    Raises:
        ValueError: no activations, some that are not finite, or of another width.
    """
    mean = _moments(activations, width_of=directions).mean
    square = mean @ mean
    along = directions @ mean / square if square else np.zeros(len(directions))
    return (directions - np.outer(along, mean)).astype(np.float32)


def whitened(directions: np.ndarray, activations: np.ndarray | Moments) -> np.ndarray:
    """Directions [M, D] of the whitened space as directions of the layer's own: v ↦ Σ^(−½)v, float32.

    ⟨φ, Σ^(−½)v⟩ = ⟨Σ^(−½)φ, v⟩, and Σ^(−½)φ is of all whitened activations the one nearest to φ itself, so that
    its units can still be called by the layer's. Where the activations do not vary, Σ^(−½) is zero.

    Raises:
        ValueError: no activations, some that are not finite, or of another width.
    """
    variances, vectors = np.linalg.eigh(_moments(activations, width_of=directions).covariance)
    vary = variances > _FLAT * max(variances[-1], 0)
    vectors = vectors[:, vary]
    return (directions @ (vectors / np.sqrt(variances[vary])) @ vectors.T).astype(np.float32)


def _moments(activations: np.ndarray | Moments, width_of: np.ndarray | None = None) -> Moments:
    if isinstance(activations, Moments):
        found = activations
    else:
        rows = np.asarray(activations, np.float64)
        if rows.ndim < 2 or rows.size == 0:
            raise ValueError(
                f"There are no activations in an array of shape {rows.shape}; they must be [N, …, D]."
            )
        if not np.isfinite(rows).all():
            raise ValueError("The activations are not all finite; a mean and a covariance need numbers.")
        rows = rows.reshape(-1, rows.shape[-1])
        found = Moments(rows.mean(axis=0), np.atleast_2d(np.cov(rows, rowvar=False, bias=True)))
    if width_of is not None and np.shape(width_of)[1:] != found.mean.shape:
        raise ValueError(
            f"The directions have shape {np.shape(width_of)}, but there are activations of {len(found.mean)} values; "
            f"directions must be [M, {len(found.mean)}]."
        )
    return found


def _count(name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{name} must be a whole number of at least 1, not {value!r}.")
    return int(value)
