"""The errors of a model on splits of the data set."""

import dataclasses

import keras_intriguing as ki
from reproductions.shared import intervals
from reproductions.shared.intervals import Number
from reproductions.shared.measurement import Measurement
from reproductions.shared.run import Run


@dataclasses.dataclass(frozen=True)
class Errors(Measurement[dict[str, Number]]):
    """By split, of those that the run's data set has; over the training runs of a preset."""

    preset: str
    splits: tuple[str, ...]

    def presets(self, run: Run) -> list[str]:
        """The training runs."""
        return run.trained(self.preset)

    def measure(self, run: Run) -> dict[str, Number]:
        """See the class."""
        found = {}
        for split in self.splits:
            if split == "test" and run.dataset == "mnist5k":
                continue  # it has training images only
            x, y = run.load(split)
            shares = [ki.evaluation.error(run.model(p), x, y) for p in run.trained(self.preset)]
            found[split] = intervals.share(shares, len(x))
        return found
