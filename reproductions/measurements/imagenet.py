"""A net trained on ImageNet's 1,000 classes: Figure 5's photographs, driven to its own target and to the nearest class."""

import dataclasses
import functools
from typing import Any

import numpy as np

from reproductions.measurements import one_target
from reproductions.measurements.examples import DIRECT, NEAREST
from reproductions.measurements.one_target import OfAttacks, PhotographAttack, Targeted
from reproductions.shared import imagenette, intervals
from reproductions.shared.intervals import Number
from reproductions.shared.measurement import Measurement
from reproductions.shared.run import Run

PRESET = "efficientnet_lite0_imagenet"
OSTRICH = 9  # the class of the paper's Figure 5, Struthio camelus
TARGET = "ostrich"
IMAGES = 64
# Fewer passes than usual, since a gradient of a photograph takes this net 0.04 s of a core.
BUDGET = 500
GREY_LEVELS = 256
# ImageNet's numbers of Imagenette's classes
CLASSES = {
    "n01440764": 0,
    "n02102040": 217,
    "n02979186": 482,
    "n03000684": 491,
    "n03028079": 497,
    "n03394916": 566,
    "n03417042": 569,
    "n03425413": 571,
    "n03445777": 574,
    "n03888257": 701,
}


@functools.cache
def labels(run: Run) -> np.ndarray:
    """The photographs' classes among ImageNet's, int [N]."""
    found = imagenette.validation(run)
    return np.array([CLASSES[name] for name in found.classes])[found.labels]


@functools.cache
def chosen(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """The photographs [IMAGES, S, S, 3] and their classes among ImageNet's: drawn at random, by the run's seed, from all
    that the net classifies correctly.

    Raises:
        ValueError: there are fewer.
    """
    right = imagenette.predicted_labels(run, PRESET) == labels(run)
    if right.sum() < IMAGES:
        raise ValueError(
            f"{PRESET} classifies only {right.sum()} photographs correctly; {IMAGES} are needed."
        )
    return one_target.drawn(run, right, labels(run), PRESET, IMAGES)


@dataclasses.dataclass(frozen=True)
class Accuracy(Measurement[Number]):
    """The share of all photographs whose class the net finds among the 1,000."""

    def presets(self, run: Run) -> list[str]:
        """The net."""
        return [PRESET]

    def images(self, run: Run) -> dict[str, Any]:
        """The validation photographs."""
        return imagenette.images(run)

    def measure(self, run: Run) -> Number:
        """The share."""
        right = imagenette.predicted_labels(run, PRESET) == labels(run)
        return intervals.share_of(right[None].astype(float))


@dataclasses.dataclass(frozen=True)
class ImageNetAttack(PhotographAttack):
    """On the chosen photographs.

    Attributes:
        targets: `TARGET`, or `NEAREST` for whichever other class is nearest.
        levels: see `ki.minimal_distortion`.
    """

    targets: str
    levels: int | None

    def attacked(self, run: Run) -> np.ndarray:
        """The photographs."""
        return chosen(run)[0]

    def target(self, run: Run) -> int | None:
        """The ostrich, or none."""
        return OSTRICH if self.targets == TARGET else None

    def options(self) -> dict[str, Any]:
        """With fewer passes than usual."""
        return {**super().options(), "budget": BUDGET, "levels": self.levels}


@dataclasses.dataclass(frozen=True)
class ImageNetTargeted(OfAttacks):
    """What the attack came to; see `ImageNetAttack`."""

    targets: str
    levels: int | None

    def attack(self) -> ImageNetAttack:
        """The attack."""
        return ImageNetAttack(f"examples/{self.name}", PRESET, DIRECT, self.targets, self.levels)

    def needs(self, run: Run) -> list[PhotographAttack]:
        """The attack."""
        return [self.attack()]

    def measure(self, run: Run) -> Targeted:
        """See `Targeted`; without a target the wanted label is any wrong one."""
        x, y = chosen(run)
        return self.targeted(
            run, x, y, lambda labels: labels == OSTRICH if self.targets == TARGET else labels != y
        )


def planned(targets: str, levels: int | None = None) -> ImageNetTargeted:
    """The measurement of an attack."""
    stored = f"-{levels}" if levels else ""
    return ImageNetTargeted(f"imagenet/{targets}{stored}", targets, levels)


ACCURACY = Accuracy("imagenet/accuracy")
OSTRICHES, GREY_OSTRICHES, NEAREST_CLASS = ATTACKS = (
    planned(TARGET),
    planned(TARGET, GREY_LEVELS),
    planned(NEAREST),
)
