"""Recipes: settings that make no sense are refused, and the shipped cards are those that the recipes write."""

import dataclasses
import math
from typing import Any

import pytest

from keras_intriguing import presets
from keras_intriguing.training import recipes
from keras_intriguing.training.settings import (
    GradientSteps,
    MinibatchTraining,
    PhotographTraining,
    Pools,
    ReconstructionICA,
)

POOLS = Pools(("hidden1", "hidden2"), (0.5, 0.5), size=8, replaced=5, warmup=3)
MINIBATCHES = MinibatchTraining(decay=(1e-5,) * 3, adversarial=POOLS, epochs=6)
PHOTOGRAPHS = PhotographTraining(epochs=6)
FILTERS = ReconstructionICA(images=30, dimensions=(8, 6), reconstruction=1.0, iterations=4)


@pytest.mark.parametrize("preset", presets.list_presets())
def test_the_card_of_a_shipped_preset_is_what_its_recipe_writes(preset: str) -> None:
    card = (presets.find(preset) / presets.CARD).read_text(encoding="utf-8")
    assert recipes.get(preset).card(presets.load_metrics(preset)) == card


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"replaced": 30}, "30 examples cannot be replaced in a pool of 8"),
        ({"layers": ("image", "image")}, "none named twice: image, image"),
        ({"layers": ()}, "At least one layer is needed"),
        ({"targets": "far"}, "Unknown targets 'far'. Known: nearest, random"),
        ({"weight": 0.0}, "weight must be a positive number"),
        ({"size": 2.5}, "size must be a whole number"),
    ],
)
def test_pools_that_contradict_themselves_are_named(change: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(POOLS, **change)


@pytest.mark.parametrize("lengths", [(0.1,), (0.1, 0.0), (0.1, math.nan)])
def test_a_step_needs_a_length_for_every_layer_and_a_pool_a_stretch(lengths: tuple[float, ...]):
    with pytest.raises(ValueError, match="lengths must be positive numbers, one for each of 2 layers"):
        GradientSteps(("image", "hidden1"), lengths)
    with pytest.raises(ValueError, match="stretches must be positive numbers, one for each of 2 layers"):
        Pools(("image", "hidden1"), lengths)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"adversarial": dataclasses.replace(POOLS, warmup=6)}, "6 epochs would generate no examples"),
        ({"start": 0.0}, "start must be a positive number"),
        ({"epochs": 0}, "epochs must be a whole number of at least 1, not 0"),
        ({"batch_size": 2.5}, "batch_size must be a whole number"),
        ({"learning_rate": float("nan")}, "learning_rate must be a positive number"),
        ({"dropout": (0.5, 1.0)}, "dropout must be two rates"),
    ],
)
def test_minibatch_settings_that_contradict_themselves_are_named(change: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(MINIBATCHES, **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs must be a whole number of at least 1"),
        ({"warmup": 4, "averaged": 2}, "warmup and averaged are 4 and 2 of 6 epochs"),
        ({"averaged_rate": math.inf}, "averaged_rate must be a positive number"),
        ({"learning_rate": 0.0}, "learning_rate must be a positive number"),
        ({"weight_decay": -1.0}, "weight_decay must be a number of at least 0"),
        ({"mixup": math.nan}, "mixup must be a number of at least 0"),
        ({"label_smoothing": 1.0}, "label_smoothing must be at least 0 and below 1"),
        ({"smallest_crop": 0.0}, "smallest_crop must be above 0 and at most 1"),
    ],
)
def test_photograph_settings_that_make_no_sense_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(PHOTOGRAPHS, **change)


@pytest.mark.parametrize(
    "change",
    [{"images": 0}, {"dimensions": (3, 0)}, {"reconstruction": 0.0}, {"iterations": -1}, {"images": 2.5}],
)
def test_filter_settings_without_meaning_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be a"):
        dataclasses.replace(FILTERS, **change)


def test_a_preset_without_a_recipe_names_the_most_similar() -> None:
    with pytest.raises(
        ValueError, match=r"No recipe for a preset 'convnet_mnits'\. Did you mean 'convnet_mnist'"
    ):
        recipes.get("convnet_mnits")
