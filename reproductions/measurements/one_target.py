"""Photographs that are all driven to one class: Figure 5."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from reproductions.measurements import examples
from reproductions.measurements.examples import Attack, Examples
from reproductions.measurements.survival import Survival, survival
from reproductions.shared import imagenette, intervals
from reproductions.shared.intervals import Number
from reproductions.shared.measurement import Measurement
from reproductions.shared.run import Run

IMAGES = 64


@functools.cache
def target_class(run: Run) -> int:
    """The class, drawn by the run's seed."""
    return int(np.random.default_rng(run.seed).integers(len(imagenette.validation(run).classes)))


@functools.cache
def chosen(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """The photographs [IMAGES, S, S, 3] and their labels: drawn at random, by the run's seed, from all that every
    training run classifies correctly and that are not of the target's class.

    Raises:
        ValueError: there are fewer.
    """
    photographs = imagenette.validation(run)
    right = photographs.labels != target_class(run)
    for preset in run.trained(imagenette.ALEXNET):
        right &= imagenette.predicted_labels(run, preset) == photographs.labels
    if right.sum() < IMAGES:
        raise ValueError(
            f"Of {len(photographs)} photographs only {right.sum()} are correctly classified and of another class than "
            f"{imagenette.words(run)[target_class(run)]}; {IMAGES} are needed."
        )
    drawn = np.random.default_rng(run.seed).choice(np.flatnonzero(right), IMAGES, replace=False)
    return photographs[drawn].images(imagenette.input_size(run, imagenette.ALEXNET)), photographs.labels[
        drawn
    ]


@dataclasses.dataclass(frozen=True)
class TargetAttack(Attack):
    """On the chosen photographs, to the one class."""

    def attacked(self, run: Run) -> np.ndarray:
        """The photographs."""
        return chosen(run)[0]

    def target(self, run: Run) -> int:
        """The class."""
        return target_class(run)

    def images(self, run: Run) -> dict[str, Any]:
        """The photographs that were chosen from."""
        return imagenette.images(run)

    def settings(self, run: Run) -> dict[str, Any]:
        """The class too."""
        return {"targets": target_class(run), **super().settings(run)}


def attack(preset: str, method: str) -> TargetAttack:
    """The attack on a training run."""
    return TargetAttack(f"examples/figure5-{preset}-{method}", preset, method)


@dataclasses.dataclass(frozen=True)
class Targeted:
    """What an attack to one class came to.

    Attributes:
        distortion: mean root mean square of the change, where it succeeded.
        success: share of the photographs on which it succeeded.
        backward_passes: of a photograph through the model, on average; every one follows a forward pass.
        each: every distortion, float16 [runs, photographs]; NaN where the attack failed.
        target: the share that is of the class, in files.
        wrong: the share that is of a wrong class, in files.
        peak_mib: the most memory that a process which attacked had held.
    """

    distortion: Number
    success: Number
    backward_passes: float
    each: np.ndarray
    target: Survival
    wrong: Survival
    peak_mib: int


@dataclasses.dataclass(frozen=True)
class OneTarget(Measurement[Targeted]):
    """By one method, over the training runs of the AlexNet-style net."""

    method: str

    def presets(self, run: Run) -> list[str]:
        """The training runs."""
        return run.trained(imagenette.ALEXNET)

    def needs(self, run: Run) -> list[TargetAttack]:
        """The attack on every one."""
        return [attack(preset, self.method) for preset in self.presets(run)]

    def images(self, run: Run) -> dict[str, Any]:
        """The photographs that were chosen from."""
        return imagenette.images(run)

    def settings(self, run: Run) -> dict[str, Any]:
        """The examples' files."""
        return examples.hashes(run, self.needs(run))

    def measure(self, run: Run) -> Targeted:
        """See `Targeted`."""
        x, y = chosen(run)
        made = [examples.load(run, one) for one in self.needs(run)]
        return targeted(run, self.presets(run), x, made, lambda labels: labels == target_class(run), y)


def targeted(
    run: Run,
    presets: Sequence[str],
    x: np.ndarray,
    made: Sequence[Examples],
    wanted: Callable[[np.ndarray], np.ndarray],
    y: np.ndarray,
) -> Targeted:
    """What attacks on photographs came to; see `survival` for the arguments. y: their labels, int [N]."""
    success = np.stack([e.arrays["success"] for e in made])
    sizes = np.stack([e.arrays["distortion"] for e in made])
    found = np.where(success, sizes, np.nan)
    return Targeted(
        intervals.mean(found),
        intervals.share_of(success.astype(float)),
        float(np.mean([e.arrays["backward_passes"] for e in made])),
        found.astype(np.float16),
        survival(run, presets, x, made, wanted),
        survival(run, presets, x, made, lambda labels: labels != y),
        max(e.file.peak_mib for e in made),
    )
