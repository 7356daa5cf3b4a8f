"""Rows of a table of what survives being stored."""

from keras_intriguing.report import Cell
from reproductions.measurements.survival import STORED, STRETCHES, Survival, key
from reproductions.presentation.cells import percent


def rows(name: str, *shares: Survival) -> list[tuple[str, list[Cell]]]:
    """A row for every factor on the change, with shares by storage.

    Args:
        name: of the attack's method.
        *shares: beside each other.
    """
    names = {0.0: f"{name}: originals", 1.0: name}
    return [
        (
            names.get(stretch, f"{name}, change ×{stretch:g}"),
            [percent(share[key(stretch)][stored]) for share in shares for stored in STORED],
        )
        for stretch in STRETCHES
    ]
