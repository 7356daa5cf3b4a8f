"""Recipes of training as the paper did, by full-batch L-BFGS until convergence (Tables 1 and 3)."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_intriguing.training.recipes.base import OnProgress
from keras_intriguing.training.recipes.digits import DigitRecipe, weight_decay

if TYPE_CHECKING:
    import numpy as np


@dataclasses.dataclass(frozen=True)
class SparseAutoencoder:
    """The objective of AE400-10's first stage, in the form of Ng's lecture notes on sparse autoencoders.

    Mean over images of ½‖reconstruction − image‖², plus `decay`·Σw², plus `weight` times the sum over code
    units of the Kullback–Leibler divergence of the unit's mean activity from `activity`.
    """

    activity: float
    weight: float
    decay: float
    max_iterations: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class FullBatchRecipe(DigitRecipe):
    """Full-batch L-BFGS on cross-entropy and weight decay; see `keras_intriguing.training.full_batch.fit`.

    Attributes:
        decay: the coefficient of Σw² of every dense kernel that the classifier's training changes, in order.
        tolerance: L-BFGS has converged when 100 iterations lower the objective by no more than this share.
        max_iterations: where the classifier's training stops at the latest.
        autoencoder: a first stage without labels, whose layers are then frozen.
    """

    decay: tuple[float, ...]
    tolerance: float = 5e-3
    max_iterations: int = 2500
    autoencoder: SparseAutoencoder | None = None

    def fit(
        self, model: Any, x: "np.ndarray", y: "np.ndarray", checkpoint: Path, on_progress: OnProgress
    ) -> list[dict[str, Any]]:
        """See `DigitRecipe.fit`."""
        from keras_intriguing.training import full_batch

        return full_batch.fit(model, x, y, self, checkpoint, on_progress)

    def origin(self) -> str:
        """See `DigitRecipe.origin`."""
        table, images = (1, "all") if self.split == "train" else (3, f"the half {self.split.upper()} of")
        return f"Table {table}, trained on {images} MNIST's 60,000 training images by full-batch L-BFGS"

    def settings(self) -> str:
        """See `DigitRecipe.settings`."""
        return weight_decay(self.decay)

    def history(self, stages: Sequence[dict[str, Any]]) -> str:
        """See `DigitRecipe.history`."""
        return list_of_stages(stages)


def list_of_stages(stages: Sequence[dict[str, Any]]) -> str:
    """For the card: how stages of full-batch L-BFGS went."""
    return "\n".join(
        f"- {s['stage']}: {s['iterations']} iterations, {s['evaluations']} evaluations, objective "
        f"{s['objective']:.6g}, {'converged' if s['converged'] else 'stopped at its largest number'}"
        for s in stages
    )
