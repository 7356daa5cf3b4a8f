"""What the recipes on MNIST's digits have in common: their data, their errors, their cards."""

import abc
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_intriguing.presets import cards
from keras_intriguing.training.progress import OnProgress
from keras_intriguing.training.recipes.base import Recipe, Sources

if TYPE_CHECKING:
    import numpy as np

_OTHER_HALF = {"p1": "p2", "p2": "p1"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class DigitRecipe(Recipe):
    """A recipe on MNIST's digits.

    Attributes:
        paper: error on its training images and test error in the paper, in percent; None where it gives none.
        split: what it is trained on: `"train"`, or a half, `"p1"` or `"p2"` (see `data.half`).
    """

    paper: tuple[float | None, float | None]
    dataset: str = "mnist"
    split: str = "train"

    @abc.abstractmethod
    def fit(
        self, model: Any, x: "np.ndarray", y: "np.ndarray", checkpoint: Path, on_progress: OnProgress
    ) -> list[dict[str, Any]]:
        """Trains a model, in place.

        Args:
            model: with its starting weights.
            x: float32 [N, 28, 28, 1] in [0, 1].
            y: int [N], the digits.
            checkpoint: see `train`.
            on_progress: see `train`.

        Returns:
            For every stage its name, `stage`, and its progress at the end, as JSON values.
        """

    @abc.abstractmethod
    def origin(self) -> str:
        """For the card: where in the paper the model stands, and what it is trained on by which method."""

    @abc.abstractmethod
    def settings(self) -> str:
        """For the card: the training's settings, in sentences."""

    @abc.abstractmethod
    def history(self, stages: Sequence[dict[str, Any]]) -> str:
        """For the card: how the stages went, in Markdown."""

    def train(
        self, model: Any, sources: Sources, checkpoint: Path, on_progress: OnProgress
    ) -> dict[str, Any]:
        """See `Recipe.train`; a model of one half is also measured on the other (paper, Table 3)."""
        from keras_intriguing.classifiers import evaluation

        x, y = sources.digits(self.dataset, self.split)
        x_test, y_test = sources.digits(self.dataset, "test")
        stages = self.fit(model, x, y, checkpoint, on_progress)
        measured = {
            "train_error": evaluation.error(model, x, y),
            "train_images": len(x),
            "test_error": evaluation.error(model, x_test, y_test),
            "test_images": len(x_test),
        }
        if self.split in _OTHER_HALF:
            x, y = sources.digits(self.dataset, _OTHER_HALF[self.split])
            measured |= {"other_half_error": evaluation.error(model, x, y), "other_half_images": len(x)}
        return {**measured, "stages": stages}

    def card(self, metrics: dict[str, Any]) -> str:
        """See `Recipe.card`."""
        rows = [
            ("training error", metrics["train_images"], metrics["train_error"], _percent(self.paper[0])),
            ("test error", metrics["test_images"], metrics["test_error"], _percent(self.paper[1])),
        ]
        if self.split in _OTHER_HALF:
            other = metrics["other_half_images"], metrics["other_half_error"]
            rows.append(("error on the other half", *other, ""))
        return cards.trained(
            metrics,
            summary=cards.model_of_the_paper(self.model, self.origin()),
            results=cards.error_table(rows),
            images="images [B, 28, 28, 1] in [0, 1] to logits [B, 10]",
            note=self.note,
            settings=self.settings(),
            history=self.history(metrics["stages"]),
            scope="For research and teaching on MNIST; it is no recognizer for digits of any other source.",
        )


def weight_decay(coefficients: Sequence[float]) -> str:
    """For the card: coefficients of weight decay."""
    return f"Coefficients of Σw² per layer: {', '.join(f'{c:g}' for c in coefficients)}."


def _percent(error: float | None) -> str:
    return "–" if error is None else f"{error}%"
