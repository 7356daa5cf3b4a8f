"""Training on folders of photographs: it learns, it goes on, it refuses."""

import dataclasses
import json
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

import keras_intriguing as ki
from keras_intriguing import models, photograph_training, photographs, recipes, training
from keras_intriguing.models.base import PresetModel
from keras_intriguing.recipes import PhotographRecipe, PhotographTraining

OPTIONS = PhotographTraining(epochs=6, batch_size=8, learning_rate=0.02, warmup=1, colours=0.1)


@keras.saving.register_keras_serializable(package="keras_intriguing")
class Tiny(PresetModel):
    """Two classes of images of 16×16, with dropout."""

    def __init__(self, name: str | None = None, **kwargs: object) -> None:
        inputs = keras.Input((16, 16, 3))
        x = keras.layers.Conv2D(4, 3, 2, activation="relu")(inputs)
        x = keras.layers.Dropout(0.2)(keras.layers.Flatten()(x))
        super().__init__(
            inputs=inputs, outputs=keras.layers.Dense(2, dtype="float32")(x), name=name, **kwargs
        )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Reddish and bluish noise."""
    made, random = tmp_path_factory.mktemp("photographs"), np.random.default_rng(0)
    for split, count in (("train", 20), ("val", 6)):
        for name, channel in (("blue", 2), ("red", 0)):
            for i in range(count):
                pixels = random.integers(0, 120, (24, 30, 3))
                pixels[..., channel] += 100
                path = made / split / name / f"{i}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels.astype(np.uint8)).save(path)
    return made


def train(folder: Path, **settings: object) -> tuple[keras.Model, photograph_training.Progress]:
    model = Tiny(name="tiny")
    training.initialize(model, 0)
    sets = (photographs.load(folder, split) for split in ("train", "val"))
    progress = photograph_training.train(model, *sets, **{"options": OPTIONS, **settings})
    return model, progress


def test_it_learns_in_half_precision_and_leaves_a_model_in_single(folder: Path) -> None:
    model, progress = train(folder)
    assert photograph_training.error(model, photographs.load(folder, "val")) == 0
    assert model.layers[1].compute_dtype == "float32"
    assert keras.config.dtype_policy().name == "float32"
    assert progress.epochs == 6
    assert progress.iterations == 6 * 5
    losses, errors, validation = zip(*progress.curve, strict=True)
    assert losses[-1] < losses[0]
    assert errors[-1] < 0.2
    assert [value is not None for value in validation] == [False, False, False, True, False, True]


def test_an_interrupted_run_goes_on_to_the_same_weights(folder: Path, tmp_path: Path) -> None:
    whole, progress = train(folder)
    checkpoint = tmp_path / "checkpoint.npz"

    def interrupt(progress: photograph_training.Progress, steps: int) -> None:
        if progress.epochs == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(folder, checkpoint=checkpoint, on_epoch=interrupt)
    resumed, again = train(folder, checkpoint=checkpoint)
    assert again.epochs == 6
    for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3)
    np.testing.assert_allclose(again.objective, progress.objective, rtol=1e-3)


def test_another_seed_gives_another_model(folder: Path) -> None:
    one, other = (train(folder, options=dataclasses.replace(OPTIONS, epochs=2), seed=s)[0] for s in (0, 1))
    assert not np.allclose(one.get_weights()[0], other.get_weights()[0], atol=1e-4)


def test_the_checkpoint_of_another_training_is_refused(folder: Path, tmp_path: Path) -> None:
    short = dataclasses.replace(OPTIONS, epochs=2)
    checkpoint = tmp_path / "checkpoint.npz"
    train(folder, options=short, checkpoint=checkpoint)
    with pytest.raises(ValueError, match="belongs to another"):
        train(folder, options=dataclasses.replace(short, learning_rate=0.1), checkpoint=checkpoint)


def test_sets_that_do_not_fit_are_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="batch_size is 64, but there are 40 photographs"):
        train(folder, options=dataclasses.replace(OPTIONS, batch_size=64))
    sets = [photographs.load(folder, split) for split in ("train", "val")]
    other = dataclasses.replace(sets[1], classes=("a", "b"))
    with pytest.raises(ValueError, match=r"classes to train on \(blue, red\) are not those"):
        photograph_training.train(Tiny(), sets[0], other, OPTIONS)
    with pytest.raises(ValueError, match="40 of the photographs to train on are also those to validate on"):
        photograph_training.train(Tiny(), sets[0], sets[0], OPTIONS)
    three = [dataclasses.replace(one, classes=("a", "b", "c")) for one in sets]
    with pytest.raises(ValueError, match="have 3 classes, tiny has 2 logits"):
        photograph_training.train(Tiny(name="tiny"), *three, OPTIONS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs must be a whole number of at least 1"),
        ({"warmup": 6}, "warmup is 6 of 6 epochs"),
        ({"learning_rate": 0.0}, "learning_rate must be a positive number"),
        ({"weight_decay": -1.0}, "weight_decay must be a number of at least 0"),
        ({"label_smoothing": 1.0}, "label_smoothing must be at least 0 and below 1"),
        ({"smallest_crop": 0.0}, "smallest_crop must be above 0 and at most 1"),
    ],
)
def test_options_that_make_no_sense_are_refused(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(OPTIONS, **change)


def test_a_preset_is_made_with_its_card(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = PhotographRecipe("Tiny", OPTIONS, "A note.")
    monkeypatch.setitem(recipes.RECIPES, "tiny_imagenette", recipe)
    monkeypatch.setattr(models, "Tiny", Tiny, raising=False)
    made = training.train_preset("tiny_imagenette", tmp_path / "preset", images=folder)
    model = ki.from_preset(made)
    metrics = json.loads((made / "metrics.json").read_text())
    assert metrics["test_error"] == photograph_training.error(model, photographs.load(folder, "val"))
    assert metrics["classes"] == ["blue", "red"]
    assert metrics["images_sha256"]["val"] == photographs.load(folder, "val").sha256()
    assert not (made / training.CHECKPOINT).exists()
    card = (made / "README.md").read_text()
    assert "| 6 | " in card
    assert "validation error, 12 images" in card
    with pytest.raises(ValueError, match="not on photographs"):
        training.train_preset("fc10_mnist_decay1", tmp_path / "other", images=folder)
