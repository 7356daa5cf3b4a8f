"""Recipes of training on minibatches of digits, with adversarial examples or without (paper §4.2)."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_intriguing.training.progress import OnProgress
from keras_intriguing.training.recipes.digits import DigitRecipe, weight_decay
from keras_intriguing.training.settings import GradientSteps, MinibatchTraining, Pools

if TYPE_CHECKING:
    import numpy as np


@dataclasses.dataclass(frozen=True, kw_only=True)
class MinibatchRecipe(DigitRecipe):
    """Training on minibatches: §4.2's comparison, and the convolutional net of Figures 1 and 2.

    Attributes:
        training: how it is trained.
    """

    training: MinibatchTraining

    def initialize(self, model: Any) -> None:
        """See `Recipe.initialize`."""
        from keras_intriguing.training.initialization import initialize

        initialize(model, self.seed, self.training.start)

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
        options = self.training
        sentences = [weight_decay(options.decay)]
        if options.start != 1:
            sentences.append(f"Kernels of sigmoid layers start at {options.start:g} times Glorot's.")
        if any(options.dropout):
            image, hidden = options.dropout
            sentences.append(f"Dropout: {image:g} of the pixels, {hidden:g} of the hidden units.")
        match options.adversarial:
            case Pools() as pools:
                sentences.append(
                    f"Minimal adversarial examples, their changes times {_at_layers(pools.layers, pools.stretches)}; in each "
                    f"pool {pools.size:,}, of which {pools.replaced:,} are replaced an epoch; loss of the examples times "
                    f"{pools.weight:g}."
                )
            case GradientSteps(layers=layers, lengths=lengths, weight=weight):
                sentences.append(
                    "Steps along the gradient, as shares of the spread of a layer's outputs: "
                    f"{_at_layers(layers, lengths)}; loss of the examples times {weight:g}."
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


def _at_layers(layers: Sequence[str], numbers: Sequence[float]) -> str:
    """Tells of a number for every layer."""
    return ", ".join(f"{number:g} at {layer}" for layer, number in zip(layers, numbers, strict=True))
