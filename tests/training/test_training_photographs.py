"""Training on folders of photographs: it learns, it goes on, it refuses."""

import dataclasses
import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from scipy import stats

from keras_intriguing import models, presets
from keras_intriguing.data import photographs
from keras_intriguing.models.base import PresetModel
from keras_intriguing.training import initialize, preset, recipes, train_preset
from keras_intriguing.training import photographs as photograph_training
from keras_intriguing.training.recipes import PhotographRecipe
from keras_intriguing.training.settings import PhotographTraining

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
    initialize(model, 0)
    sets = (photographs.load(folder, split) for split in ("train", "val"))
    progress = photograph_training.fit(model, *sets, **{"options": OPTIONS, **settings})
    return model, progress


@pytest.fixture(scope="module")
def whole(folder: Path) -> tuple[keras.Model, photograph_training.Progress]:
    """A run that was not interrupted."""
    return train(folder)


def test_it_learns_in_half_precision_and_leaves_a_model_in_single(folder: Path, whole) -> None:
    model, progress = whole
    assert photograph_training.error(model, photographs.load(folder, "val")) == 0
    assert model.layers[1].compute_dtype == "float32"
    assert keras.config.dtype_policy().name == "float32"
    assert progress.epochs == 6
    assert progress.iterations == 6 * 5
    losses, errors, validation = zip(*progress.curve, strict=True)
    assert losses[-1] < losses[0]
    assert errors[-1] < 0.2
    assert [value is not None for value in validation] == [False, False, False, True, False, True]


def test_an_interrupted_run_goes_on_to_the_same_weights(folder: Path, whole, tmp_path: Path) -> None:
    model, progress = whole
    checkpoint = tmp_path / "checkpoint.npz"

    def interrupt(progress: photograph_training.Progress, steps: int) -> None:
        if progress.epochs == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(folder, checkpoint=checkpoint, on_epoch=interrupt)
    resumed, again = train(folder, checkpoint=checkpoint)
    assert again.epochs == 6
    for a, b in zip(model.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3)
    np.testing.assert_allclose(again.objective, progress.objective, rtol=1e-3)


def test_the_learning_rate_rises_falls_and_stays() -> None:
    options = PhotographTraining(epochs=10, warmup=2, learning_rate=0.1, averaged=3, averaged_rate=0.02)
    rate = photograph_training._Schedule(options, steps=50)
    steps = np.array([0, 50, 100, 225, 349, 350, 499])
    expected = [0, 0.05, 0.1, 0.05, 0, 0.02, 0.02]
    np.testing.assert_allclose([rate(tf.constant(step)) for step in steps], expected, atol=1e-4)


def test_the_last_epochs_weights_are_averaged(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a rate of nearly zero weights stay, and so does their average; at another it lags behind them."""
    monkeypatch.setattr(photograph_training, "_EMA", 0.3)
    plain, _ = train(folder, options=dataclasses.replace(OPTIONS, epochs=3))
    averaged = dataclasses.replace(OPTIONS, epochs=5, averaged=2, averaged_rate=1e-12)
    stayed, _ = train(folder, options=averaged)
    for a, b in zip(plain.get_weights(), stayed.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3)
    # what is read back after the last epoch is averaged too
    moving, checkpoint = dataclasses.replace(averaged, averaged_rate=0.02), tmp_path / "checkpoint.npz"
    once, _ = train(folder, options=moving, checkpoint=checkpoint)
    again, _ = train(folder, options=moving, checkpoint=checkpoint)
    for a, b in zip(once.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    with np.load(checkpoint) as stored:
        assert not np.allclose(stored["variable0"], once.get_weights()[0], atol=1e-4)


def test_another_seed_gives_another_model(folder: Path) -> None:
    one, other = (train(folder, options=dataclasses.replace(OPTIONS, epochs=2), seed=s)[0] for s in (0, 1))
    assert not np.allclose(one.get_weights()[0], other.get_weights()[0], atol=1e-4)


def test_the_checkpoint_of_another_training_is_refused(folder: Path, tmp_path: Path) -> None:
    short = dataclasses.replace(OPTIONS, epochs=2)
    checkpoint = tmp_path / "checkpoint.npz"
    train(folder, options=short, checkpoint=checkpoint)
    with pytest.raises(ValueError, match="belongs to another"):
        train(folder, options=dataclasses.replace(short, learning_rate=0.1), checkpoint=checkpoint)
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    shutil.copy(other / "val" / "red" / "0.png", other / "train" / "red" / "0.png")
    (other / "val" / "red" / "0.png").unlink()
    with pytest.raises(ValueError, match="belongs to another"):
        train(other, options=short, checkpoint=checkpoint)


def test_a_photograph_that_is_gone_is_said(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(folder, other)

    def remove(progress: photograph_training.Progress, steps: int) -> None:
        for path in (other / "train").rglob("*.png"):
            path.unlink()

    with pytest.raises(FileNotFoundError, match="A photograph is gone"):
        train(other, on_epoch=remove)


def test_mixup_mixes_images_and_labels_alike(folder: Path) -> None:
    """Every image is one-hot where its label is, so that a mixture of images says what its label must be."""
    labels = np.eye(5, dtype=np.float32)
    images = labels[:, None, None, :] * np.ones((1, 4, 4, 1), np.float32)
    x, y = photograph_training._mixup(tf.constant(images), tf.constant(labels), 0.5, tf.constant([1, 2]))
    np.testing.assert_allclose(x, np.broadcast_to(np.asarray(y)[:, None, None], x.shape), atol=1e-6)
    np.testing.assert_allclose(np.sum(y, axis=1), 1, atol=1e-6)
    own = np.diag(np.asarray(y))
    assert own[2] == pytest.approx(1)  # the middle one's other is itself
    np.testing.assert_allclose(
        np.diag(np.asarray(y)[:, ::-1])[[0, 1, 3, 4]], 1 - own[[0, 1, 3, 4]], atol=1e-6
    )
    assert np.ptp(own) > 0.1


def test_the_parts_of_mixup_have_their_distribution() -> None:
    y = tf.eye(2, batch_shape=(500,))
    parts = [
        photograph_training._mixup(tf.zeros((2, 1, 1, 3)), one, 0.3, tf.constant([0, i]))[1][0, 0]
        for i, one in enumerate(y)
    ]
    assert stats.kstest(np.array(parts), stats.beta(0.3, 0.3).cdf).pvalue > 0.01


def test_a_minibatch_is_the_same_whenever_it_is_made(folder: Path) -> None:
    found, options = photographs.load(folder, "train"), dataclasses.replace(OPTIONS, mixup=0.3)
    whole = list(photograph_training._minibatches(found, 16, options, 3, 0, 5))
    later = list(photograph_training._minibatches(found, 16, options, 3, 4, 5))
    assert (len(whole), len(later)) == (30, 10)
    for (x, y), (again, label) in zip(whole[20:], later, strict=True):
        assert x.shape == (8, 16, 16, 3)
        np.testing.assert_array_equal(x, again)
        np.testing.assert_array_equal(y, label)


def test_large_photographs_are_made_smaller_without_aliasing() -> None:
    noise = np.random.default_rng(0).random((300, 500, 3)).astype(np.float32)
    small = photograph_training._shrunk(tf.constant(noise), 20)
    assert small.shape == (20, 33, 3)
    assert np.std(small) < 0.03  # of sampled pixels it would be 0.29
    same = tf.constant(noise[:20])
    np.testing.assert_array_equal(photograph_training._shrunk(same, 20), same)


def test_sets_that_do_not_fit_are_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="batch_size is 64, but there are 40 photographs"):
        train(folder, options=dataclasses.replace(OPTIONS, batch_size=64))
    sets = [photographs.load(folder, split) for split in ("train", "val")]
    other = dataclasses.replace(sets[1], classes=("a", "b"))
    with pytest.raises(ValueError, match=r"classes to train on \(blue, red\) are not those"):
        photograph_training.fit(Tiny(), sets[0], other, OPTIONS)
    with pytest.raises(
        ValueError, match="40 of the photographs to validate on are also among those to train on"
    ):
        photograph_training.fit(Tiny(), sets[0], sets[0], OPTIONS)
    three = [dataclasses.replace(one, classes=("a", "b", "c")) for one in sets]
    with pytest.raises(ValueError, match="have 3 classes, tiny has 2 logits"):
        photograph_training.fit(Tiny(name="tiny"), *three, OPTIONS)


def test_a_preset_is_made_with_its_card(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = PhotographRecipe(model="Tiny", training=dataclasses.replace(OPTIONS, mixup=0.2), note="A note.")
    monkeypatch.setitem(recipes.RECIPES, "tiny_imagenette", recipe)
    monkeypatch.setattr(models, "Tiny", Tiny, raising=False)
    made = train_preset("tiny_imagenette", tmp_path / "preset", images=folder)
    model = Tiny()
    model.load_weights(made / presets.WEIGHTS)
    metrics = json.loads((made / "metrics.json").read_text())
    assert metrics["test_error"] == photograph_training.error(model, photographs.load(folder, "val"))
    assert metrics["classes"] == ["blue", "red"]
    assert metrics["images_sha256"]["val"] == photographs.load(folder, "val").sha256
    assert not (made / preset.CHECKPOINT).exists()
    card = (made / "README.md").read_text()
    assert "| 6 | " in card
    assert "validation error, 12 images" in card
    assert "40 photographs of a folder of 2 classes" in card
    assert "mixup, α = 0.2" in card
    assert "error on mixed crops" in card
    assert metrics["command"] == f"keras-intriguing train tiny_imagenette --seed 0 --images {folder}"
    assert metrics["resumed"] is False
    with pytest.raises(ValueError, match="not on photographs"):
        train_preset("fc10_mnist_decay1", tmp_path / "other", images=folder)
