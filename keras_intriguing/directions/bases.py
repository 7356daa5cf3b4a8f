"""Directions of a layer's space: its units, and their rivals.

A direction is a row v of an array [M, D]; an image counts by ⟨φ(x), v⟩. Two things other than the basis can decide
which images that picks, and units and rivals are compared fairly only where they decide neither:

The mean μ of φ. Subtracting it from φ shifts ⟨φ(x), v⟩ by the same ⟨μ, v⟩ for all images and changes no order. But
where ⟨φ, v⟩ goes along with ⟨φ, μ⟩ over the images, v favours those with much activation all over; `without_mean`
takes out what does.

The covariance Σ of φ. Where a few principal components hold most of the variance, every random v orders the images
nearly as those few do. `whitened` gives the directions of the whitened space, where none has more variance than another.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy import stats

# Of the mean of ‖φ‖². The rounding of float32, at most 6e-8 of ‖φ‖, is less than a hundredth of the deviation above it.
_ROUNDING = 1e-10
_BLOCK = 1_000_000  # values drawn at once


class Moments(NamedTuple):
    """Of a layer's activations, over images and, for a convolutional layer's channels, over positions.

    Attributes:
        mean: float64 [D].
        covariance: float64 [D, D].
    """

    mean: np.ndarray
    covariance: np.ndarray

    @property
    def rounding(self) -> float:
        """The variance along a unit vector below which it may come from the rounding of float32."""
        return _ROUNDING * float(np.trace(self.covariance) + self.mean @ self.mean)


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
    rows = np.empty((_count("count", count), _count("dimensions", dimensions)), np.float32)
    random = np.random.default_rng(seed)
    for block in np.array_split(rows, math.ceil(rows.size / _BLOCK)):  # float64 takes twice the memory
        drawn = random.normal(size=block.shape)
        block[:] = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return rows


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


def without_mean(directions: np.ndarray, activations: np.ndarray | Moments) -> np.ndarray:
    """Directions [M, D] less what of the mean μ makes ⟨φ, v⟩ go along with ⟨φ, μ⟩: v − μ(μᵀΣv)/(μᵀΣμ), float32.

    ⟨φ, v⟩ and ⟨φ, μ⟩ are then uncorrelated over the images. (Taking out v's own component along μ does not do that:
    other components may vary together with μ's.) Where ⟨φ, μ⟩ does not vary, nothing is taken out.

    Raises:
        ValueError: no activations, some or directions that are not finite, or of another width.
    """
    found = _moments(activations, directions)
    along = found.covariance @ found.mean
    variance = found.mean @ along
    if variance <= found.rounding * (found.mean @ found.mean):
        return np.array(directions, np.float32)
    return (directions - np.outer(directions @ along / variance, found.mean)).astype(np.float32)


def whitened(directions: np.ndarray, activations: np.ndarray | Moments) -> np.ndarray:
    """Directions [M, D] of the whitened space as directions of the layer's own: v ↦ Σ^(−½)v, float32.

    ⟨φ, Σ^(−½)v⟩ = ⟨Σ^(−½)φ, v⟩, and Σ^(−½)φ is of all whitened activations the one nearest to φ itself, so that
    its units can still be called by the layer's. Where the activations vary by rounding only, Σ^(−½) is zero.

    Raises:
        ValueError: no activations, some or directions that are not finite, or of another width.
    """
    found = _moments(activations, directions)
    variances, vectors = np.linalg.eigh(found.covariance)
    vary = variances > found.rounding
    vectors = vectors[:, vary]
    return (directions @ (vectors / np.sqrt(variances[vary])) @ vectors.T).astype(np.float32)


def _moments(activations: np.ndarray | Moments, directions: np.ndarray | None = None) -> Moments:
    """Of activations, fit for directions where they are given."""
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
    if directions is not None:
        if np.shape(directions)[1:] != found.mean.shape:
            raise ValueError(
                f"The directions have shape {np.shape(directions)}, but there are activations of {len(found.mean)} "
                f"values; directions must be [M, {len(found.mean)}]."
            )
        if np.iscomplexobj(directions) or not np.isfinite(directions).all():
            raise ValueError("The directions are not all finite real numbers.")
    return found


def _count(name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{name} must be a whole number of at least 1, not {value!r}.")
    return int(value)
