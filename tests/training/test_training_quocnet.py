"""QuocNet's training on a few drawn images, reconstruction ICA against its formula, and detection by hand."""

import dataclasses
import functools
import json
from pathlib import Path

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

import keras_intriguing as ki
from keras_intriguing import models, optimize, presets
from keras_intriguing.data import photographs
from keras_intriguing.models import L2Pooling, LocalFilters, QuocNet
from keras_intriguing.training import preset as preset_training
from keras_intriguing.training import quocnet, recipes, reconstruction_ica, train_preset
from keras_intriguing.training.detection import best_thresholds, detection
from keras_intriguing.training.recipes import QuocNetRecipe
from keras_intriguing.training.settings import QuocNetTraining, ReconstructionICA

SIZE, MAPS, ROUND = 32, (3, 4), 2
OPTIONS = ReconstructionICA(images=30, dimensions=(8, 6), reconstruction=1.0, iterations=4)
TRAINING = QuocNetTraining(filters=OPTIONS, positive="striped", decays=(1e-3, 1e-2))
RECIPE = QuocNetRecipe(model="QuocNet", training=TRAINING, note="A note.")
SMALL = functools.partial(QuocNet, SIZE, MAPS, name="quocnet")


class Interrupted(Exception):
    pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of noise, of which half have stripes."""
    folder, random = tmp_path_factory.mktemp("drawn"), np.random.default_rng(0)
    for split, count in (("train", 20), ("val", 12)):
        for kind in ("plain", "striped"):
            (folder / split / kind).mkdir(parents=True)
            for i in range(count):
                image = random.uniform(0, 160, (40, 40, 3))
                if kind == "striped":
                    image[:, :: random.integers(4, 6)] += 95
                encoded = tf.io.encode_png(image.astype(np.uint8))
                tf.io.write_file(str(folder / split / kind / f"{i}.png"), encoded)
    return folder


@pytest.fixture(scope="module")
def sets(folder: Path) -> tuple[photographs.Photographs, photographs.Photographs]:
    return photographs.load(folder, "train"), photographs.load(folder, "val")


@pytest.fixture(autouse=True)
def short_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimize, "ROUND", ROUND)


def learned(images, path: Path | None = None, until: int | None = None, seed: int = 0) -> tuple[list, list]:
    """Weights and stages of filters that were learned, or up to an interruption after `until` rounds."""
    keras.utils.set_random_seed(0)
    model, rounds = SMALL(), 0

    def interrupt(stage: str, progress: optimize.Progress, most: int) -> None:
        nonlocal rounds
        rounds += 1
        if rounds == until:
            raise Interrupted

    stages = quocnet.learn_filters(model, images, OPTIONS, seed=seed, checkpoint=path, on_progress=interrupt)
    return model.get_weights(), stages


@pytest.fixture(scope="module")
def uncut(sets) -> tuple[list, list]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(optimize, "ROUND", ROUND)
        return learned(sets[0])


@pytest.mark.parametrize("until", [1, 2, 3])
def test_an_interrupted_run_goes_on_to_the_same_filters(uncut, until: int, sets, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        learned(sets[0], tmp_path / "checkpoint.npz", until)
    weights, stages = learned(sets[0], tmp_path / "checkpoint.npz")
    assert all(np.array_equal(a, b) for a, b in zip(weights, uncut[0], strict=True))
    assert json.dumps(stages) == json.dumps(uncut[1])


def test_the_checkpoint_of_another_seed_or_of_other_images_is_refused(sets, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        learned(sets[0], tmp_path / "checkpoint.npz", 1)
    with pytest.raises(ValueError, match="belongs to another model, recipe, seed or data set"):
        learned(sets[0], tmp_path / "checkpoint.npz", seed=1)
    with pytest.raises(ValueError, match="belongs to another model, recipe, seed or data set"):
        learned(sets[0][:-1], tmp_path / "checkpoint.npz")


@pytest.fixture(scope="module")
def preset(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A preset as the command makes it, of a smaller net."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(recipes.RECIPES, "quocnet_drawn", RECIPE)
        patch.setattr(models, "QuocNet", SMALL)
        return train_preset("quocnet_drawn", tmp_path_factory.mktemp("preset"), images=folder)


def test_the_preset_gives_what_it_records(preset: Path, sets) -> None:
    model, metrics = ki.from_preset(preset), presets.load_metrics(preset)
    for one, name in zip(sets, ("train", "test"), strict=True):
        logits, positive = np.asarray(model(one.images(SIZE))), one.labels == 1
        assert metrics[f"{name}_images"] == len(one)
        assert metrics[f"{name}_error"] == np.mean((logits[:, 1] > logits[:, 0]) != positive)
    scores = logits[:, 1] - logits[:, 0]
    found = metrics["detection"]["classifier on the features"]
    assert found["value"] == pytest.approx(detection(scores, positive).value)
    assert found["auc"] == pytest.approx(detection(scores, positive).auc)
    assert metrics["positives"] == {"train": 20, "val": 12}
    assert [stage["stage"] for stage in metrics["stages"]] == ["filters1", "filters2", "classifier"]
    assert metrics["stages"][-1]["converged"]
    assert not (preset / preset_training.CHECKPOINT).exists()


def test_all_detectors_are_recorded_and_on_the_card(preset: Path) -> None:
    metrics = presets.load_metrics(preset)
    card = (preset / presets.CARD).read_text()
    assert card == RECIPE.card(metrics)
    assert set(metrics["detection"]) == {
        f"{what} {of}"
        for what in ("classifier on", "best unit of", "average unit of")
        for of in ("the features", "random filters", "the pixels")
    }
    for name, found in metrics["detection"].items():
        assert f"| {name} | {100 * found['value']:.1f}% |" in card
        assert found.get("low", 0) <= found["value"] <= found.get("high", 1)


def test_every_round_lowers_the_objective(sets) -> None:
    found: dict[str, list[float]] = {}
    quocnet.learn_filters(
        SMALL(),
        sets[0],
        OPTIONS,
        on_progress=lambda stage, state, most: found.setdefault(stage, []).append(state.objective),
    )
    assert list(found) == ["filters1", "filters2"]
    assert all(len(values) == 2 and values[1] < values[0] for values in found.values())


def test_folders_without_the_class_are_refused(sets, tmp_path: Path) -> None:
    train = functools.partial(quocnet.train, SMALL(), checkpoint=tmp_path / "c", on_progress=print)
    training = dataclasses.replace(TRAINING, positive="n03417042")
    with pytest.raises(ValueError, match=r"no class 'n03417042'.* they have plain, striped"):
        train(*sets, training)
    renamed = dataclasses.replace(sets[1], classes=("plain", "dotted"))
    with pytest.raises(ValueError, match=r"train on \(plain, striped\) are not .*\(plain, dotted\)"):
        train(sets[0], renamed, TRAINING)
    three = dataclasses.replace(OPTIONS, dimensions=(8, 6, 4))
    with pytest.raises(ValueError, match="has 2 stages, but dimensions are given for 3"):
        train(*sets, dataclasses.replace(TRAINING, filters=three))


@pytest.fixture(scope="module")
def whitened() -> tuple[LocalFilters, np.ndarray, reconstruction_ica.Whitened]:
    x = np.random.default_rng(0).normal(size=(200, 7, 9, 2)).astype(np.float32)
    x = x + np.float32(0.5) * x[:, ::-1] + np.arange(9, dtype=np.float32)[:, None]
    layer = LocalFilters(3, 3, 2)
    layer.build(x.shape)
    return layer, x, reconstruction_ica.whiten(layer, x, 10)


def test_whitened_patches_are_centred_uncorrelated_and_of_like_variance(whitened) -> None:
    _, x, found = whitened
    assert found.patches.shape == (3 * 4, 10, 200)
    np.testing.assert_allclose(found.patches.mean(axis=-1), 0, atol=1e-4)
    covariance = found.patches @ np.swapaxes(found.patches, 1, 2) / 200
    off = covariance - np.einsum("pii,ij->pij", covariance, np.eye(10))
    assert np.abs(off).max() < 1e-3
    assert 0.7 < np.einsum("pii->pi", covariance).min() < 1
    # position (1, 2) by hand
    patch = x[:, 2:5, 4:7].reshape(200, -1)
    np.testing.assert_allclose(
        ((patch - patch.mean(axis=0)) @ found.transform[6]).T, found.patches[6], atol=1e-3
    )


def test_patches_that_never_change_stay_zero() -> None:
    layer = LocalFilters(2, 3)
    layer.build((None, 4, 4, 1))
    found = reconstruction_ica.whiten(layer, np.full((9, 4, 4, 1), 0.3, np.float32), 5)
    assert np.abs(found.patches).max() < 1e-2


def test_the_objective_is_that_of_the_formula(whitened) -> None:
    layer, _, found = whitened
    weights = reconstruction_ica.start(found, 3, seed=1)
    np.testing.assert_allclose(
        np.swapaxes(weights, 1, 2) @ weights, np.tile(np.eye(3), (12, 1, 1)), atol=1e-5
    )
    weights = np.float32(1.3) * weights
    options = dataclasses.replace(OPTIONS, reconstruction=0.7)
    value = reconstruction_ica.objective(layer, L2Pooling(2, 1), found, options)([tf.constant(weights)])
    total = 0.0
    answers = np.zeros((3, 4, 3, 200))
    for p in range(12):
        w, z = weights[p].astype(np.float64), found.patches[p].astype(np.float64)
        total += 0.7 * np.sum((w @ (w.T @ z) - z) ** 2)
        answers[p // 4, p % 4] = w.T @ z
    for i, j in np.ndindex(2, 3):
        total += np.sqrt(1e-6 + (answers[i : i + 2, j : j + 2] ** 2).sum(axis=(0, 1))).sum()
    assert float(value) == pytest.approx(total / (12 * 200), rel=1e-5)


def test_assigned_filters_answer_to_images_as_to_whitened_patches(whitened) -> None:
    layer, x, found = whitened
    weights = reconstruction_ica.start(found, 3, seed=1)
    reconstruction_ica.assign(layer, found, weights)
    expected = np.einsum("pdm,pdn->npm", weights, found.patches).reshape(200, 3, 4, 3)
    np.testing.assert_allclose(layer(x), expected, atol=1e-3)


def test_more_filters_than_dimensions_start_with_norm_one(whitened) -> None:
    weights = reconstruction_ica.start(whitened[2], 17, seed=0)
    np.testing.assert_allclose(np.linalg.norm(weights, axis=1), 1, rtol=1e-5)


def test_detection_by_hand() -> None:
    scores, positive = np.array([2.0, -1.0, 1.0, -3.0, -2.0]), np.array([True, True, False, False, False])
    found = detection(scores, positive)
    assert (found.found, found.left, found.value) == (1 / 2, 2 / 3, pytest.approx(7 / 12))
    assert found.auc == pytest.approx(5 / 6)
    assert 0 < found.low < found.value < found.high < 1
    assert detection(np.zeros(5), positive).auc == pytest.approx(0.5)
    with pytest.raises(ValueError, match="only those of one kind"):
        detection(scores, np.ones(5, bool))


def test_its_interval_covers_as_often_as_it_says() -> None:
    random, covered = np.random.default_rng(0), []
    for _ in range(300):
        positive = np.arange(400) < 40
        hits = np.where(positive, random.uniform(size=400) < 0.8, random.uniform(size=400) < 0.3)
        found = detection(np.where(hits, 1.0, -1.0), positive)
        covered.append(found.low <= 0.75 <= found.high)
    assert scipy.stats.binomtest(sum(covered), 300, 0.95).pvalue > 0.01


@pytest.mark.parametrize("positive_is_larger", [True, False])
def test_a_threshold_between_neighbouring_numbers_parts_them(positive_is_larger: bool) -> None:
    one = np.float32(1.0000001)
    values = np.array([one, np.nextafter(one, np.float32(2))] * 2)[:, None]
    positive = (np.arange(4) % 2 == 1) == positive_is_larger
    rules = best_thresholds(values, positive)
    assert rules.balanced_accuracy == 1
    assert np.array_equal(rules.scores(values)[:, 0] > 0, positive)


def test_the_best_threshold_is_that_of_all() -> None:
    random = np.random.default_rng(0)
    values = np.round(random.normal(size=(60, 5)), 1).astype(np.float32)
    positive = random.uniform(size=60) < 0.3
    values[positive, 1] -= 1
    values[:, 4] = 7
    rules = best_thresholds(values, positive)
    for u in range(5):
        cuts = np.concatenate([np.unique(values[:, u]) + 0.01, [-9.0]])
        best = max(
            (np.mean(s * (values[positive, u] - c) > 0) + np.mean(s * (values[~positive, u] - c) < 0)) / 2
            for c in cuts
            for s in (1, -1)
        )
        assert rules.balanced_accuracy[u] == pytest.approx(best)
    detected = rules.scores(values) > 0
    attained = (detected[positive].mean(axis=0) + 1 - detected[~positive].mean(axis=0)) / 2
    np.testing.assert_allclose(attained, rules.balanced_accuracy, rtol=1e-6)
    assert rules.sign[1] == -1
