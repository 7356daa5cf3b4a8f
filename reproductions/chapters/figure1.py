"""Figure 1: images that maximize single units of a convolutional MNIST net."""

from typing import Any

from keras_intriguing.report import Claim, Section
from reproductions.coherence import kinds, panels
from reproductions.shared.run import Run

PRESETS = [panels.PRESET]


def steps(run: Run) -> int:
    """How many records the figure takes."""
    return 1


def measure(run: Run) -> dict[str, Any]:
    """Four units and their images."""
    return panels.measure(run, "figure1", kinds.UNITS)


def section(run: Run, values: dict[str, Any]) -> Section:
    """The figure."""
    rule = f"The four units were drawn at random (seed {run.seed}) from those that are not the same for all images."
    heading = "Figure 1: images that maximize a unit"
    return panels.section(run, heading, "figure1-units.png", values, "unit", rule)


def claims_of(values: dict[str, Any]) -> list[Claim]:
    """None: pictures decide nothing; see `reproductions.chapters.directions`."""
    return []
