"""One run of the reproductions: its images and its models, and where it keeps what it measures."""

import dataclasses
import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import keras_intriguing as ki


@dataclasses.dataclass(eq=False)  # hashable: methods are cached by run
class Run:
    """What a run measures, and where it keeps it.

    Every record is a file of its own, written when it is measured, with a key of all that decides its
    values; a later run with the same key reads it instead of measuring again (see `Measurement`).

    Attributes:
        dataset: `mnist` (attacks its test images) or `mnist5k` (attacks training images; it has no others).
        images: how many are attacked.
        by_penalty: how many of these, the first, by the penalty method too, which is slower, and certified.
        seed: of the choice of images, of their random targets and of the noise.
        training_seeds: how many training runs of every model are measured, as far as the zoo has them.
        out: folder of records, examples and the report.
        data_dir: see `ki.data.load`.
        command: that repeats the run.
        begin: called with the name of a measurement when it begins.
        photographs: a folder of them; None for Imagenette by TFDS. See `ki.photographs.load`.
        skip_unreadable: leave out photographs that cannot be decoded.
        alexnet: folder of a preset of `ki.models.AlexNet`; None for its initialization.
    """

    dataset: str
    images: int
    by_penalty: int
    seed: int
    training_seeds: int
    out: Path
    data_dir: str | None
    command: str
    begin: Callable[[str], None] = lambda name: None
    alexnet: Path | None = None
    photographs: Path | None = None
    skip_unreadable: bool = False

    @functools.cached_property
    def attacked(self) -> tuple[np.ndarray, np.ndarray]:
        """The attacked images and labels, not only those that are correctly classified, as in the paper."""
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

    @functools.cache  # noqa: B019
    def model(self, preset: str) -> Any:
        """A model of the zoo, the same at every call: leave it as it is."""
        return ki.from_preset(preset)

    def trained(self, preset: str) -> list[str]:
        """The presets of a model's training runs, as many as are asked for and known."""
        return ki.presets.training_runs(preset)[: self.training_seeds]
