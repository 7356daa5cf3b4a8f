"""Recipes of training as the paper did, by full-batch L-BFGS until convergence (Tables 1 and 3)."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_intriguing.training.progress import OnProgress
from keras_intriguing.training.recipes.digits import DigitRecipe, weight_decay
from keras_intriguing.training.settings import FullBatchTraining

if TYPE_CHECKING:
    import numpy as np


@dataclasses.dataclass(frozen=True, kw_only=True)
class FullBatchRecipe(DigitRecipe):
    """Full-batch L-BFGS, as in the paper.

    Attributes:
        training: how it is trained.
    """

    training: FullBatchTraining

    def record(self) -> dict[str, Any]:
        """The recipe as JSON values, with those of `training` among its own."""
        record = super().record()
        training = record.pop("training")
        return {**record, **training}

    def fit(
        self, model: Any, x: "np.ndarray", y: "np.ndarray", checkpoint: Path, on_progress: OnProgress
    ) -> list[dict[str, Any]]:
        """See `DigitRecipe.fit`."""
        from keras_intriguing.training import full_batch

        return full_batch.fit(
            model, x, y, self.training, seed=self.seed, checkpoint=checkpoint, on_progress=on_progress
        )

    def origin(self) -> str:
        """See `DigitRecipe.origin`."""
        table, images = (1, "all") if self.split == "train" else (3, f"the half {self.split.upper()} of")
        return f"Table {table}, trained on {images} MNIST's 60,000 training images by full-batch L-BFGS"

    def settings(self) -> str:
        """See `DigitRecipe.settings`."""
        return weight_decay(self.training.decay)

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
