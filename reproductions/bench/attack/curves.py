"""Robust accuracy over the distance, with all attacks in it, as a picture."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import keras_intriguing as ki
from reproductions.bench.attack.tables import OURS

COLUMNS = 3


def draw(models: Mapping[str, Mapping[str, np.ndarray]], titles: Mapping[str, str]) -> Figure:
    """A panel a model: the share of images, correctly classified, that an attack leaves at each distance.

    Args:
        models: ‖r‖₂ of every image, infinite where the attack failed, by attack and model.
        titles: of the attacks.
    """
    rows = -(-len(models) // COLUMNS)
    figure, panels = plt.subplots(
        rows, COLUMNS, figsize=(4 * COLUMNS, 3.2 * rows), squeeze=False, layout="constrained"
    )
    names = list(dict.fromkeys(name for attacks in models.values() for name in attacks))
    colours = {name: plt.get_cmap("tab20")(i % 20) for i, name in enumerate(names)}
    for axes, (model, attacks) in zip(panels.flat, models.items(), strict=False):
        end = 1.3 * np.min(np.stack(list(attacks.values())), axis=0).max()
        for name, distance in attacks.items():
            at = np.sort(distance)
            left = 1 - np.arange(len(at) + 1) / len(at)
            ours = name == OURS
            axes.step(
                np.minimum([0, *at, np.inf], end),
                [*left, left[-1]],
                where="post",
                color="black" if ours else colours[name],
                linewidth=1.8 if ours else 1,
                zorder=3 if ours else 2,
                label=titles[name],
            )
        axes.set(title=model, xlim=(0, end), ylim=(0, 1), xlabel="distance ‖r‖₂", ylabel="robust accuracy")
    for axes in panels.flat[len(models) :]:
        axes.set_axis_off()
    handles = {line.get_label(): line for axes in panels.flat for line in axes.get_lines()}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4, frameon=False)
    return figure


def write(path: Path, figure: Figure) -> None:
    """As PNG, at once or not at all."""
    with ki.files.replacing(path) as partial:
        figure.savefig(partial, format="png", dpi=110)
    plt.close(figure)
