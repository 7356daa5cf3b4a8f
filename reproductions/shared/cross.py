"""Images made for one model and fed to others, over every pair of training runs: Tables 2 and 4."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

import keras_intriguing as ki
from keras_intriguing.report import Cell
from reproductions.shared import examples
from reproductions.shared import intervals as statistics
from reproductions.shared.cells import distortion, percent
from reproductions.shared.run import PAPER, Run


class Made(NamedTuple):
    """Images made from the attacked ones.

    Attributes:
        images: [runs, N, 28, 28, 1], one run for every training run of the model they were made for.
        exists: bool [runs, N], false where the attack failed: there is no example then.
        presets: the training runs they were made for; empty for noise.
        hashes: of the files that hold them.
    """

    images: np.ndarray
    exists: np.ndarray
    presets: Sequence[str] = ()
    hashes: Sequence[str] = ()

    def changed(self, change: Callable[[np.ndarray], np.ndarray]) -> "Made":
        """The same with every run's images replaced."""
        return self._replace(images=np.stack([change(images) for images in self.images]))


def made_for(run: Run, preset: str, method: str) -> Made:
    """The examples towards random targets for every training run of a model."""
    presets = run.trained(preset)
    made = [examples.of_attacked(run, name, method, targeted=True) for name in presets]
    return Made(
        np.stack([e.arrays["adversarial"] for e in made]),
        np.stack([e.arrays["success"] for e in made]),
        presets,
        [e.sha256 for e in made],
    )


def unmade(images: np.ndarray) -> Made:
    """Images made for no model: noise, or the originals."""
    return Made(images[None], np.ones((1, len(images)), bool))


def row(run: Run, name: str, made: Made, presets: Sequence[str], **settings: Any) -> dict[str, Any]:
    """The record of one row: the error of every model on the images, and their average distortion.

    A cell is the average over all pairs of a training run that the images were made for and one that they are
    fed to; a model's own cell, over the runs they were made for. `other_run` is the error of the same model
    from another training run, where there are several.
    """

    def measure() -> dict[str, Any]:
        x, _ = run.attacked
        rms = np.stack([ki.transfer.distortion(x, images) for images in made.images])
        values = {
            "errors": {p: statistics.share_of(wrong(run, made, run.trained(p))) for p in presets},
            "distortion": statistics.mean(np.where(made.exists, rms, np.nan)),
            "exist": float(np.mean(made.exists)),
        }
        if len(made.presets) > 1:
            values["other_run"] = statistics.share_of(wrong(run, made, made.presets, other_runs=True))
        return values

    models = sorted({*made.presets, *(name for p in presets for name in run.trained(p))})
    return run.record(name, models, measure, examples_sha256=list(made.hashes), **settings)


def wrong(run: Run, made: Made, models: Sequence[str], other_runs: bool = False) -> np.ndarray:
    """Whether each pair of training runs has an image wrong: [pairs, N], NaN where the image does not exist.

    Args:
        run: that made the images.
        made: the images; a pair's first run is one that they were made for.
        models: the presets they are fed to; a pair's second run.
        other_runs: where both are the same model, the pairs of different runs instead of those of the same.
    """
    pairs = [(i, model) for i in range(len(made.images)) for model in models]
    if set(models) == set(made.presets):
        pairs = [(i, model) for i, model in pairs if (made.presets[i] != model) == other_runs]
    return np.stack(
        [np.where(made.exists[i], run.misclassified(model, made.images[i]), np.nan) for i, model in pairs]
    )


def cells(
    values: dict[str, Any], presets: Sequence[str], paper: Sequence[float] | None, rms: str
) -> list[Cell]:
    """A row's cells: every model's error and the average distortion, the paper's figures beside them."""
    published = [f"{p:g}%" for p in paper] if paper else [""] * len(presets)
    errors = [percent(values["errors"][p], figure) for p, figure in zip(presets, published, strict=True)]
    return [*errors, distortion(values["distortion"], rms)]


def name_of(preset: str, values: dict[str, Any], images: int) -> str:
    """The row's name, with the number of examples where some attacks failed."""
    made = values["exist"]
    return PAPER["presets"][preset] + (f" ({100 * made:.1f}% of {images} succeeded)" if made < 1 else "")
