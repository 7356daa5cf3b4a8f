"""Adversarial examples, kept in files for a later run."""

import abc
import dataclasses
import hashlib
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import keras_intriguing as ki
from reproductions.shared.measurement import Measurement, measured
from reproductions.shared.run import Run

PENALTY, DIRECT = METHODS = ("penalty", "direct")
RANDOM, NEAREST = "random", "nearest"  # targets: a random wrong class, or whichever other class is nearest


@dataclasses.dataclass(frozen=True)
class ExamplesFile:
    """Where examples are kept.

    Attributes:
        file: its name.
        file_sha256: of its bytes.
        peak_mib: the most memory, in MiB, that the process which made it had held by then.
    """

    file: str
    file_sha256: str
    peak_mib: int


class Examples(NamedTuple):
    """The fields of a `ki.Result` as arrays, by name, and the file that they come from."""

    arrays: dict[str, np.ndarray]
    file: ExamplesFile


@dataclasses.dataclass(frozen=True)
class Attack(Measurement[ExamplesFile], abc.ABC):
    """An attack on one model. Its name begins with `examples/`: so does the file of its arrays, in the run's folder."""

    preset: str
    method: str

    @abc.abstractmethod
    def attacked(self, run: Run) -> np.ndarray:
        """The images."""

    @abc.abstractmethod
    def target(self, run: Run) -> Any:
        """See `ki.minimal_distortion`."""

    def presets(self, run: Run) -> list[str]:
        """The attacked model."""
        return [self.preset]

    def settings(self, run: Run) -> dict[str, Any]:
        """The method and the very images."""
        images = np.ascontiguousarray(self.attacked(run)).tobytes()
        return {"method": self.method, "attacked_sha256": hashlib.sha256(images).hexdigest()}

    def options(self) -> dict[str, Any]:
        """See `ki.minimal_distortion`."""
        return {"method": self.method}

    def path(self, run: Run) -> Path:
        """Of the file with the arrays."""
        return run.out / f"{self.name}.npz"

    def measure(self, run: Run) -> ExamplesFile:
        """Attacks, and keeps the result."""
        path = self.path(run)
        result = ki.minimal_distortion(
            run.model(self.preset), self.attacked(run), target=self.target(run), **self.options()
        )
        ki.files.write_arrays(path, **result.arrays())
        return ExamplesFile(path.name, ki.files.sha256(path), _peak_mib())


@dataclasses.dataclass(frozen=True)
class DigitAttack(Attack):
    """On the run's digits; `targets` is `RANDOM` or `NEAREST`."""

    targets: str

    def attacked(self, run: Run) -> np.ndarray:
        """The run's, or as many of them as are attacked by this method."""
        return run.attacked[0][: attacked_by(run, self.method)]

    def target(self, run: Run) -> np.ndarray | None:
        """The run's random classes, or none."""
        return run.targets[: attacked_by(run, self.method)] if self.targets == RANDOM else None

    def settings(self, run: Run) -> dict[str, Any]:
        """The kind of targets too."""
        return {"targets": self.targets, **super().settings(run)}


def attacked_by(run: Run, method: str) -> int:
    """How many of the run's digits a method attacks."""
    return run.by_penalty if method == PENALTY else run.images


def on_digits(preset: str, method: str, targets: str) -> DigitAttack:
    """The attack on the run's digits."""
    return DigitAttack(f"examples/{preset}-{method}-{targets}", preset, method, targets)


def load(run: Run, attack: Attack) -> Examples:
    """The result of an attack, out of its file or now made."""
    kept = _kept(run, attack)
    with np.load(attack.path(run)) as stored:
        return Examples({name: stored[name] for name in stored.files}, kept)


def hashes(run: Run, attacks: Sequence[Attack]) -> dict[str, list[str]]:
    """For the key of a measurement that rests on these attacks: the hashes of their files."""
    return {"examples_sha256": [_kept(run, attack).file_sha256 for attack in attacks]}


def _kept(run: Run, attack: Attack) -> ExamplesFile:
    path, kept = attack.path(run), measured(run, attack)
    if not path.exists() or ki.files.sha256(path) != kept.file_sha256:
        # The record came without its arrays (they are not kept under version control).
        (run.out / "records" / f"{attack.name}.json").unlink()
        kept = measured(run, attack)
    return kept


def _peak_mib() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit // 2**20
