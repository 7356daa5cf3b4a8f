"""A chapter of the report: what it measures, what it shows, and what that says of the paper's claims."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from keras_intriguing.report import Claim, Section
from reproductions.shared.measurement import Measurement, Values, each_once, measured
from reproductions.shared.run import Run


@dataclasses.dataclass(frozen=True)
class Chapter:
    """One of the paper's tables or figures.

    Attributes:
        name: on the command line.
        plan: the measurements that section and claims look up.
        section: what the report shows of the values.
        claims: what they say of the paper's claims.
        photographs: whether it rests on Imagenette's photographs.
    """

    name: str
    plan: Callable[[Run], Sequence[Measurement[Any]]]
    section: Callable[[Run, Values], Section]
    claims: Callable[[Run, Values], list[Claim]] = lambda run, values: []
    photographs: bool = False

    def measurements(self, run: Run) -> list[Measurement[Any]]:
        """All that are planned, with those that they need."""
        return each_once(self.plan(run), run)

    def presets(self, run: Run) -> list[str]:
        """The models that it rests on."""
        return list(dict.fromkeys(preset for one in self.measurements(run) for preset in one.presets(run)))

    def measure(self, run: Run) -> Values:
        """The values of all that is planned; what has a record is not measured again."""
        return Values({one: measured(run, one) for one in self.plan(run)})
