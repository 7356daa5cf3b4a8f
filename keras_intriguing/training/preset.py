"""From a recipe to a preset folder: a model is initialized, trained, measured and saved with its card."""

import dataclasses
import time
from pathlib import Path

from keras_intriguing import models, presets
from keras_intriguing.training import recipes
from keras_intriguing.training.progress import OnProgress

CHECKPOINT = "checkpoint.npz"


def train_preset(
    preset: str,
    folder: str | Path,
    *,
    seed: int | None = None,
    data_dir: str | None = None,
    images: str | Path | None = None,
    skip_unreadable: bool = False,
    on_progress: OnProgress = lambda stage, progress, most: None,
) -> Path:
    """Trains a preset from nothing, measures both errors, writes the preset folder.

    After every round of 100 iterations, or every few epochs, the state is saved in the folder; a run that was
    interrupted goes on from there, and ends at the same weights as one that was not.

    Args:
        preset: a name of `keras_intriguing.training.recipes.RECIPES`.
        folder: where the preset is written.
        seed: of the starting weights; by default the recipe's.
        data_dir: see `data.load` and `photographs.load`.
        images: folder of photographs with `train` and `val` in it, for nets on photographs; see `photographs.load`.
        skip_unreadable: see `photographs.load`.
        on_progress: told of every round or epoch: its stage, the progress, and the stage's largest number of iterations.

    Returns:
        The folder.

    Raises:
        ValueError: unknown preset, `images` for a net on digits, photographs that cannot be used (see
            `photographs.load`), or the folder holds the checkpoint of another recipe or seed.
        FileExistsError: the folder holds a finished preset.
        FileNotFoundError: the training data are not available (see `data.load`).
    """
    recipe = recipes.get(preset)
    if seed is not None:
        recipe = dataclasses.replace(recipe, seed=seed)
    folder = Path(folder)
    presets.require_vacant(folder)
    checkpoint = folder / CHECKPOINT
    started, resumed = time.monotonic(), checkpoint.exists()
    model = getattr(models, recipe.model)(name=recipe.model.lower())
    recipe.initialize(model)
    sources = recipes.Sources(data_dir, Path(images) if images is not None else None, skip_unreadable)
    measured = recipe.train(model, sources, checkpoint, on_progress)
    command = ["keras-intriguing", "train", preset, "--seed", str(recipe.seed)]
    command += ["--images", str(images)] if images is not None else []
    command += ["--skip-unreadable"] if skip_unreadable else []
    metrics = {
        "preset": preset,
        "recipe": recipe.record(),
        "seed": recipe.seed,
        **measured,
        "seconds": round(time.monotonic() - started),
        "resumed": resumed,
        "versions": presets.versions(),
        "command": " ".join(command),
    }
    presets.save_to_preset(model, folder, metrics, recipe.card(metrics))
    checkpoint.unlink()
    return folder
