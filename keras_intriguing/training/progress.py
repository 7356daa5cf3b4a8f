"""What every training tells of itself while it runs."""

from collections.abc import Callable
from typing import Protocol


class Progress(Protocol):
    """The state of a training after a round of L-BFGS or an epoch; the trainers' own say more."""

    @property
    def iterations(self) -> int:
        """So far: of L-BFGS, or steps of the optimizer."""
        ...

    @property
    def objective(self) -> float:
        """What is minimized: its value now, or its mean over the epoch."""
        ...


# Called after every round or epoch with the stage's name, its progress and its largest number of iterations.
OnProgress = Callable[[str, Progress, int], None]
