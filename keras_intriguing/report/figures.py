"""Figures as PNG files."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from keras_intriguing import files


class Triple(NamedTuple):
    """An image before and after, both [height, width] or [height, width, 3] in [0, 1], with its labels."""

    before: np.ndarray
    after: np.ndarray
    label_before: str
    label_after: str


def heat_map(path: Path, values: np.ndarray, rows: Sequence[str], columns: Sequence[str], unit: str) -> None:
    """A matrix as colours, with its numbers.

    Args:
        path: PNG file to write.
        values: [len(rows), len(columns)], from 0 to 100.
        rows: names, top to bottom.
        columns: names, left to right.
        unit: what the numbers are.
    """
    figure = Figure(figsize=(2.6 + 0.95 * len(columns), 1.6 + 0.5 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(values, cmap="viridis", vmin=0, vmax=100, aspect="auto")
    axes.set_xticks(range(len(columns)), columns, rotation=30, ha="left", rotation_mode="anchor")
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(rows)), rows)
    for (i, j), value in np.ndenumerate(values):
        axes.text(j, i, f"{value:.1f}", ha="center", va="center", color="black" if value > 55 else "white")
    figure.colorbar(image, label=unit)
    _save(figure, path)


def triples(path: Path, rows: Sequence[tuple[str, Sequence[Triple]]], magnified: float) -> None:
    """Rows of original, magnified difference and adversarial image.

    Args:
        path: PNG file to write.
        rows: a name and equally many triples each.
        magnified: the factor on the difference, which is drawn around middle grey.
    """
    count = max(len(row) for _, row in rows)
    figure = Figure(figsize=(1.3 + 3.0 * count, 1.22 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), 3 * count, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for i, (name, row) in enumerate(rows):
        grid[i, 0].text(-0.15, 0.5, name, transform=grid[i, 0].transAxes, ha="right", va="center", fontsize=9)
        for j, triple in enumerate(row):
            difference = np.clip(0.5 + magnified * (triple.after - triple.before), 0, 1)
            panels = (
                (triple.before, triple.label_before),
                (difference, f"×{magnified:g}"),
                (triple.after, triple.label_after),
            )
            for k, (image, title) in enumerate(panels):
                axes = grid[i, 3 * j + k]
                axes.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=1)
                axes.set_title(title, fontsize=9, pad=2)
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    with files.replacing(path) as temporary:
        FigureCanvasAgg(figure).print_figure(temporary, dpi=110)
