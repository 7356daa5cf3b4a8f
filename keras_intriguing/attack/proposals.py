"""Where the descents of `direct` start: a schedule for every image, from cheap and likely to far and random."""

from typing import NamedTuple

import numpy as np

from keras_intriguing.attack.descent import BRACKET, PROJECT, WALK
from keras_intriguing.attack.goal import ANY

CLASSES = 9  # likely classes that are tried one by one
_NEIGHBOURS = 32  # images of other classes that are tried
_SLOWLY = (
    10.0  # the damping at first, by which a descent is drawn to x slowly: what FAB's small step to x does
)
_BEGINNING = ("class", "class", "class", "walk", "image", "slow image", "image", "slow image")
_CYCLE = ("hop", "image", "mask", "slow image")


class Proposal(NamedTuple):
    """One start: its point [n] or, for BRACKET, an image of another class; see `descent.begin` and `Goal`."""

    start: np.ndarray
    mode: int
    rival: int
    floor: float


class Proposals:
    """The starts of a batch's images.

    The image itself, towards each likely class; a walk; the boundary on the way to other images of the batch, which is
    where gradients at the image are zero or lead astray; and points near the best so far, off by noise or with a random
    half of the changes taken back and the others doubled.

    Args:
        x: images [B, n].
        label: the classes to leave or to reach, int [B].
        reaches: which of both.
        predicted: the model's labels of the images, int [B].
        likely: other classes, the likeliest first, int [B, C].
        bounds: of every pixel.
    """

    def __init__(
        self,
        x: np.ndarray,
        label: np.ndarray,
        reaches: bool,
        predicted: np.ndarray,
        likely: np.ndarray,
        bounds: tuple[float, float],
    ) -> None:
        self._x, self._bounds, self._reaches = x, bounds, reaches
        self._likely = likely[:, :CLASSES]
        self._random = np.random.default_rng(0)
        self._neighbours = [self._others(i, label, predicted) for i in range(len(x))]
        self._launched = np.zeros((len(x), 3), int)  # classes, images and walks so far
        remaining = 0 if reaches else max(0, self._likely.shape[1] - 3)
        beginning = ("class", *_BEGINNING[3:]) if reaches else _BEGINNING
        self._beginning = (*beginning, *["class"] * remaining)

    def __len__(self) -> int:
        """The number of starts that every image is given."""
        return len(self._beginning)

    def propose(self, image: int, number: int, best: np.ndarray | None) -> Proposal:
        """A start for an image.

        Args:
            image: its row.
            number: how many it has had.
            best: the nearest adversarial point so far, if there is one.
        """
        past = number - len(self._beginning)
        kind = self._beginning[number] if past < 0 else _CYCLE[past % len(_CYCLE)]
        x = self._x[image]
        if kind == "class":
            rank = self._launched[image, 0]
            self._launched[image, 0] += 1
            rival = ANY if self._reaches or rank >= self._likely.shape[1] else int(self._likely[image, rank])
            return Proposal(x, PROJECT, rival, 1.0)
        if kind == "walk":
            rank = self._launched[image, 2]  # the first to any class, then to each
            self._launched[image, 2] += 1
            towards = 0 < rank <= self._likely.shape[1] and not self._reaches
            return Proposal(x, WALK, int(self._likely[image, rank - 1]) if towards else ANY, 1.0)
        if "image" in kind:
            rank = self._launched[image, 1]
            self._launched[image, 1] += 1
            if rank < len(self._neighbours[image]):
                floor = _SLOWLY if kind == "slow image" else 1.0
                return Proposal(self._x[self._neighbours[image][rank]], BRACKET, ANY, floor)
        if best is None:
            return Proposal(
                self._random.uniform(*self._bounds, x.shape).astype(np.float32), PROJECT, ANY, 1.0
            )
        return Proposal(self._near(x, best, kind), PROJECT, ANY, 1.0)

    def _near(self, x: np.ndarray, best: np.ndarray, kind: str) -> np.ndarray:
        if kind == "mask":
            kept = self._random.integers(0, 2, x.shape)
            point = x + 2 * kept * (best - x)
        else:
            scale = (3.0 if kind == "hop" else 6.0) * np.linalg.norm(best - x) / x.size**0.5
            point = best + scale * self._random.standard_normal(x.shape)
        return np.clip(point, *self._bounds).astype(np.float32)

    def _others(self, image: int, label: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """The images of the batch that are what this one shall become, the nearest first."""
        wanted = predicted == label[image] if self._reaches else predicted != label[image]
        others = np.flatnonzero(wanted & (np.arange(len(predicted)) != image))
        distances = np.linalg.norm(self._x[others] - self._x[image], axis=1)
        return others[np.argsort(distances, kind="stable")[:_NEIGHBOURS]]
