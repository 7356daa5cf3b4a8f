"""Differences between two directions of transfer, of planted outcomes."""

from typing import Any, NamedTuple

import numpy as np
import pytest

import keras_intriguing as ki
from reproductions.measurements import asymmetry
from reproductions.measurements.asymmetry import Asymmetry
from reproductions.measurements.examples import DIRECT
from reproductions.measurements.transfer import Adversarial, Perturbed, Transfer
from reproductions.shared.run import Run


def test_luck_is_the_deviation_of_a_single_difference() -> None:
    """Planted: deviations of A's runs, of B's and of the images, in three runs of either, many times over."""
    random = np.random.default_rng(0)
    variances, of_images = [], 0.8
    for _ in range(400):
        runs = random.normal(0.1, 0.05, size=(3, 1)) + random.normal(0, 0.03, size=3)
        difference = runs[..., None] + random.normal(0, of_images, size=1000)
        ours = asymmetry.summary(difference)
        variances.append(ours.deviation**2)
    assert np.sqrt(np.mean(variances)) == pytest.approx(
        np.sqrt(0.05**2 + 0.03**2 + of_images**2 / 256), rel=0.05
    )
    assert np.isnan(asymmetry.summary(difference[:1]).deviation)


class Planted(NamedTuple):
    """A model that gets wrong what was made for model a: b all of its run 2, a each run its own."""

    preset: str


class PlantedRun:
    """A run of two models with three training runs each."""

    attacked = (np.zeros((4, 2)), np.zeros(4, int))

    def trained(self, preset: str) -> list[str]:
        return [f"{preset}{seed}" for seed in range(3)]

    def model(self, preset: str) -> Planted:
        return Planted(preset)


def planted_labels(model: Planted, images: np.ndarray) -> np.ndarray:
    """Images carry the model and the run they were made for."""
    made_for_a, made_for_run = images[0]
    own = made_for_a == model.preset.startswith("a") and made_for_run == int(model.preset[-1])
    wrong = own or (model.preset.startswith("b") and made_for_a == 1 and made_for_run == 2)
    return np.full(4, int(wrong))


def planted_examples(source: Adversarial, run: Run) -> Perturbed:
    images = np.stack([np.tile([source.preset == "a", seed], (4, 1)).astype(float) for seed in range(3)])
    return Perturbed(images, np.ones((3, 4), bool), run.trained(source.preset))


@pytest.fixture
def planted_run(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(ki.evaluation, "labels", planted_labels)
    monkeypatch.setattr(Adversarial, "perturbed", planted_examples)
    return PlantedRun()


def test_a_cell_averages_the_pairs_of_training_runs(planted_run: Any) -> None:
    row = Transfer("row", Adversarial("a", DIRECT), ("a", "b")).measure(planted_run)
    assert row.errors["a"].runs == [1.0, 1.0, 1.0]
    assert row.other_run.runs == [0.0] * 6
    assert row.errors["b"].runs == [0.0] * 6 + [1.0] * 3
    assert row.errors["b"].value == pytest.approx(1 / 3)


def test_an_asymmetry_compares_the_same_two_training_runs(planted_run: Any) -> None:
    pair = Asymmetry("asymmetry", ("a", "b")).measure(planted_run)["a → b"]
    assert sorted(pair.runs) == [0.0] * 6 + [1.0] * 3
