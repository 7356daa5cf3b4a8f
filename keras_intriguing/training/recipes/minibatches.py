"""Recipes of training on minibatches of digits, with adversarial examples or without (paper §4.2)."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_intriguing.training.recipes import checks
from keras_intriguing.training.recipes.base import OnProgress
from keras_intriguing.training.recipes.digits import DigitRecipe, weight_decay

if TYPE_CHECKING:
    import numpy as np


@dataclasses.dataclass(frozen=True)
class MinibatchTraining:
    """Minibatch training by Adam, with pools of adversarial examples or without (paper §4.2).

    See `keras_intriguing.training.minibatches.fit` for what is done with them.

    Attributes:
        decay: the coefficient of Σw² of every kernel, in order.
        layers: at whose outputs adversarial examples are generated, each with a pool of its own: the input's name
            or a sigmoid layer's. Empty: training without them.
        pool: examples in each pool.
        replaced: how many of them are replaced before every epoch.
        weight: of the examples' cross-entropy, beside that of the images.
        stretch: factor on the minimal perturbations. At 1 an example lies on the decision boundary, beyond it above.
        targets: the class that an attack aims at: the `"nearest"` one, or a `"random"` wrong one.
        warmup: epochs before the first examples are generated.
        epochs: in all.
        batch_size: images in a step, and as many examples.
        learning_rate: at the start; it falls to zero along a cosine.
        dropout: the rates on the image and on the outputs of the hidden layers.
    """

    decay: tuple[float, ...]
    layers: tuple[str, ...] = ()
    pool: int = 2560
    replaced: int = 256
    weight: float = 0.5
    stretch: float = 0.5
    targets: str = "nearest"
    warmup: int = 2
    epochs: int = 40
    batch_size: int = 100
    learning_rate: float = 2e-3
    dropout: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        checks.whole_numbers(self, pool=1, replaced=1, warmup=0, epochs=1, batch_size=1)
        checks.positive(self, "weight", "stretch", "learning_rate")
        if self.replaced > self.pool:
            raise ValueError(f"{self.replaced} examples cannot be replaced in a pool of {self.pool}.")
        if self.targets not in ("nearest", "random"):
            raise ValueError(f"Unknown targets {self.targets!r}. Known: nearest, random.")
        if len(set(self.layers)) < len(self.layers):
            raise ValueError(f"A layer is named twice: {', '.join(self.layers)}.")
        if self.layers and self.warmup >= self.epochs:
            raise ValueError(
                f"warmup is {self.warmup}, so that {self.epochs} epochs would generate no examples."
            )
        if len(self.dropout) != 2 or not all(0 <= rate < 1 for rate in self.dropout):
            raise ValueError(f"dropout must be two rates of at least 0 and below 1, not {self.dropout!r}.")


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
