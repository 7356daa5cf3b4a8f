"""The recipe of QuocNet: filters that are learned without labels, and a classifier of one class."""

import dataclasses
from pathlib import Path
from typing import Any

from keras_intriguing.presets import cards
from keras_intriguing.training.progress import OnProgress
from keras_intriguing.training.recipes.base import Recipe, Sources
from keras_intriguing.training.recipes.full_batch import list_of_stages
from keras_intriguing.training.settings import QuocNetTraining


@dataclasses.dataclass(frozen=True, kw_only=True)
class QuocNetRecipe(Recipe):
    """Filters that are learned without labels, and a classifier of one class on their features.

    Attributes:
        training: how they are trained.
    """

    training: QuocNetTraining
    dataset: str = "imagenette"

    def record(self) -> dict[str, Any]:
        """The recipe as JSON values, with those of `training` among its own."""
        record = super().record()
        training = record.pop("training")
        return {**record, **training}

    def train(
        self, model: Any, sources: Sources, checkpoint: Path, on_progress: OnProgress
    ) -> dict[str, Any]:
        """See `Recipe.train` and `keras_intriguing.training.quocnet.train`."""
        from keras_intriguing.training import quocnet

        images, validation = sources.photographs()
        return quocnet.train(
            model,
            images,
            validation,
            self.training,
            seed=self.seed,
            checkpoint=checkpoint,
            on_progress=on_progress,
        )

    def card(self, metrics: dict[str, Any]) -> str:
        """See `Recipe.card`."""
        filters = self.training.filters
        dimensions = " and ".join(map(str, filters.dimensions))
        return cards.trained(
            metrics,
            summary=f"`{self.model}` for Figure 6 of {cards.PAPER}: the design of Le et al. 2012,\n"
            f"scaled down, with a classifier that tells the class `{self.training.positive}` from the rest.",
            results=f"{_detectors(metrics)}\n\n{_plain_errors(metrics)}",
            images="photographs [B, 64, 64, 3] in [0, 1] (ki.photographs.load(...).images(64)) to logits [B, 2], the rest and "
            "the class",
            note=self.note,
            settings=f"Filters: reconstruction ICA without labels on {filters.images:,} training photographs, patches "
            f"whitened to\n{dimensions} dimensions, λ = {filters.reconstruction:g}. Classifier: logistic regression on "
            "the frozen\nlast features.",
            history=list_of_stages(metrics["stages"]),
            scope="For research and teaching on Imagenette; it is no detector for photographs of any other source.",
        )


def _detectors(metrics: dict[str, Any]) -> str:
    head = (
        f"| on {metrics['test_images']:,} validation photographs, {metrics['positives']['val']:,} of the class "
        "| balanced accuracy | 95% interval | AUC |\n|---|---|---|---|"
    )
    rows = [
        f"| {name} | {_percent(found['value'])} | {_interval(found)} | {_percent(found.get('auc'))} |"
        for name, found in metrics["detection"].items()
    ]
    return "\n".join([head, *rows])


def _plain_errors(metrics: dict[str, Any]) -> str:
    return f"""Balanced accuracy is the mean of the share of the class that is found and the share of the rest that is left; chance is 50%.
Classifiers, units and their thresholds were chosen on training photographs. Because both classes count alike, the plain
error is no measure: it is {100 * metrics["test_error"]:.2f}% here and {100 * metrics["train_error"]:.2f}% on the {metrics["train_images"]:,}
training photographs; that of a net that never finds the class is {100 * metrics["positives"]["val"] / metrics["test_images"]:.2f}%."""


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}%"


def _interval(found: dict[str, Any]) -> str:
    return f"{100 * found['low']:.1f}–{100 * found['high']:.1f}%" if "low" in found else "–"
