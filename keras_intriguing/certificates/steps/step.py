"""What every step of a network does for a bound."""

import abc
from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

Variables = dict[str, tf.Tensor]


class Enclosure(NamedTuple):
    """Where the values of a step lie for all images of a region, for B images.

    Attributes:
        centre: at the image itself, [B, *shape].
        lower, upper: of every value, [B, *shape].
        radius: of an L2 ball around the centre, [B].
    """

    centre: tf.Tensor
    lower: tf.Tensor
    upper: tf.Tensor
    radius: tf.Tensor

    @property
    def span(self) -> tf.Tensor:
        """How far a value can lie from the centre, [B, *shape]."""
        return tf.maximum(self.upper - self.centre, self.centre - self.lower)


class Penalized(NamedTuple):
    """A lower bound c·(v − centre) − ½·t·‖v − centre‖² as a function of a step's values v, for B images and m rows.

    Attributes:
        c: [B, m, *shape].
        t: ≥ 0, [B, m].
    """

    c: tf.Tensor
    t: tf.Tensor


class OfUnits(NamedTuple):
    """What a step that is a function of every value by itself adds to a bound: the least of an objective of each unit.

    Attributes:
        objective: maps inputs s [B, m, *shape] to values of that shape.
        at: about where it is least.
        least: a lower bound of it on the intervals.
    """

    objective: Callable[[tf.Tensor], tf.Tensor]
    at: tf.Tensor
    least: tf.Tensor


class Passed(NamedTuple):
    """What a step makes of a bound.

    Attributes:
        constant: what is added to the bound, [B, m].
        sources: the bound as a function of the values of each source.
        lost: what rounding may have added to `constant` or to the sources' terms, [B, m]; 0 where it is not asked for.
        units: what `constant` consists of, where the step is a function of every value by itself.
    """

    constant: tf.Tensor
    sources: list[Penalized]
    lost: tf.Tensor
    units: OfUnits | None = None


class Step(abc.ABC):
    """An operation on the values of other steps.

    Attributes:
        sources: positions of these steps.
        shape: of the result, without the batch axis.
    """

    def __init__(self, sources: Sequence[int], shape: Sequence[int]) -> None:
        self.sources, self.shape = tuple(sources), tuple(shape)

    @abc.abstractmethod
    def value(self, values: Sequence[tf.Tensor]) -> tf.Tensor:
        """The result [B, *shape] for the sources' values."""

    @abc.abstractmethod
    def enclose(self, sources: Sequence[Enclosure], rounding: float) -> Enclosure:
        """Where the result lies; `rounding` is the relative error of a sum."""

    def start(self, sources: Sequence[Enclosure], rows: int) -> Variables:
        """First values of what can be chosen freely in a bound; every value gives a valid one."""
        return {}

    def lines(self, sources: Sequence[Enclosure], result: Enclosure, rounding: float) -> Variables:
        """A choice that depends on the enclosures only, for `pass_on`: see `steps.lines`; empty where `start` is as good."""
        return {}

    @abc.abstractmethod
    def pass_on(
        self,
        bound: Penalized,
        sources: Sequence[Enclosure],
        result: Enclosure,
        variables: Variables,
        rounding: float,
    ) -> Passed:
        """The bound as a function of the sources' values; rigorous where `rounding` is not 0."""


def total(values: tf.Tensor) -> tf.Tensor:
    """The sum over all axes but the first two: [B, m]."""
    return tf.reduce_sum(values, axis=list(range(2, len(values.shape))))


def length(values: tf.Tensor) -> tf.Tensor:
    """‖·‖₂ over all axes but the first: [B]."""
    return tf.sqrt(tf.reduce_sum(values**2, axis=list(range(1, len(values.shape)))))


def by_row(values: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """[B, m] or [B] as [B, m, 1, …], to be broadcast to `like` [B, m, …]."""
    shape = [*values.shape, *[1] * (len(like.shape) - len(values.shape))]
    return tf.reshape(values, shape)


def misplaced(t: tf.Tensor, radius: tf.Tensor, off: tf.Tensor) -> tf.Tensor:
    """By how much ½·t·‖Δy‖² is larger from the computed centre than from the exact one, [B, m].

    ‖Δy‖ ≤ `radius` [B] from the computed one, which is off by no more than `off` [B, …]: by R + d from the exact one.
    """
    distance = length(off)
    return t * (distance * (radius + 2 * distance) * (1 + 1e-9))[:, None]
