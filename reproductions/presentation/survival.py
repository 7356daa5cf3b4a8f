"""Rows of a table of what survives being stored."""

from collections.abc import Sequence

from keras_intriguing.report import Cell, Table
from reproductions.measurements.survival import STORED, STRETCHES, Survival, key
from reproductions.presentation.cells import percent


def table(title: str, wanted: str, stored: Sequence[tuple[str, list[Cell]]]) -> Table:
    """Of rows that have two shares each, of examples with the wanted label and with a wrong one.

    Args:
        title: of the table.
        wanted: the label.
        stored: see `rows`.
    """
    note = (
        f"Share of the examples that are still taken for {wanted}, and that are taken for anything wrong, after rounding to "
        "256 levels and after a JPEG file. The smallest change ends on the decision boundary, where rounding decides; "
        "longer ones (clipped to [0, 1]) lie further along the same line. Originals are the photographs "
        "themselves."
    )
    columns = [f"{name}: {kind}" for name in (wanted, "wrong") for kind in STORED]
    return Table(title, "examples", columns, stored, note)


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
