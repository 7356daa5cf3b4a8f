"""Parts of a region: where the inputs of some units lie in narrower intervals than in the whole."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from keras_intriguing.certificates.steps.step import Enclosure

_LEAST_GAIN = 1e-3  # of a bound, worth more steps where nothing can be divided
_OF_OBJECTS = 2**12  # bytes of a part beside its arrays' values, about


class Cut(NamedTuple):
    """What the unit at a flat place of a step's values gets: no more than a value, or no less."""

    position: int
    unit: int
    at: float
    is_above: bool = False


class Part(NamedTuple):
    """A part of a region, and a class that may overtake the label there.

    Attributes:
        other: the class.
        bound: proved, of the label's margin over it.
        cuts: that make the part.
        cut: that divides it further; None where none is of use.
        gained: by how much the bound rose last.
        variables: by which the bound was proved, of one row; none before.
    """

    other: int
    bound: float
    cuts: tuple[Cut, ...] = ()
    cut: Cut | None = None
    gained: float = np.inf
    variables: Sequence[dict[str, np.ndarray]] = ()

    def further(self) -> list["Part"]:
        """What is evaluated next: its halves; or itself, if it was not before, or has no cut; nothing where that is of no use."""
        if not self.variables:
            return [self]
        if self.cut is None:
            return [self] if self.gained > _LEAST_GAIN * abs(self.bound) else []
        return [
            self._replace(cuts=(*self.cuts, self.cut._replace(is_above=is_above)))
            for is_above in (False, True)
        ]

    @property
    def bytes(self) -> int:
        """About what it keeps."""
        return _OF_OBJECTS + sum(v.nbytes for of in self.variables for v in of.values())


def divided(whole: list[Enclosure], parts: list[Part]) -> list[Enclosure]:
    """Where the values of every step lie in each of the parts."""
    known = [Enclosure(*(np.repeat(v, len(parts), axis=0) for v in of)) for of in whole]
    for i, part in enumerate(parts):
        for cut in part.cuts:
            ends = known[cut.position].lower if cut.is_above else known[cut.position].upper
            ends[i].reshape(-1)[cut.unit] = cut.at
    return known
