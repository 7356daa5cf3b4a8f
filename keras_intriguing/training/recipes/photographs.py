"""Recipes of nets that are trained on photographs."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keras_intriguing.presets import cards
from keras_intriguing.training.progress import OnProgress
from keras_intriguing.training.recipes.base import Recipe, Sources
from keras_intriguing.training.settings import PhotographTraining


@dataclasses.dataclass(frozen=True, kw_only=True)
class PhotographRecipe(Recipe):
    """Training of a classifier of photographs.

    Attributes:
        training: how it is trained.
    """

    training: PhotographTraining
    dataset: str = "imagenette"

    def train(
        self, model: Any, sources: Sources, checkpoint: Path, on_progress: OnProgress
    ) -> dict[str, Any]:
        """See `Recipe.train`; errors are those of center crops, in float32."""
        from keras_intriguing.training import photographs

        images, validation = sources.photographs()
        progress = photographs.fit(
            model,
            images,
            validation,
            self.training,
            seed=self.seed,
            checkpoint=checkpoint,
            on_epoch=lambda progress, steps: on_progress("minibatches", progress, steps),
        )
        return {
            "train_error": photographs.error(model, images),
            "train_images": len(images),
            "test_error": photographs.error(model, validation),
            "test_images": len(validation),
            "classes": list(validation.classes),
            "images_sha256": {"train": images.sha256, "val": validation.sha256},
            "stages": [{"stage": "minibatches", **progress._asdict()}],
        }

    def card(self, metrics: dict[str, Any]) -> str:
        """See `Recipe.card`."""
        classes, count = metrics["classes"], metrics["train_images"]
        origin = f"Figures 3 to 5, trained on the {count:,} photographs of {_source(classes)} by AdamW on minibatches"
        return cards.trained(
            metrics,
            summary=cards.model_of_the_paper(self.model, origin),
            results=cards.error_table(
                [
                    ("training error", count, metrics["train_error"], "–"),
                    ("validation error", metrics["test_images"], metrics["test_error"], "–"),
                ]
            ),
            images="photographs [B, 128, 128, 3] in [0, 1] (ki.photographs.load(...).images(128)) to logits "
            f"[B, {len(classes)}]",
            note=self.note,
            settings=self._settings(classes),
            history=self._learning_curve(metrics["stages"][0]["curve"]),
            scope=f"For research and teaching; it knows {len(classes)} classes and calls everything one of them.",
        )

    def _settings(self, classes: Sequence[str]) -> str:
        options = self.training
        averaged = (
            f", in the last {options.averaged} epochs {options.averaged_rate:g}, over which weights are averaged"
            if options.averaged
            else ""
        )
        mixup = f", mixed with one another (mixup, α = {options.mixup:g})" if options.mixup else ""
        return (
            f"{options.epochs} epochs of minibatches of {options.batch_size}, learning rate "
            f"{options.learning_rate:g} falling along a cosine after {options.warmup} of warm-up{averaged}, weight decay "
            f"{options.weight_decay:g}, labels smoothed by {options.label_smoothing:g}; random crops of at least "
            f"{options.smallest_crop:.0%} of the area, mirrored, with colours changed by up to {options.colours:.0%}{mixup}. "
            f"Classes, in order: {', '.join(classes)}."
        )

    def _learning_curve(self, curve: Sequence[tuple[float, float, float | None]]) -> str:
        rows = [
            f"| {epoch} | {objective:.4f} | {100 * error:.1f}% | {100 * validation:.1f}% |"
            for epoch, (objective, error, validation) in enumerate(curve, start=1)
            if validation is not None
        ]
        crops = "error on mixed crops (larger part's class)" if self.training.mixup else "error on crops"
        weights = " before averaging" if self.training.averaged else ""
        head = f"| epoch | objective | {crops}, with dropout | validation error{weights} |\n|---|---|---|---|"
        return "\n".join(["Learning curve:", "", head, *rows])


def _source(classes: Sequence[str]) -> str:
    from keras_intriguing.data.photographs import IMAGENETTE

    return "Imagenette" if tuple(classes) == tuple(IMAGENETTE) else f"a folder of {len(classes)} classes"
