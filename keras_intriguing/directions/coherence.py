"""How alike k images are: by their labels, and by pairwise similarity in spaces of features."""

import dataclasses
from typing import Any, NamedTuple

import numpy as np
from scipy import special, stats

from keras_intriguing.directions.search import TopImages

PURITY, ENTROPY, PIXELS, FEATURES = MEASURES = ("purity", "entropy", "pixels", "features")
_CHUNK = 500  # images compared with all others at once
_VALUES = 4_000_000  # of the images of sets that are compared at once
_ROUNDING = 1e-7  # of similarities, which come from vectors in float32


class Reference(NamedTuple):
    """What a measure is for k of the images, whatever a model does.

    Attributes:
        chance: expected for k different images drawn at random; exact.
        best: the most coherent k that were found. For labels the exact optimum; for similarities, whose optimum
            is too hard to find, a local one.
        limit: no k images are more coherent; proved. For labels the same as `best`.
    """

    chance: float
    best: float
    limit: float


@dataclasses.dataclass(frozen=True)
class Coherence:
    """How alike the k top images of every one of M directions are.

    Attributes:
        values: by measure, float64 [M]. `purity`: the share of the commonest label. `entropy`: of the labels, in
            bits; small where images are alike. `pixels`, `features`: the mean cosine similarity of all pairs, of
            the pixels and of the other model's features, both about their mean over all images.
        references: by measure, what chance gives and what is possible.
    """

    values: dict[str, np.ndarray]
    references: dict[str, Reference]

    def scores(self) -> dict[str, np.ndarray]:
        """By measure, float64 [M]: 0 for what chance gives, 1 for the best k images that were found.

        Where all sets of k images are alike, as with one label only, all scores are 0.
        """
        scores = {}
        for name, values in self.values.items():
            reference = self.references[name]
            gap = reference.best - reference.chance
            differ = abs(gap) > _ROUNDING * max(1, abs(reference.best))
            scores[name] = (values - reference.chance) / gap if differ else np.zeros_like(values)
        return scores


def coherence(
    top: TopImages, labels: np.ndarray, images: np.ndarray, features: np.ndarray | None = None
) -> Coherence:
    """How alike the top images of every direction are.

    Args:
        top: from `top_images` on these images, or several of them; a `CoherenceScorer` serves for more than one.
        labels: [N].
        images: [N, …].
        features: [N, …], outputs for the same images of a layer of another model than the one that chose them
            (`keras_intriguing.directions.activations`); None leaves that measure out.

    Raises:
        ValueError: labels, images and features are not of as many images, not arrays or not finite; `top` names
            other images or is not [M, k]; k below 2.
    """
    shape = np.shape(top.indices)
    if len(shape) != 2:
        raise ValueError(f"The sets have shape {shape}; [M, k] is needed, as `top_images` gives it.")
    return CoherenceScorer(labels, images, features, shape[1])(top)


class CoherenceScorer:
    """Measures sets of k images out of N; made once, since chance and best depend on the N images alone.

    Args and errors: as of `coherence`, with k the number of images in a set.
    """

    def __init__(
        self, labels: np.ndarray, images: np.ndarray, features: np.ndarray | None = None, k: int = 10
    ) -> None:
        labels = np.asarray(labels)
        given = {PIXELS: images} if features is None else {PIXELS: images, FEATURES: features}
        spaces = {name: _rows(name, space) for name, space in given.items()}
        for name, space in spaces.items():
            if labels.ndim != 1 or len(space) != len(labels):
                raise ValueError(
                    f"There are labels of shape {labels.shape} and {name} of {len(space)} images; as many are needed."
                )
        if labels.dtype.kind == "f" and not np.isfinite(labels).all():
            raise ValueError("The labels are not all finite.")
        if not 2 <= k <= len(labels):
            raise ValueError(
                f"k is {k}; of {len(labels)} images, sets of 2 to {len(labels)} can be compared."
            )
        self._k = k
        classes, self._classes = np.unique(labels, return_inverse=True)
        self._class_count = len(classes)
        self._directions = {name: _unit_vectors(name, space) for name, space in spaces.items()}
        sizes = np.bincount(self._classes)
        self.references = {PURITY: _purity_reference(sizes, k), ENTROPY: _entropy_reference(sizes, k)}
        for name, vectors in self._directions.items():
            self.references[name] = _similarity_reference(vectors, k)

    def __call__(self, top: TopImages) -> Coherence:
        """The coherence of every direction's images."""
        indices = np.asarray(top.indices)
        if indices.ndim != 2 or indices.shape[1] != self._k:
            raise ValueError(f"The sets have shape {indices.shape}; [M, {self._k}] is what is measured here.")
        if indices.size and not 0 <= indices.min() <= indices.max() < len(self._classes):
            raise ValueError(f"The sets name images beyond the {len(self._classes)} that are given.")
        of = self._classes[indices]
        shares = np.stack([(of == c).mean(axis=1) for c in range(self._class_count)], axis=1)
        values = {PURITY: shares.max(axis=1), ENTROPY: _entropy(shares)}
        for name, vectors in self._directions.items():
            values[name] = _mean_similarity(vectors, indices)
        return Coherence(values, self.references)


def _entropy(shares: np.ndarray) -> np.ndarray:
    return special.entr(shares).sum(axis=-1) / np.log(2)


def _purity_reference(sizes: np.ndarray, k: int) -> Reference:
    """For classes of these sizes. E[max] = Σ_m P(max ≥ m).

    If every image were drawn or not, on its own, with probability k/N, the classes' counts would be independent and
    binomial; given that they sum to k, they are what k different images have. So nothing overflows, as sets' numbers do.
    """
    counts, total = np.arange(k + 1), sizes.sum()
    chances = [np.asarray(stats.binom.pmf(counts, size, k / total)) for size in sizes]
    every = stats.binom.pmf(k, total, k / total)
    expected = float(k)
    for most in range(k):
        sums = np.ones(1)
        for own in chances:
            sums = np.convolve(sums, own[: most + 1])[: k + 1]
        expected -= (sums[k] if len(sums) > k else 0.0) / every
    best = min(k, sizes.max()) / k
    return Reference(float(expected / k), float(best), float(best))


def _entropy_reference(sizes: np.ndarray, k: int) -> Reference:
    """By linearity over classes, whose counts are hypergeometric; least when the largest classes are filled first."""
    counts = np.arange(k + 1)
    chance = sum(stats.hypergeom.pmf(counts, sizes.sum(), n, k) @ special.entr(counts / k) for n in sizes)
    filled = np.diff(np.minimum(np.cumsum(np.sort(sizes)[::-1]), k), prepend=0)
    best = float(_entropy(filled / k))
    return Reference(float(chance / np.log(2)), best, best)


def _rows(name: str, space: Any) -> np.ndarray:
    """A space as [N, D]."""
    space = np.asarray(space)
    if space.ndim < 2 or not space.size or space.dtype.kind not in "biuf":
        raise ValueError(
            f"The {name} must be an array [N, …] of real numbers, not one of shape {space.shape} and type {space.dtype}."
        )
    return space.reshape(len(space), -1)


def _unit_vectors(name: str, rows: np.ndarray) -> np.ndarray:
    """Rows [N, D] of length 1, after the mean over all is subtracted; zero where nothing is left. float32."""
    mean = rows.mean(axis=0, dtype=np.float64)
    if not np.isfinite(mean).all():
        raise ValueError(f"The {name} are not all finite.")
    found = np.empty(rows.shape, np.float32)
    for first in range(0, len(rows), _CHUNK):  # float64 takes twice the memory
        part = rows[first : first + _CHUNK] - mean
        length = np.linalg.norm(part, axis=1, keepdims=True)
        left = length > 1e-12 * np.linalg.norm(mean)  # more than the mean's rounding
        found[first : first + _CHUNK] = np.divide(part, length, out=np.zeros_like(part), where=left)
    return found


def _mean_similarity(vectors: np.ndarray, sets: np.ndarray) -> np.ndarray:
    """Of all pairs within every set [M, k], by ‖Σu‖² = Σ‖u‖² + the sum over ordered pairs; float64 [M]."""
    size = max(1, _VALUES // (sets.shape[1] * vectors.shape[1]))
    found = [_mean_of_pairs(vectors[sets[i : i + size]]) for i in range(0, len(sets), size)]
    return np.concatenate(found) if found else np.zeros(0)


def _mean_of_pairs(vectors: np.ndarray) -> np.ndarray:
    """[…, k, D] to […]."""
    k = vectors.shape[-2]
    total = vectors.sum(axis=-2, dtype=np.float64)
    own = np.einsum("...kd,...kd->...", vectors, vectors, dtype=np.float64)
    return ((total**2).sum(axis=-1) - own) / (k * (k - 1))


def _similarity_reference(vectors: np.ndarray, k: int) -> Reference:
    """The chance is the mean over all pairs. Each image with its k − 1 nearest is tried, the best set improved.

    In any set the mean similarity is the mean over its images of their mean similarity to the others, so it is at
    most the largest mean similarity of an image to its k − 1 nearest.
    """
    nearest, limit = [], -np.inf
    for first in range(0, len(vectors), _CHUNK):
        similar = vectors[first : first + _CHUNK] @ vectors.T
        own = np.arange(len(similar))
        similar[own, first + own] = -np.inf
        others = np.argpartition(similar, -(k - 1), axis=1)[:, -(k - 1) :]
        limit = max(limit, float(np.take_along_axis(similar, others, axis=1).mean(axis=1).max()))
        nearest.append(np.concatenate([first + own[:, None], others], axis=1))
    sets = np.concatenate(nearest)
    chosen = sets[_mean_similarity(vectors, sets).argmax()]
    best = float(_mean_of_pairs(vectors[_improved(vectors, chosen)]))
    return Reference(float(_mean_of_pairs(vectors)), best, max(limit, best))


def _improved(vectors: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """A set of images [k] after exchanging one for another as long as its mean similarity rises."""
    while True:
        similar = vectors @ vectors[chosen].T
        outside = similar.sum(axis=1)
        outside[chosen] = -np.inf
        inside = similar[chosen].sum(axis=1) - np.einsum("kd,kd->k", vectors[chosen], vectors[chosen])
        # an image that comes for the j-th brings its similarity to the others, without the j-th
        gain = outside[:, None] - similar - inside
        come, go = np.unravel_index(gain.argmax(), gain.shape)
        if not gain[come, go] > 1e-5:
            return chosen
        chosen = np.where(np.arange(len(chosen)) == go, come, chosen)
