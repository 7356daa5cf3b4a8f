"""Certified distortions of the attacked digits."""

import dataclasses
from typing import Any

import numpy as np

import keras_intriguing as ki
from reproductions.shared import intervals
from reproductions.shared.intervals import Number
from reproductions.shared.measurement import Measurement
from reproductions.shared.run import Run

MOST = 16  # digits of a model: one takes seconds


@dataclasses.dataclass(frozen=True)
class Certified:
    """Distortions below which no image can change its label.

    Attributes:
        distortion: their mean.
        of_first: the arrays of the first training run's certificate, a `ki.Certificate`.
    """

    distortion: Number
    of_first: dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class CertifiedDistortion(Measurement[Certified]):
    """Of the first digits that the penalty method attacks, over the training runs of a preset."""

    preset: str

    def presets(self, run: Run) -> list[str]:
        """The training runs."""
        return run.trained(self.preset)

    def settings(self, run: Run) -> dict[str, Any]:
        """How many of the digits."""
        return {"certified": min(run.by_penalty, MOST)}

    def measure(self, run: Run) -> Certified:
        """See `Certified`."""
        images = run.attacked[0][: min(run.by_penalty, MOST)]
        proved = [ki.certified_distortion(run.model(p), images) for p in run.trained(self.preset)]
        return Certified(intervals.mean(np.stack([p.distortion for p in proved])), proved[0].arrays())
