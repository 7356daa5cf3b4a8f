"""Figures as PNG files."""

from collections.abc import Mapping, Sequence
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
    _save(figure, path, rows[0][1][0].before)


def strips(path: Path, rows: Sequence[tuple[str, Sequence[np.ndarray], Sequence[str]]]) -> None:
    """Rows of images.

    Args:
        path: PNG file to write.
        rows: a name, equally many images [height, width] or [height, width, 3] and a caption for each; values
            outside [0, 1] are drawn as the nearest.
    """
    count = max(len(images) for _, images, _ in rows)
    figure = Figure(figsize=(1.9 + 0.8 * count, 1.05 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), count, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for line, (name, images, captions) in zip(grid, rows, strict=True):
        line[0].text(-0.15, 0.5, name, transform=line[0].transAxes, ha="right", va="center", fontsize=9)
        for axes, image, caption in zip(line, images, captions, strict=False):
            axes.imshow(np.clip(image, 0, 1).squeeze(), cmap="gray", vmin=0, vmax=1)
            axes.text(0.5, -0.05, caption, transform=axes.transAxes, ha="center", va="top", fontsize=8)
    _save(figure, path, rows[0][1][0])


def curves(
    path: Path,
    x: Sequence[float],
    y: Mapping[str, Sequence[float]],
    labels: tuple[str, str],
    paper: tuple[str, float, float],
) -> None:
    """Curves over one axis, with the paper's point.

    Args:
        path: PNG file to write.
        x: where they are known.
        y: name to the curve's values.
        labels: of both axes.
        paper: name, x and y of the point.
    """
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.add_subplot()
    for name, values in y.items():
        axes.plot(x, values, marker="o", markersize=3, linewidth=1.2, label=name)
    name, at, value = paper
    axes.plot([at], [value], "k*", markersize=11, linestyle="none", label=name)
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    _save(figure, path)


def boxes(
    path: Path, panels: Sequence[tuple[str, Sequence[tuple[str, Sequence[float], float]]]], label: str
) -> None:
    """Panels of box plots over one axis, which may be of different boxes.

    Args:
        path: PNG file to write.
        panels: a title and the panel's boxes each: a name, the 5, 25, 50, 75 and 95% quantiles, and the mean.
        label: of the axis.
    """
    columns = min(4, len(panels))
    lines = -(-len(panels) // columns)
    tallest = max(len(drawn) for _, drawn in panels)
    size = (2.2 + 3.2 * columns, 0.9 + (0.6 + 0.2 * tallest) * lines)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(lines, columns, sharex=True, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    for i, (axes, (title, drawn)) in enumerate(zip(grid.flat, panels, strict=False)):
        stats = [
            {
                "whislo": quantiles[0],
                "q1": quantiles[1],
                "med": quantiles[2],
                "q3": quantiles[3],
                "whishi": quantiles[4],
                "mean": mean,
            }
            for _, quantiles, mean in drawn
        ]
        means = {"marker": "D", "markersize": 3, "markerfacecolor": "C3", "markeredgecolor": "C3"}
        axes.bxp(stats, showfliers=False, showmeans=True, orientation="horizontal", meanprops=means)
        names = [name for name, *_ in drawn] if i % columns == 0 else [""] * len(drawn)
        axes.set_yticks(range(1, len(drawn) + 1), names, fontsize=8)
        axes.invert_yaxis()
        axes.set_title(title, fontsize=8)
        axes.tick_params(labelbottom=i + columns >= len(panels))
        axes.grid(axis="x", alpha=0.3)
    figure.supxlabel(label, fontsize=9)
    _save(figure, path)


def planes(path: Path, panels: Sequence[tuple[str, np.ndarray]], unit: str) -> None:
    """Values over the plane of frequencies, a panel each, every one with its own scale.

    Args:
        path: PNG file to write.
        panels: a title and values [rows, columns], from −π to π along either axis.
        unit: what the values are.
    """
    columns = min(5, len(panels))
    lines = -(-len(panels) // columns)
    figure = Figure(figsize=(3.1 * columns, 2.9 * lines), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    for axes, (title, values) in zip(grid.flat, panels, strict=False):
        extent = (-np.pi, np.pi, -np.pi, np.pi)
        image = axes.imshow(values, cmap="viridis", extent=extent, origin="lower")
        axes.set_title(title, fontsize=8)
        axes.set_xticks([-np.pi, 0, np.pi], ["−π", "0", "π"], fontsize=8)
        axes.set_yticks([-np.pi, 0, np.pi], ["−π", "0", "π"], fontsize=8)
        figure.colorbar(image, ax=axes, shrink=0.8).ax.tick_params(labelsize=7)
    figure.suptitle(unit, fontsize=10)
    figure.supxlabel("frequency along the second axis", fontsize=8)
    figure.supylabel("along the first", fontsize=8)
    _save(figure, path)


def _save(figure: Figure, path: Path, image: np.ndarray | None = None) -> None:
    """A large image, of which a figure shows many, keeps its pixels."""
    large = image is not None and image.shape[0] > 64
    with files.replacing(path) as temporary:
        FigureCanvasAgg(figure).print_figure(temporary, dpi=165 if large else 110)
