"""Rows of images."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from keras_intriguing.report.figures.saving import save


class Triple(NamedTuple):
    """An image before and after, both [height, width] or [height, width, 3] in [0, 1], with its labels."""

    before: np.ndarray
    after: np.ndarray
    label_before: str
    label_after: str


def triples(path: Path, rows: Sequence[tuple[str, Sequence[Triple]]]) -> None:
    """Rows of original, magnified difference and adversarial image.

    A difference is drawn around middle grey with a factor that is written above it: the largest at which no pixel leaves
    the range from black to white.

    Args:
        path: PNG or JPEG file to write.
        rows: a name, or "", and equally many triples each.
    """
    count = max(len(row) for _, row in rows)
    photographs = rows[0][1][0].before.ndim == 3  # their labels are words
    size, font = (1.15, 8) if photographs else (0.8, 9)  # inches an image; points
    named = 1.3 if any(name for name, _ in rows) else 0.1
    labels = [label for _, row in rows for triple in row for label in triple[2:]]
    titled = size + 0.05 + font / 52 * max(label.count("\n") + 1 for label in labels)
    close = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02, wspace=0.02)
    figure = Figure(figsize=(named + 3 * size * count, titled * len(rows)), layout=close)
    grid = figure.subplots(len(rows), 3 * count, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for i, (name, row) in enumerate(rows):
        grid[i, 0].text(-0.15, 0.5, name, transform=grid[i, 0].transAxes, ha="right", va="center", fontsize=9)
        for j, triple in enumerate(row):
            difference = triple.after - triple.before
            factor = magnification(difference)
            panels = (
                (triple.before, triple.label_before),
                (0.5 + factor * difference, f"×{factor:g}"),
                (triple.after, triple.label_after),
            )
            for k, (image, title) in enumerate(panels):
                axes = grid[i, 3 * j + k]
                axes.imshow(np.clip(image, 0, 1).squeeze(), cmap="gray", vmin=0, vmax=1)
                axes.set_title(title, fontsize=font, pad=2)
    save(figure, path)


def magnification(difference: np.ndarray) -> float:
    """The largest factor of two digits that keeps a difference within ±½; 1 where there is none."""
    largest = float(np.abs(difference).max())
    if largest == 0:
        return 1.0
    step = 10.0 ** (math.floor(math.log10(0.5 / largest)) - 1)
    return math.floor(0.5 / largest / step) * step


def strips(path: Path, rows: Sequence[tuple[str, Sequence[np.ndarray], Sequence[str]]]) -> None:
    """Rows of images.

    Args:
        path: PNG or JPEG file to write.
        rows: a name, equally many images [height, width] or [height, width, 3] and a caption for each; values
            outside [0, 1] are drawn as the nearest.
    """
    count = max(len(images) for _, images, _ in rows)
    size = 1.05 if rows[0][1][0].shape[0] > 64 else 0.8  # inches an image
    figure = Figure(figsize=(1.7 + size * count, (size + 0.2) * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), count, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for line, (name, images, captions) in zip(grid, rows, strict=True):
        line[0].text(-0.15, 0.5, name, transform=line[0].transAxes, ha="right", va="center", fontsize=9)
        for axes, image, caption in zip(line, images, captions, strict=False):
            axes.imshow(np.clip(image, 0, 1).squeeze(), cmap="gray", vmin=0, vmax=1)
            axes.text(0.5, -0.05, caption, transform=axes.transAxes, ha="center", va="top", fontsize=8)
    save(figure, path)
