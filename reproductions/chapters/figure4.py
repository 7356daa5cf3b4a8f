"""Figure 4: photographs that maximize random directions of the AlexNet-style net, and all units against them."""

import dataclasses
from typing import Any

from keras_intriguing.report import Claim, Section
from reproductions.coherence import claims as directions_claims
from reproductions.coherence import kinds
from reproductions.coherence import photographs as photograph_directions
from reproductions.coherence.photographs import PRESETS, measure, steps
from reproductions.shared.run import Run

__all__ = ["PRESETS", "claims_of", "measure", "section", "steps"]


def section(run: Run, values: dict[str, Any]) -> Section:
    """The panels of random directions, and the comparison."""
    rule = (
        f"The directions were drawn at random (seed {run.seed}) from the {kinds.RANDOM_COUNT:,}, uniform on the sphere, "
        "that all units are compared with."
    )
    heading = "Figure 4: photographs that maximize a random direction"
    found = photograph_directions.section(run, values, kinds.RANDOM, heading, rule)
    return dataclasses.replace(found, tables=[*found.tables, photograph_directions.comparison(run, values)])


def claims_of(values: dict[str, Any]) -> list[Claim]:
    """What the comparisons say of the paper's first claim, on photographs."""
    return directions_claims.claims_on_photographs(values)
