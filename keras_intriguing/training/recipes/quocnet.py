"""The recipe of QuocNet: filters that are learned without labels, and a classifier of one class."""

import dataclasses
from pathlib import Path
from typing import Any

from keras_intriguing.presets import cards
from keras_intriguing.training.recipes import checks
from keras_intriguing.training.recipes.base import OnProgress, Recipe, Sources
from keras_intriguing.training.recipes.full_batch import list_of_stages


@dataclasses.dataclass(frozen=True)
class ReconstructionICA:
    """The training of QuocNet's filters without labels, stage by stage, by full-batch L-BFGS.

    Minimizes over the filters W of every position, for its whitened patches x, the mean over images and positions of
    λ·‖WᵀWx − x‖² + Σ √(1e-6 + H), with H the sums of the squares of Wx over the stage's pooling windows (Le et al. 2011
    and 2012). A window holds a filter each of neighbouring positions, which so come to answer together.

    Attributes:
        images: photographs that are looked at, drawn at random.
        dimensions: that patches are whitened to, for every stage.
        reconstruction: λ.
        iterations: of L-BFGS, for every stage; 0 leaves the filters random.
    """

    images: int
    dimensions: tuple[int, ...]
    reconstruction: float
    iterations: int

    def __post_init__(self) -> None:
        checks.whole_numbers(self, iterations=0, images=1, dimensions=1)
        checks.positive(self, "reconstruction")


@dataclasses.dataclass(frozen=True, kw_only=True)
class QuocNetRecipe(Recipe):
    """Filters that are learned without labels, and a classifier of one class on their features.

    Attributes:
        filters: how the filters are learned.
        positive: the class that the classifier tells from the rest, by its folder's name.
        decays: the coefficients of Σw² that the classifier's is chosen from, on a fifth of the training photographs; for
            features that are scaled to a variance of 1/their number.
    """

    filters: ReconstructionICA
    positive: str
    decays: tuple[float, ...]
    dataset: str = "imagenette"

    def train(
        self, model: Any, sources: Sources, checkpoint: Path, on_progress: OnProgress
    ) -> dict[str, Any]:
        """See `Recipe.train` and `keras_intriguing.training.quocnet.train`."""
        from keras_intriguing.training import quocnet

        images, validation = sources.photographs()
        return quocnet.train(model, images, validation, self, checkpoint, on_progress)

    def card(self, metrics: dict[str, Any]) -> str:
        """See `Recipe.card`."""
        dimensions = " and ".join(map(str, self.filters.dimensions))
        return cards.trained(
            metrics,
            summary=f"`{self.model}` for Figure 6 of {cards.PAPER}: the design of Le et al. 2012,\n"
            f"scaled down, with a classifier that tells the class `{self.positive}` from the rest.",
            results=f"{_detectors(metrics)}\n\n{_plain_errors(metrics)}",
            images="photographs [B, 64, 64, 3] in [0, 1] (ki.photographs.load(...).images(64)) to logits [B, 2], the rest and "
            "the class",
            note=self.note,
            settings=f"Filters: reconstruction ICA without labels on {self.filters.images:,} training photographs, patches "
            f"whitened to\n{dimensions} dimensions, λ = {self.filters.reconstruction:g}. Classifier: logistic regression on "
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
