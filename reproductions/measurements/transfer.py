"""The errors of models on images that were perturbed for other models, and on noise: Tables 2 and 4, Figure 7."""

import abc
import dataclasses
import enum
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

import keras_intriguing as ki
from reproductions.measurements import examples
from reproductions.measurements.examples import RANDOM, DigitAttack
from reproductions.shared import intervals
from reproductions.shared.intervals import Number
from reproductions.shared.measurement import Measurement
from reproductions.shared.run import Run

AMPLIFIED = 0.1  # the root mean square that Table 4 amplifies changes to


class Perturbed(NamedTuple):
    """Perturbed copies of the attacked images.

    Attributes:
        images: [runs, N, 28, 28, 1], one for every training run of the model that was attacked.
        success: bool [runs, N], false where the attack failed: there is no example then.
        runs: the attacked training runs; empty where no model was.
    """

    images: np.ndarray
    success: np.ndarray
    runs: Sequence[str] = ()


class Source(abc.ABC):
    """What perturbed images come from."""

    @abc.abstractmethod
    def perturbed(self, run: Run) -> Perturbed:
        """The images."""

    def attacks(self, run: Run) -> list[DigitAttack]:
        """The attacks that they rest on."""
        return []

    def settings(self) -> dict[str, Any]:
        """What decides them beside the attacks."""
        return {}


@dataclasses.dataclass(frozen=True)
class Clean(Source):
    """The attacked images as they are."""

    def perturbed(self, run: Run) -> Perturbed:
        """The images."""
        return _of_no_model(run.attacked[0])


@dataclasses.dataclass(frozen=True)
class Noise(Source):
    """Gaussian noise, not clipped to [0, 1]."""

    stddev: float

    def perturbed(self, run: Run) -> Perturbed:
        """The images."""
        return _of_no_model(ki.transfer.gaussian_noise(run.attacked[0], self.stddev, run.seed))

    def settings(self) -> dict[str, Any]:
        """The size."""
        return {"stddev": self.stddev}


def _of_no_model(images: np.ndarray) -> Perturbed:
    return Perturbed(images[None], np.ones((1, len(images)), bool))


class Change(enum.StrEnum):
    """What is made of an example x′ of an image x."""

    NONE = "as-made"
    NOISE = "noise"  # Gaussian noise of the same distortion in its place, image by image
    AMPLIFIED = "amplified"  # the change rescaled to a root mean square of 0.1
    LITERAL = "literal"  # rescaled to an L2 norm of 0.1, as the paper's formula is printed

    def applied(self, run: Run, adversarial: np.ndarray) -> np.ndarray:
        """The images."""
        x = run.attacked[0][: len(adversarial)]
        if self is Change.NOISE:
            noise = ki.transfer.gaussian_noise(x, 1.0, run.seed)
            return ki.transfer.rescaled(x, noise, ki.transfer.distortion(x, adversarial))
        if self is Change.AMPLIFIED:
            return ki.transfer.rescaled(x, adversarial, AMPLIFIED)
        if self is Change.LITERAL:
            return ki.transfer.rescaled(x, adversarial, AMPLIFIED / np.sqrt(x[0].size))
        return adversarial


@dataclasses.dataclass(frozen=True)
class Adversarial(Source):
    """Examples of every training run of a preset, towards random classes."""

    preset: str
    method: str
    change: Change = Change.NONE

    def attacks(self, run: Run) -> list[DigitAttack]:
        """On every training run."""
        return [examples.on_digits(name, self.method, RANDOM) for name in run.trained(self.preset)]

    def perturbed(self, run: Run) -> Perturbed:
        """The images."""
        found = [examples.load(run, attack).arrays for attack in self.attacks(run)]
        return Perturbed(
            np.stack([self.change.applied(run, arrays["adversarial"]) for arrays in found]),
            np.stack([arrays["success"] for arrays in found]),
            run.trained(self.preset),
        )


@dataclasses.dataclass(frozen=True)
class TransferRow:
    """A row of a table of transfer.

    Attributes:
        errors: by preset, over all pairs of an attacked training run and an evaluated one; of the attacked preset
            itself, over its runs.
        distortion: average root mean square of the change.
        exist: share of the images on which the attack succeeded.
        wrong: by preset, which images are misclassified: 1 or 0, NaN where there is no example; float16 [attacked runs,
            evaluated runs, images], of the attacked preset itself [1, runs, images].
        other_run: the error of the attacked preset's other training runs, where there are several.
    """

    errors: dict[str, Number]
    distortion: Number
    exist: float
    wrong: dict[str, np.ndarray]
    other_run: Number | None = None


@dataclasses.dataclass(frozen=True)
class Transfer(Measurement[TransferRow]):
    """The errors of some models, the evaluated ones, on perturbed images."""

    source: Source
    models: tuple[str, ...]

    def presets(self, run: Run) -> list[str]:
        """The attacked models and the evaluated ones."""
        attacked = {attack.preset for attack in self.needs(run)}
        return sorted(attacked | {name for model in self.models for name in run.trained(model)})

    def needs(self, run: Run) -> list[DigitAttack]:
        """The attacks."""
        return self.source.attacks(run)

    def settings(self, run: Run) -> dict[str, Any]:
        """The images."""
        return {**self.source.settings(), **examples.hashes(run, self.needs(run))}

    def measure(self, run: Run) -> TransferRow:
        """See `TransferRow`."""
        perturbed = self.source.perturbed(run)
        x = run.attacked[0][: perturbed.images.shape[1]]
        rms = np.stack([ki.transfer.distortion(x, images) for images in perturbed.images])
        others = None
        if len(perturbed.runs) > 1:
            others = intervals.share_of(misclassified(run, perturbed, perturbed.runs, other_runs=True))
        wrong = {m: misclassified(run, perturbed, run.trained(m)) for m in self.models}
        return TransferRow(
            {m: intervals.share_of(pairs) for m, pairs in wrong.items()},
            intervals.mean(np.where(perturbed.success, rms, np.nan)),
            float(np.mean(perturbed.success)),
            {m: _by_run(pairs, len(run.trained(m))) for m, pairs in wrong.items()},
            others,
        )


def _by_run(pairs: np.ndarray, evaluated: int) -> np.ndarray:
    """See `TransferRow.wrong`."""
    return pairs.reshape(-1, evaluated, pairs.shape[-1]).astype(np.float16)


def misclassified(
    run: Run, perturbed: Perturbed, models: Sequence[str], other_runs: bool = False
) -> np.ndarray:
    """Whether an image is misclassified, by pair of training runs: [pairs, N], NaN where there is no example.

    Args:
        run: whose labels are the true ones.
        perturbed: the images; a pair's first run is one of its attacked runs.
        models: the presets that are evaluated; a pair's second run.
        other_runs: where both are the same model, the pairs of different runs instead of those of the same.
    """
    pairs = [(i, model) for i in range(len(perturbed.images)) for model in models]
    if set(models) == set(perturbed.runs):
        pairs = [(i, model) for i, model in pairs if (perturbed.runs[i] != model) == other_runs]

    def wrong(i: int, model: str) -> np.ndarray:
        labels = ki.evaluation.labels(run.model(model), perturbed.images[i])
        return np.where(perturbed.success[i], labels != run.attacked[1][: len(labels)], np.nan)

    return np.stack([wrong(i, model) for i, model in pairs])
