"""The shipped nets on photographs, measured again."""

import os

import numpy as np
import pytest

import keras_intriguing as ki
from keras_intriguing.data import photographs
from keras_intriguing.presets import registry
from keras_intriguing.training import photographs as photograph_training

PRESETS = [name for name in registry.load() if name.startswith("alexnet_small_imagenette")]


@pytest.fixture(scope="module")
def validation() -> photographs.Photographs:
    return photographs.load(os.environ["IMAGENETTE_DIR"], "val")


@pytest.mark.imagenette
@pytest.mark.parametrize(
    ("preset", "every"),
    [(PRESETS[0], 8), *(pytest.param(name, 1, marks=pytest.mark.slow) for name in PRESETS)],
)
def test_the_error_is_the_recorded_one(preset: str, every: int, validation: photographs.Photographs) -> None:
    """Of all photographs, which take twenty seconds, to 0.1%; of every eighth, as closely as their number lets it."""
    metrics = ki.presets.load_metrics(preset)
    assert list(validation.classes) == metrics["classes"]
    if validation.sha256 != metrics["images_sha256"]["val"]:
        pytest.skip("IMAGENETTE_DIR holds another copy of Imagenette")
    model = ki.from_preset(preset)
    chosen, recorded = validation[::every], metrics["test_error"]
    # of all: an image on the boundary may fall to either side on another processor
    tolerance = 1e-3 if every == 1 else 3 * (recorded * (1 - recorded) / len(chosen)) ** 0.5
    assert photograph_training.error(model, chosen) == pytest.approx(recorded, abs=tolerance)


@pytest.mark.parametrize("preset", PRESETS)
def test_it_gives_logits_and_is_small_enough_to_fetch(preset: str) -> None:
    model = ki.from_preset(preset)
    assert model.class_names == tuple(photographs.IMAGENETTE.values())
    logits = np.asarray(model(np.full((2, 128, 128, 3), 0.5, np.float32)))
    assert logits.shape == (2, 10)
    assert np.isfinite(logits).all()
    assert ki.presets.load_metrics(preset)["bytes"] < 25e6
    assert preset not in registry.packaged()
