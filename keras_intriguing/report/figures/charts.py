"""Charts of numbers."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from keras_intriguing.report.figures.saving import save


def heat_maps(
    path: Path, maps: Sequence[tuple[str, np.ndarray]], rows: Sequence[str], columns: Sequence[str], unit: str
) -> None:
    """Matrices side by side as colours of one scale, with their numbers.

    Args:
        path: file to write.
        maps: a title each, and values [len(rows), len(columns)] from 0 to 100, NaN where there is none.
        rows: names, top to bottom.
        columns: names, left to right.
        unit: what the numbers are.
    """
    size = (1.7 + 0.62 * len(columns) * len(maps) + 0.8, 1.5 + 0.36 * len(rows))
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(1, len(maps), sharey=True, squeeze=False)[0]
    colors = ScalarMappable(Normalize(0, 100), "viridis")
    for axes, (title, values) in zip(panels, maps, strict=True):
        axes.imshow(values, cmap=colors.cmap, norm=colors.norm, aspect="auto")
        axes.set_title(title, fontsize=11, pad=8)
        axes.set_xticks(
            range(len(columns)), columns, fontsize=8.5, rotation=30, ha="left", rotation_mode="anchor"
        )
        axes.xaxis.tick_top()
        axes.set_yticks(range(len(rows)), rows, fontsize=8.5)
        for (i, j), value in np.ndenumerate(values):
            shown = "" if np.isnan(value) else f"{value:.1f}".removesuffix(".0")
            color = "black" if value > 55 else "white"
            axes.text(j, i, shown, ha="center", va="center", fontsize=8.5, color=color)
    figure.colorbar(colors, ax=panels, label=unit, pad=0.01, aspect=30)
    save(figure, path)


def curves(
    path: Path,
    x: Sequence[float],
    y: Mapping[str, Sequence[float]],
    labels: tuple[str, str],
    paper: tuple[str, float, float],
) -> None:
    """Curves over one axis, with the paper's point.

    Args:
        path: file to write.
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
    save(figure, path)


def dots(
    path: Path,
    rows: Sequence[str],
    panels: Sequence[tuple[str, Mapping[str, Sequence[tuple[float, float, float]]]]],
    label: str,
) -> None:
    """Panels over the same rows and one axis: in each row a dot with its interval for every series.

    Args:
        path: file to write.
        rows: names, top to bottom.
        panels: a title each, and by the name of a series, the same in all panels, its value, low and high in every row.
        label: of the axis.
    """
    figure = Figure(figsize=(2.6 + 2.6 * len(panels), 1.3 + 0.25 * len(rows)), layout="constrained")
    grid = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
    styles = ({"fmt": "o", "color": "#1b4f8f"}, {"fmt": "o", "color": "#c4560a", "markerfacecolor": "white"})
    for axes, (title, series) in zip(grid, panels, strict=True):
        for shift, style, (name, values) in zip((-0.14, 0.14), styles, series.items(), strict=True):
            value, low, high = np.array(values).T
            at = np.arange(len(rows)) + shift
            ends = (value - low, high - value)
            axes.errorbar(value, at, xerr=ends, markersize=4.5, linewidth=1.3, label=name, **style)
        axes.set_title(title, fontsize=10)
        axes.set_yticks(range(len(rows)), rows, fontsize=8.5)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.grid(alpha=0.25)
        axes.tick_params(axis="y", length=0)
        axes.tick_params(axis="x", labelsize=8.5)
    figure.supxlabel(label, fontsize=9.5)
    handles, names = grid[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=2, fontsize=9.5, frameon=False)
    save(figure, path)


def differences(
    path: Path, rows: Sequence[tuple[str, tuple[float, float, float]]], margin: float, label: str
) -> None:
    """A dot with its interval in every row, over a band of differences that are none worth speaking of.

    Args:
        path: file to write.
        rows: a name, and value, low and high each, top to bottom; the last row is that of all others together.
        margin: half of the band's width.
        label: of the axis.
    """
    figure = Figure(figsize=(6.4, 1.0 + 0.28 * len(rows)), layout="constrained")
    axes = figure.subplots()
    axes.axvspan(-margin, margin, color="0.9")
    axes.axvline(0, color="0.5", linewidth=0.8)
    for at, (_, (value, low, high)) in enumerate(rows):
        marker, color = ("D", "#c4560a") if at == len(rows) - 1 else ("o", "#1b4f8f")
        ends = [[value - low], [high - value]]
        axes.errorbar([value], [at], xerr=ends, markersize=5, linewidth=1.5, fmt=marker, color=color)
    axes.axhline(len(rows) - 1.5, color="0.7", linewidth=0.8)
    axes.set_yticks(range(len(rows)), [name for name, _ in rows], fontsize=9)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="x", alpha=0.25)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(label, fontsize=9.5)
    save(figure, path)


def boxes(
    path: Path, panels: Sequence[tuple[str, Sequence[tuple[str, Sequence[float], float]]]], label: str
) -> None:
    """Panels of box plots over one axis, which may be of different boxes.

    Args:
        path: file to write.
        panels: a title and the panel's boxes each: a name, the 5, 25, 50, 75 and 95% quantiles, and the mean.
        label: of the axis.
    """
    columns = min(4, len(panels))
    lines = -(-len(panels) // columns)
    tallest = max(len(drawn) for _, drawn in panels)
    size = (2.0 + 2.1 * columns, 0.9 + (0.6 + 0.17 * tallest) * lines)
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
        axes.set_yticks(range(1, len(drawn) + 1), names, fontsize=7)
        axes.invert_yaxis()
        axes.set_title(title.replace(", ", "\n"), fontsize=7)
        axes.tick_params(labelbottom=i + columns >= len(panels))
        axes.grid(axis="x", alpha=0.3)
    figure.supxlabel(label, fontsize=9)
    save(figure, path)


def planes(path: Path, panels: Sequence[tuple[str, np.ndarray]], unit: str) -> None:
    """Values over the plane of frequencies, a panel each, every one with its own scale.

    Args:
        path: file to write.
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
        image = plane(axes, values)
        axes.set_title(title, fontsize=8)
        axes.tick_params(labelsize=8)
        figure.colorbar(image, ax=axes, shrink=0.8).ax.tick_params(labelsize=7)
    figure.suptitle(unit, fontsize=10)
    figure.supxlabel("frequency along the second axis", fontsize=8)
    figure.supylabel("along the first", fontsize=8)
    save(figure, path)


def plane(axes: Axes, values: np.ndarray) -> AxesImage:
    """Draws values [rows, columns] over the plane of frequencies, from −π to π along either axis."""
    axes.set_xticks([-np.pi, 0, np.pi], ["−π", "0", "π"])
    axes.set_yticks([-np.pi, 0, np.pi], ["−π", "0", "π"])
    return axes.imshow(values, cmap="viridis", extent=(-np.pi, np.pi, -np.pi, np.pi), origin="lower")
