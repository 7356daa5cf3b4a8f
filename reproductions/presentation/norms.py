"""The bounds of layers as cells of a table."""

from collections.abc import Sequence

from keras_intriguing.report import Cell
from reproductions.measurements.norms import LayerNorms

NUMBERS = ("printed formula", "corrected formula", "attained", "proved")  # columns; see `numbers`


def numbers(row: LayerNorms) -> list[Cell]:
    """What the two formulas give, and both sides of the norm at the image's real size."""
    values = (row.paper, row.supremum, row.lower, row.upper)
    return [Cell("" if value is None else f"{value:.5g}") for value in values]


def shape(row: LayerNorms) -> str:
    """Of the layer's input."""
    return "×".join(map(str, row.input_shape))


def strided(rows: Sequence[LayerNorms]) -> list[tuple[LayerNorms, float]]:
    """The convolutions for which the printed formula differs from the corrected one, with what it gives."""
    known = [(row, row.paper, row.supremum) for row in rows if row.paper and row.supremum]
    return [(row, paper) for row, paper, supremum in known if paper < supremum * (1 - 1e-9)]
