"""Figure 3: photographs that maximize single units of the AlexNet-style net."""

from typing import Any

from keras_intriguing.report import Claim, Section
from reproductions.coherence import kinds
from reproductions.coherence import photographs as photograph_directions
from reproductions.coherence.photographs import PRESETS, measure, steps
from reproductions.shared.run import Run

__all__ = ["PRESETS", "claims_of", "measure", "section", "steps"]


def section(run: Run, values: dict[str, Any]) -> Section:
    """The panels of units."""
    rule = f"The units were drawn at random (seed {run.seed}) from those that are not the same for all photographs."
    heading = "Figure 3: photographs that maximize a unit"
    return photograph_directions.section(run, values, kinds.UNITS, heading, rule)


def claims_of(values: dict[str, Any]) -> list[Claim]:
    """None: pictures decide nothing; see Figure 4's comparison."""
    return []
