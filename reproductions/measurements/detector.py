"""Photographs of a class that the classifier on the unsupervised net's features no longer recognizes: Figure 6."""

import dataclasses
import functools
from typing import Any

import numpy as np

import keras_intriguing as ki
from reproductions.measurements import examples
from reproductions.measurements.examples import Attack
from reproductions.measurements.survival import Survival, survival
from reproductions.shared import imagenette, intervals
from reproductions.shared.intervals import Number
from reproductions.shared.measurement import Measurement
from reproductions.shared.run import Run

PRESET = imagenette.QUOCNET
IMAGES = 64
_CLASS = 1  # the classifier's logits: the others, the class


def positive_class(run: Run) -> int:
    """The label, among the photographs' classes, that the classifier was trained to tell from the others."""
    return imagenette.validation(run).classes.index(ki.presets.load_metrics(PRESET)["recipe"]["positive"])


@functools.cache
def chosen(run: Run) -> np.ndarray:
    """The photographs [N, S, S, 3]: of the class and recognized as such, drawn at random by the run's seed.

    Raises:
        ValueError: none is.
    """
    photographs = imagenette.validation(run)
    right = (photographs.labels == positive_class(run)) & (imagenette.predicted_labels(run, PRESET) == _CLASS)
    if not right.any():
        raise ValueError(
            f"No photograph of the class {photographs.classes[positive_class(run)]} is recognized."
        )
    known = np.flatnonzero(right)
    drawn = np.random.default_rng(run.seed).choice(known, min(IMAGES, len(known)), replace=False)
    return photographs[drawn].images(imagenette.input_size(run, PRESET))


@dataclasses.dataclass(frozen=True)
class DetectorAttack(Attack):
    """On the chosen photographs, to the other label."""

    def attacked(self, run: Run) -> np.ndarray:
        """The photographs."""
        return chosen(run)

    def target(self, run: Run) -> int:
        """The label of what is not of the class."""
        return 1 - _CLASS

    def images(self, run: Run) -> dict[str, Any]:
        """The photographs that were chosen from."""
        return imagenette.images(run)


def attack(method: str) -> DetectorAttack:
    """The attack on the classifier."""
    return DetectorAttack(f"examples/figure6-{method}", PRESET, method)


@dataclasses.dataclass(frozen=True)
class Unrecognized:
    """What an attack on the classifier came to.

    Attributes:
        distortion: mean root mean square of the change, where it succeeded.
        success: share of the photographs on which it succeeded.
        wrong: the share that is not recognized, in files.
        peak_mib: the most memory that the process which attacked had held.
    """

    distortion: Number
    success: Number
    wrong: Survival
    peak_mib: int


@dataclasses.dataclass(frozen=True)
class Detector(Measurement[Unrecognized]):
    """By one method."""

    method: str

    def presets(self, run: Run) -> list[str]:
        """The classifier."""
        return [PRESET]

    def needs(self, run: Run) -> list[DetectorAttack]:
        """The attack."""
        return [attack(self.method)]

    def images(self, run: Run) -> dict[str, Any]:
        """The photographs that were chosen from."""
        return imagenette.images(run)

    def settings(self, run: Run) -> dict[str, Any]:
        """The examples' file."""
        return examples.hashes(run, self.needs(run))

    def measure(self, run: Run) -> Unrecognized:
        """See `Unrecognized`."""
        made = examples.load(run, attack(self.method))
        success = made.arrays["success"]
        sizes = np.where(success, made.arrays["distortion"], np.nan)
        return Unrecognized(
            intervals.mean(sizes[None]),
            intervals.share_of(success[None].astype(float)),
            survival(run, [PRESET], chosen(run), [made], lambda labels: labels != _CLASS),
            made.file.peak_mib,
        )
