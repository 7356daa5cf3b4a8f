"""Figure 2: images that maximize random directions of a convolutional MNIST net."""

from typing import Any

from keras_intriguing.report import Claim, Section
from reproductions.coherence import kinds, panels
from reproductions.shared.run import Run

PRESETS = [panels.PRESET]


def steps(run: Run) -> int:
    """How many records the figure takes."""
    return 1


def measure(run: Run) -> dict[str, Any]:
    """Four random directions and their images."""
    return panels.measure(run, "figure2", kinds.RANDOM)


def section(run: Run, values: dict[str, Any]) -> Section:
    """The figure."""
    rule = (
        f"The four were drawn at random (seed {run.seed}) from the {kinds.RANDOM_COUNT:,} directions, uniform on the "
        "sphere, that all units are compared with."
    )
    heading = "Figure 2: images that maximize a random direction"
    return panels.section(run, heading, "figure2-random-directions.png", values, "direction", rule)


def claims_of(values: dict[str, Any]) -> list[Claim]:
    """None: pictures decide nothing; see `reproductions.chapters.directions`."""
    return []
