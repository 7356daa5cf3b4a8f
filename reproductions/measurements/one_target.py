"""Photographs that are all driven to one class: Figure 5."""

import abc
import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from reproductions.measurements import examples
from reproductions.measurements.examples import Attack
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
    return drawn(run, right, photographs.labels, imagenette.ALEXNET, IMAGES)


def drawn(
    run: Run, right: np.ndarray, labels: np.ndarray, preset: str, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Photographs [count, S, S, 3] of the preset's size and their labels, drawn at random by the run's seed.

    Args:
        run: the run.
        right: which may be drawn, bool [N] of all photographs.
        labels: int [N].
        preset: its input decides S.
        count: how many.
    """
    at = np.random.default_rng(run.seed).choice(np.flatnonzero(right), count, replace=False)
    return imagenette.validation(run)[at].images(imagenette.input_size(run, preset)), labels[at]


class PhotographAttack(Attack, abc.ABC):
    """On photographs that are chosen from all."""

    def images(self, run: Run) -> dict[str, Any]:
        """The photographs that were chosen from."""
        return imagenette.images(run)


@dataclasses.dataclass(frozen=True)
class TargetAttack(PhotographAttack):
    """On the chosen photographs, to the one class."""

    def attacked(self, run: Run) -> np.ndarray:
        """The photographs."""
        return chosen(run)[0]

    def target(self, run: Run) -> int:
        """The class."""
        return target_class(run)

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


class OfAttacks(Measurement[Targeted], abc.ABC):
    """What attacks on photographs came to."""

    @abc.abstractmethod
    def needs(self, run: Run) -> list[PhotographAttack]:
        """The attacks."""

    def presets(self, run: Run) -> list[str]:
        """The attacked models."""
        return [attack.preset for attack in self.needs(run)]

    def images(self, run: Run) -> dict[str, Any]:
        """The photographs that were chosen from."""
        return imagenette.images(run)

    def settings(self, run: Run) -> dict[str, Any]:
        """The examples' files."""
        return examples.hashes(run, self.needs(run))

    def targeted(
        self, run: Run, x: np.ndarray, y: np.ndarray, wanted: Callable[[np.ndarray], np.ndarray]
    ) -> Targeted:
        """See `Targeted`.

        Args:
            run: the run.
            x: the attacked photographs [N, S, S, 3].
            y: their labels, int [N].
            wanted: which labels [N] the attack was after, bool [N].
        """
        presets, made = self.presets(run), [examples.load(run, one) for one in self.needs(run)]
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


@dataclasses.dataclass(frozen=True)
class OneTarget(OfAttacks):
    """By one method, over the training runs of the AlexNet-style net."""

    method: str

    def needs(self, run: Run) -> list[PhotographAttack]:
        """The attack on every training run."""
        return [attack(preset, self.method) for preset in run.trained(imagenette.ALEXNET)]

    def measure(self, run: Run) -> Targeted:
        """See `Targeted`."""
        x, y = chosen(run)
        return self.targeted(run, x, y, lambda labels: labels == target_class(run))
