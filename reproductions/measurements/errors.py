"""The errors of a model on splits of the data set."""

import dataclasses

import numpy as np

import keras_intriguing as ki
from reproductions.shared import intervals
from reproductions.shared.intervals import Number
from reproductions.shared.measurement import Measurement
from reproductions.shared.run import Run


@dataclasses.dataclass(frozen=True)
class ErrorRate(Number):
    """Of the images of a split.

    Attributes:
        wrong: 1 for every image that is misclassified, else 0; float16 [runs, images].
    """

    wrong: np.ndarray


@dataclasses.dataclass(frozen=True)
class Errors(Measurement[dict[str, ErrorRate]]):
    """By split, of those that the run's data set has; over the training runs of a preset."""

    preset: str
    splits: tuple[str, ...]

    def presets(self, run: Run) -> list[str]:
        """The training runs."""
        return run.trained(self.preset)

    def measure(self, run: Run) -> dict[str, ErrorRate]:
        """See the class."""
        found = {}
        for split in self.splits:
            if split == "test" and run.dataset == "mnist5k":
                continue  # it has training images only
            x, y = run.load(split)
            labels = np.stack([ki.evaluation.labels(run.model(p), x) for p in run.trained(self.preset)])
            wrong = (labels != y).astype(float)
            found[split] = ErrorRate(**vars(intervals.share_of(wrong)), wrong=wrong.astype(np.float16))
        return found
