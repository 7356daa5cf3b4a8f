"""One run of the reproductions: its images, its models, and the records that it has already written."""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import keras_intriguing as ki
from keras_intriguing import files
from reproductions.shared import records
from reproductions.shared.code import CODE

PAPER = json.loads((Path(__file__).parent.parent / "paper.json").read_text(encoding="utf-8"))


@dataclasses.dataclass(eq=False)  # hashable: methods are cached by run
class Run:
    """What a run measures, and where it keeps it.

    Every record is a file of its own, written when it is measured, with a key of all that decides its
    values; a later run with the same key reads it instead of measuring again.

    Attributes:
        dataset: `mnist` (attacks its test images) or `mnist5k` (attacks training images; it has no others).
        images: how many are attacked.
        seed: of the choice of images, of their random targets and of the noise.
        training_seeds: how many training runs of every model are measured, 1 to 3, where the zoo has them.
        out: folder of records, examples and the report.
        data_dir: see `ki.data.load`.
        command: that repeats the run.
        advance: called with a description when a measurement begins.
        photographs: a folder of them; None for Imagenette by TFDS. See `ki.photographs.load`.
        skip_unreadable: leave out photographs that cannot be decoded.
        alexnet: folder of a preset of `ki.models.AlexNet`; None for its initialization.
    """

    dataset: str
    images: int
    seed: int
    training_seeds: int
    out: Path
    data_dir: str | None
    command: str
    advance: Callable[[str], None] = lambda description: None
    alexnet: Path | None = None
    photographs: Path | None = None
    skip_unreadable: bool = False

    @functools.cached_property
    def attacked(self) -> tuple[np.ndarray, np.ndarray]:
        """The attacked images and labels, not filtered for being classified rightly, as in the paper."""
        x, y = self.load("train" if self.dataset == "mnist5k" else "test")
        if self.images > len(x):
            raise ValueError(f"--attacked {self.images}, but {self.dataset} has {len(x)} images to attack.")
        # mnist5k is sorted by digit, so the images are drawn, on both data sets by the same rule.
        chosen = np.random.default_rng(self.seed).choice(len(x), self.images, replace=False)
        return x[chosen], y[chosen]

    @functools.cached_property
    def images_hash(self) -> str:
        """Of the attacked images and their labels."""
        return hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in self.attacked)).hexdigest()

    @functools.cached_property
    def targets(self) -> np.ndarray:
        """For every attacked image a random wrong class, the same for all models."""
        return ki.transfer.random_targets(self.attacked[1], 10, self.seed)

    @functools.cache  # noqa: B019 (a run lives as long as the process)
    def load(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        """A split of the run's data set."""
        return ki.data.load(self.dataset, split, self.data_dir)

    @functools.cached_property
    def _models(self) -> dict[str, Any]:
        """By class: one object for all presets of a class, since the attack is compiled for every object."""
        return {}

    @functools.cache  # noqa: B019
    def _weights(self, preset: str) -> tuple[str, list[np.ndarray]]:
        model = ki.from_preset(preset)
        self._models.setdefault(type(model).__name__, model)
        return type(model).__name__, model.get_weights()

    def model(self, preset: str) -> Any:
        """A model of the zoo; the same object as for any preset of its class, so good until the next call."""
        name, weights = self._weights(preset)
        self._models[name].set_weights(weights)
        return self._models[name]

    @property
    def described(self) -> str:
        """The attacked images, in words."""
        what = "training" if self.dataset == "mnist5k" else "test"
        seeds = (
            f"up to {self.training_seeds} training runs a model"
            if self.training_seeds > 1
            else "one training run a model"
        )
        return f"{self.images} MNIST {what} images (seed {self.seed}, not filtered for being classified rightly; {seeds})"

    @property
    def pairs_described(self) -> str:
        """What a cell of a transfer table averages, in words; empty with one training run."""
        if self.training_seeds == 1:
            return ""
        return "A cell is the average over all pairs of a training run of either model."

    def trained(self, preset: str) -> list[str]:
        """The presets of a model's training runs, as many as are asked for and known."""
        return ki.presets.training_runs(preset)[: self.training_seeds]

    def misclassified(self, preset: str, images: np.ndarray) -> np.ndarray:
        """Which images, made from the attacked ones, a model does not give their true label: bool [images]."""
        return ki.evaluation.labels(self.model(preset), images) != self.attacked[1]

    def record(
        self, name: str, presets: list[str], measure: Callable[[], dict[str, Any]], **settings: Any
    ) -> dict[str, Any]:
        """The values of a record: read if it is there with the same key, else measured and written.

        Args:
            name: of its file, below `records`.
            presets: the models it rests on; their hashes are part of the key.
            measure: gives the values; the code that the module of this function rests on is part of the key.
            settings: whatever else decides the values.
        """
        self.advance(name)
        key = {
            "dataset": self.dataset,
            "images": self.images,
            "seed": self.seed,
            "images_sha256": self.images_hash,
            "sha256": {preset: ki.presets.load_metrics(preset)["sha256"] for preset in presets},
            "versions": ki.presets.versions(),
            "code": CODE.hash(measure.__module__, *map(_model_module, presets)),
            **settings,
        }
        path = self.out / "records" / f"{name}.json"
        return records.keep(path, key, self.command, measure)


@functools.cache
def _model_module(preset: str) -> str:
    """Where the class of a preset is defined: its configuration says so, no import does."""
    return files.read_json(ki.presets.find(preset) / ki.presets.CONFIG)["module"]
