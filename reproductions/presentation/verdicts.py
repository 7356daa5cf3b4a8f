"""Decisions of the common rule as claims of the report."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from keras_intriguing.report import Cell, Claim
from reproductions.shared.effects import Effect
from reproductions.shared.verdict import Decision


class Scale(NamedTuple):
    """How effects are written: multiplied, with so many decimals, and their unit."""

    factor: float
    decimals: int
    unit: str

    def signed(self, value: float) -> str:
        """With its sign, without the unit."""
        return f"{self.factor * value:+.{self.decimals}f}"


POINTS = Scale(100, 2, " points")
DISTORTION = Scale(1, 4, "")
_LISTED = 6  # effects; of more only the numbers of those that are shown and refuted are told


def claim(
    statement: str,
    decision: Decision,
    effects: Mapping[str, Effect],
    scale: Scale,
    quantity: str,
    number: Cell,
    reading: str,
    of_paper: bool = True,
) -> Claim:
    """A claim whose evidence are these effects, by name; see `Claim` for the rest."""
    return Claim(
        statement,
        decision.verdict,
        quantity,
        number,
        f"{reading} {evidence(decision, effects, scale)}",
        of_paper,
    )


def evidence(decision: Decision, effects: Mapping[str, Effect], scale: Scale) -> str:
    """The effects with their intervals, and what would decide what is open."""
    said = []
    if len(effects) <= _LISTED:
        said.append("; ".join(_listed(decision, effects, scale)))
    if len(effects) > 1:
        said.append(f"Shown for {decision.shown} of {len(effects)}, refuted for {decision.refuted}")
    if decision.needed:
        said.append(decision.needed[0].upper() + decision.needed[1:])
    return " ".join(f"{one}." for one in said)


def _listed(decision: Decision, effects: Mapping[str, Effect], scale: Scale) -> list[str]:
    found = []
    for (name, effect), (low, high) in zip(effects.items(), decision.intervals, strict=True):
        ends = f"{scale.signed(low)} to {scale.signed(high)}" if effect.levels else "one training run"
        found.append(f"{name} {scale.signed(effect.value)}{scale.unit} ({ends})")
    return found


def difference(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Ours minus theirs, of the images that both have; axes of training runs as they broadcast.

    Of some chapters' images only the first were attacked by the slower method.
    """
    count = min(ours.shape[-1], theirs.shape[-1])
    return ours[..., :count].astype(float) - theirs[..., :count]


def between_models(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """The difference [..., our runs, their runs, images] of [..., runs, images], every run of ours with every one of theirs."""
    return difference(ours[..., :, None, :], theirs[..., None, :, :])


def average(outcomes: Sequence[np.ndarray]) -> np.ndarray:
    """Of arrays [..., images] over the same images; of as many training runs as all have."""
    shape = np.min([one.shape for one in outcomes], axis=0)
    common = tuple(slice(size) for size in shape)
    return np.mean([one[common].astype(float) for one in outcomes], axis=0)
