"""What a bound consists of."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class NormBounds:
    """Two numbers with the norm, or for layers that are not linear the Lipschitz constant, between them.

    Attributes:
        lower: ‖f(a) − f(b)‖ / ‖a − b‖ for the inputs of `witness`, rounded down.
        upper: proved; rounding in float64 is accounted for.
        method: how the upper bound was found.
        witness: two inputs a, b without the batch axis, b zero for linear layers; None where the lower bound is 0.
    """

    lower: float
    upper: float
    method: str
    witness: tuple[np.ndarray, np.ndarray] | None = dataclasses.field(repr=False)

    @property
    def gap(self) -> float:
        """Upper / lower − 1; infinite where the lower bound is 0 and the upper is not."""
        if self.lower == 0:
            return 0.0 if self.upper == 0 else float("inf")
        return self.upper / self.lower - 1
