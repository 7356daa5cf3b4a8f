"""The models that are attacked, presets or files, and the images on which they are."""

import argparse
import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import numpy as np

import keras_intriguing as ki
from reproductions.shared.paper import PAPER

PRESETS = list(PAPER["table1"])


@dataclasses.dataclass(frozen=True)
class Subject:
    """One model.

    Attributes:
        name: of the preset, or of the file without its ending.
        path: of the `.keras` file; empty for a preset.
    """

    name: str
    path: str = ""

    def load(self) -> Any:
        """The model, under whichever backend Keras has in this process."""
        import keras  # here, that `--help` need not wait for it

        return keras.saving.load_model(self.path, compile=False) if self.path else ki.from_preset(self.name)

    @property
    def sha256(self) -> str:
        """Of its weights, or of its file."""
        if self.path:
            return hashlib.sha256(Path(self.path).read_bytes()).hexdigest()
        return ki.presets.load_metrics(self.name)["sha256"]


@dataclasses.dataclass(frozen=True)
class Images:
    """What is attacked.

    Attributes:
        x: images in [0, 1], float32 [B, …].
        y: their labels [B], which the model gives.
        targets: a random other class of each [B].
    """

    x: np.ndarray
    y: np.ndarray
    targets: np.ndarray

    @property
    def sha256(self) -> str:
        """Of images and labels."""
        return hashlib.sha256(self.x.tobytes() + self.y.tobytes()).hexdigest()


def chosen(options: argparse.Namespace) -> list[Subject]:
    """The models that a command names.

    Raises:
        ValueError: a preset is unknown, or a path is no `.keras` file and no folder of them.
    """
    if unknown := set(options.presets) - set(ki.list_presets()):
        raise ValueError(f"Unknown: {', '.join(sorted(unknown))}. Known: {', '.join(ki.list_presets())}.")
    found = [Subject(name) for name in options.presets]
    for path in options.models:
        files = sorted(path.glob("*.keras")) if path.is_dir() else [path]
        if not files or not all(file.is_file() and file.suffix == ".keras" for file in files):
            raise ValueError(f"--models {path}: expected a .keras file, or a folder that has some.")
        found += [Subject(file.stem, str(file)) for file in files]
    return found or [Subject(name) for name in PRESETS]


def labelled_images(options: argparse.Namespace) -> tuple[np.ndarray, np.ndarray]:
    """All images in [0, 1] and labels that a command names.

    Raises:
        ValueError: the file holds no images and labels.
    """
    if options.images is None:
        return ki.data.load(options.dataset, "test" if options.dataset == "mnist" else "train")
    with np.load(options.images, allow_pickle=False) as file:
        labels = next((name for name in ("y", "label", "labels") if name in file), None)
        if "x" not in file or labels is None:
            raise ValueError(
                f"--images {options.images}: expected the arrays x and y (or label), found {', '.join(file)}."
            )
        x, y = file["x"], file[labels]
    scaled = x.astype(np.float32) / 255 if x.dtype == np.uint8 else x.astype(np.float32)
    if not (scaled.min() >= 0 and scaled.max() <= 1):
        raise ValueError(f"--images {options.images}: expected uint8, or pixels in [0, 1].")
    return scaled, y.astype(np.int64)


def correctly_classified(model: Any, x: np.ndarray, y: np.ndarray, count: int, seed: int) -> Images:
    """The first `count` images, in a random order, that a model classifies correctly; all, if they are fewer.

    Raises:
        ValueError: the model takes images of another shape, or classifies none correctly.
    """
    if model.input_shape[1:] != x.shape[1:]:
        raise ValueError(f"It takes images {model.input_shape[1:]}, these are {x.shape[1:]}.")
    order = np.random.default_rng(seed).permutation(len(x))
    rows = order[ki.evaluation.labels(model, x[order]) == y[order]][:count]
    if not len(rows):
        raise ValueError("It classifies none of the images correctly.")
    classes = model.output_shape[-1]
    return Images(x[rows], y[rows], ki.transfer.random_targets(y[rows], classes, seed))
