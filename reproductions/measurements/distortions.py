"""Average minimum distortions of the attacked digits."""

import dataclasses

import numpy as np

from reproductions.measurements import examples
from reproductions.measurements.examples import DigitAttack
from reproductions.shared import intervals
from reproductions.shared.intervals import Number
from reproductions.shared.measurement import Measurement
from reproductions.shared.run import Run


@dataclasses.dataclass(frozen=True)
class Distortions:
    """What an attack came to.

    Attributes:
        distortion: mean root mean square of the change, where it succeeded.
        success: share of the images on which it succeeded.
        survives_rounding: share of the images that are misclassified as asked after rounding to 256 grey levels.
        each: every distortion, float16 [runs, images]; NaN where the attack failed.
    """

    distortion: Number
    success: Number
    survives_rounding: Number
    each: np.ndarray


@dataclasses.dataclass(frozen=True)
class AverageDistortion(Measurement[Distortions]):
    """By one method, to one kind of targets, over the training runs of a preset; see `DigitAttack`."""

    preset: str
    method: str
    targets: str

    def presets(self, run: Run) -> list[str]:
        """The training runs."""
        return run.trained(self.preset)

    def needs(self, run: Run) -> list[DigitAttack]:
        """The attack on every training run."""
        return [examples.on_digits(p, self.method, self.targets) for p in run.trained(self.preset)]

    def settings(self, run: Run) -> dict[str, list[str]]:
        """The examples' files."""
        return examples.hashes(run, self.needs(run))

    def measure(self, run: Run) -> Distortions:
        """See the class."""
        made = [examples.load(run, attack) for attack in self.needs(run)]
        success, sizes, rounded = (
            np.stack([e.arrays[field] for e in made])
            for field in ("success", "distortion", "survives_rounding")
        )
        found = np.where(success, sizes, np.nan)
        return Distortions(
            intervals.mean(found),
            intervals.share_of(success.astype(float)),
            intervals.share_of(rounded.astype(float)),
            found.astype(np.float16),
        )
