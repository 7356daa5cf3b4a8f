"""Recipes of training on minibatches of digits, with adversarial examples or without (paper §4.2)."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_intriguing.training.progress import OnProgress
from keras_intriguing.training.recipes.digits import DigitRecipe, weight_decay
from keras_intriguing.training.settings import MinibatchTraining

if TYPE_CHECKING:
    import numpy as np


@dataclasses.dataclass(frozen=True, kw_only=True)
class MinibatchRecipe(DigitRecipe):
    """Training on minibatches: §4.2's comparison, and the convolutional net of Figures 1 and 2.

    Attributes:
        training: how it is trained.
    """

    training: MinibatchTraining

    def fit(
        self, model: Any, x: "np.ndarray", y: "np.ndarray", checkpoint: Path, on_progress: OnProgress
    ) -> list[dict[str, Any]]:
        """See `DigitRecipe.fit`."""
        from keras_intriguing.training import minibatches

        progress = minibatches.fit(
            model,
            x,
            y,
            self.training,
            seed=self.seed,
            checkpoint=checkpoint,
            on_epoch=lambda progress, steps: on_progress("minibatches", progress, steps),
        )
        return [{"stage": "minibatches", **progress._asdict()}]

    def origin(self) -> str:
        """See `DigitRecipe.origin`."""
        place = "Figures 1 and 2" if self.model == "MNISTConvNet" else "§4.2"
        return f"{place}, trained on all MNIST's 60,000 training images by Adam on minibatches"

    def settings(self) -> str:
        """See `DigitRecipe.settings`."""
        sentences = [weight_decay(self.training.decay)]
        if any(self.training.dropout):
            image, hidden = self.training.dropout
            sentences.append(f"Dropout: {image:g} of the pixels, {hidden:g} of the hidden units.")
        if self.training.layers:
            sentences.append(
                f"Adversarial examples at: {', '.join(self.training.layers)}; in each pool {self.training.pool:,}, of "
                f"which {self.training.replaced:,} are replaced an epoch."
            )
        return " ".join(sentences)

    def history(self, stages: Sequence[dict[str, Any]]) -> str:
        """See `DigitRecipe.history`."""
        return "\n".join(
            f"- {s['stage']}: {s['epochs']} epochs, {s['iterations']} steps, objective {s['objective']:.6g}"
            + "".join(
                f"; last examples at {layer}: distortion {d:.4f}" for layer, d in s["distortion"].items()
            )
            for s in stages
        )
