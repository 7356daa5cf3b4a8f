"""Where the descents of `direct` start: a schedule for every image, from cheap and likely to far and random."""

from collections import Counter
from typing import NamedTuple

import numpy as np

from keras_intriguing.attack.descent import BRACKET, PROJECT, WALK
from keras_intriguing.attack.goal import ANY
from keras_intriguing.classifiers.pixels import Bounds
from keras_intriguing.classifiers.request import Labelled

CLASSES = 9  # likely classes that are tried one by one
_NEIGHBOURS = 32  # images of other classes that are tried, at most
_CANDIDATES = 2 * _NEIGHBOURS  # for them, by distances that are rounded
_AT_ONCE = 2048  # images, to bound the memory
# The damping at first, by which a descent is drawn to x slowly: what FAB's small step to x does. Less is quicker, but some
# images' nearest points are only found by more, so that the first starts have that.
_SLOWLY, _LESS_SLOWLY = 10.0, 5.0
# The length of the noise around the best so far, in distances of that from x: to leave a class, and to reach one.
_NOISE, _NOISE_TO_REACH = 6.0, 2.0
_FIRST_CLASSES = 3  # that are tried early
_IMAGES = ("image", "slow image")
# To leave a class: what every image is given, before a start towards each of the other likely classes.
_BEGINNING = ("walk", *_IMAGES, *_IMAGES, "slow hop", "mask", "slow class")
# To reach one.
_BEGINNING_TO_REACH = ("class", "walk", "slow class", *_IMAGES, "slow hop", "mask", "slow image")
# Then again and again: around the best so far, and further images, which are all there is where gradients are zero.
_CYCLE = ("slow hop", "slow hop", "slow image")


class Proposal(NamedTuple):
    """One start: its point [n] or, for BRACKET, an image of another class; see `descent.begin` and `Goal`.

    It is of its own where it does not begin around the best so far, so that its coming to the same minimum says something.
    """

    start: np.ndarray
    mode: int
    rival: int
    floor: float
    is_own: bool = True


class Proposals:
    """The starts of a batch's images.

    The image itself, towards each likely class; a walk; the boundary on the way to other images, those of the batch and
    further ones, which helps where gradients at the image are zero or lead astray; and points around the best so far, off by
    noise or with a random half of the changes taken back and the others doubled.

    Args:
        x: images [B, n].
        label: the classes to leave or to reach, int [B].
        reaches: which of both.
        predicted: the model's labels of the images, int [B].
        likely: other classes, the likeliest first, int [B, C].
        bounds: of every pixel, numbers or [n]; where they are infinite, random points are drawn from twice the images' range.
        starts: further images, in rows [S, n], to go to.
    """

    def __init__(
        self,
        x: np.ndarray,
        label: np.ndarray,
        reaches: bool,
        predicted: np.ndarray,
        likely: np.ndarray,
        bounds: Bounds,
        starts: Labelled,
    ) -> None:
        self._x, self._bounds, self._reaches = x, bounds, reaches
        self._range = bounds.finite(x)
        self._likely = likely[:, :CLASSES]
        self._random = np.random.default_rng(0)
        self._starts = starts.x
        self._neighbours = self._others(label, np.concatenate([predicted, starts.labels]))
        self._launched = [Counter() for _ in x]  # starts of every kind so far
        classes = self._likely.shape[1] * ("class",)
        first, further = classes[:_FIRST_CLASSES], classes[_FIRST_CLASSES:]
        to_leave = (_BEGINNING[0], *first, *_BEGINNING[1:], *further)
        self._beginning = _BEGINNING_TO_REACH if reaches else to_leave

    def __len__(self) -> int:
        """The number of starts that every image is given."""
        return len(self._beginning)

    def propose(self, image: int, number: int, best: np.ndarray | None, is_lost: bool) -> Proposal:
        """A start for an image.

        Args:
            image: its row.
            number: how many it has had.
            best: the nearest adversarial point so far, if there is one.
            is_lost: whether there is none and little is left to find one; then another image shows the way.
        """
        past = number - len(self)
        kind = self._beginning[number] if past < 0 else _CYCLE[past % len(_CYCLE)]
        kind = "slow image" if is_lost else kind
        slowly, kind = kind.startswith("slow"), kind.split()[-1]
        slow_floor = _SLOWLY if past < 0 else _LESS_SLOWLY
        floor, x = slow_floor if slowly else 1.0, self._x[image]
        if kind == "class":
            return Proposal(x, PROJECT, self._rival(image, self._count(image, kind, slowly)), floor)
        if kind == "walk":
            return Proposal(x, WALK, ANY, floor)
        if kind == "image":
            rank = self._count(image, kind)
            if rank < len(self._neighbours[image]):
                return Proposal(self._image(self._neighbours[image][rank]), BRACKET, ANY, floor)
        if best is None:
            anywhere = self._random.uniform(*self._range, x.shape).astype(np.float32)
            return Proposal(anywhere, PROJECT, ANY, 1.0)
        return Proposal(self._near(x, best, kind), PROJECT, ANY, floor, is_own=False)

    def _count(self, image: int, *kind: object) -> int:
        """How many starts of that kind the image has had before."""
        self._launched[image][kind] += 1
        return self._launched[image][kind] - 1

    def _rival(self, image: int, rank: int) -> int:
        """The likely class of that rank."""
        if self._reaches or rank >= self._likely.shape[1]:
            return ANY
        return int(self._likely[image, rank])

    def _near(self, x: np.ndarray, best: np.ndarray, kind: str) -> np.ndarray:
        if kind == "mask":
            kept = self._random.integers(0, 2, x.shape)
            point = x + 2 * kept * (best - x)
        else:
            noise = _NOISE_TO_REACH if self._reaches else _NOISE
            scale = noise * np.linalg.norm(best - x) / x.size**0.5
            point = best + scale * self._random.standard_normal(x.shape)
        return np.clip(point, *self._bounds).astype(np.float32)

    def _image(self, number: int) -> np.ndarray:
        """One of the batch, or behind them one of the further images."""
        count = len(self._x)
        return self._x[number] if number < count else self._starts[number - count]

    def _others(self, label: np.ndarray, labels: np.ndarray) -> list[np.ndarray]:
        """For every image those that are what it shall become, the nearest first, by the labels of all [B + S].

        A product of matrices chooses among many; the few that are left are ordered by exact distances.
        """
        middle = self._x.mean(axis=0)  # about which rounding is least
        x, about = self._x - middle, []
        for images in (self._x, self._starts):
            for first in range(0, len(images), _AT_ONCE):
                part = images[first : first + _AT_ONCE] - middle
                about.append(np.einsum("ij,ij->i", part, part) - 2 * x @ part.T)
        about = np.concatenate(about, axis=1)
        wanted = labels == label[:, None] if self._reaches else labels != label[:, None]
        np.fill_diagonal(wanted, False)
        return [self._nearest(i, np.where(wanted[i], about[i], np.inf)) for i in range(len(x))]

    def _nearest(self, image: int, about: np.ndarray) -> np.ndarray:
        """The nearest of the images, where their squared distances [B + S], but for a constant, are finite."""
        few = min(_CANDIDATES, len(about)) - 1
        others = np.sort(np.argpartition(about, few)[: few + 1])
        others = others[np.isfinite(about[others])]
        changes = np.reshape(
            [self._image(other) - self._x[image] for other in others], (-1, self._x.shape[1])
        )
        return others[np.argsort(np.linalg.norm(changes, axis=1), kind="stable")[:_NEIGHBOURS]]
