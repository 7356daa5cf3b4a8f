import json
from pathlib import Path

import numpy as np
import pytest

import keras_intriguing as ki
from keras_intriguing import presets
from keras_intriguing.presets import registry
from keras_intriguing.training import recipes

SHIPPED = registry.packaged()
MNIST = {"train": 60_000, "p1": 30_000, "p2": 30_000}


@pytest.fixture(scope="module")
def model() -> ki.models.FC10:
    model = ki.models.FC10(name="fc10")
    ki.training.initialize(model, 5)
    return model


@pytest.fixture
def folder(model, tmp_path: Path) -> Path:
    presets.save_to_preset(model, tmp_path / "mine", {"test_error": 0.25}, "# A card\n")
    return tmp_path / "mine"


def test_a_preset_comes_back(model, folder: Path, digits):
    for again in (ki.from_preset(folder), ki.from_preset(str(folder)), ki.models.FC10.from_preset(folder)):
        assert type(again) is ki.models.FC10
        assert np.array_equal(again(digits[0]), model(digits[0]))


def test_a_preset_is_four_files_and_records_its_weights(folder: Path):
    names = {"config.json", "model.weights.h5", "metrics.json", "README.md"}
    assert {path.name for path in folder.iterdir()} == names
    assert (folder / "README.md").read_text() == "# A card\n"
    metrics = presets.load_metrics(folder)
    assert metrics["test_error"] == 0.25
    assert metrics["bytes"] == (folder / "model.weights.h5").stat().st_size


def test_a_preset_replaces_another_in_its_folder(folder: Path, digits):
    other = ki.models.FC100_100_10()
    presets.save_to_preset(other, folder, {"test_error": 0.5}, "")
    assert np.array_equal(ki.from_preset(folder)(digits[0]), other(digits[0]))
    assert presets.load_metrics(folder)["test_error"] == 0.5


def test_the_autoencoders_preset_keeps_its_decoder(tmp_path: Path, digits):
    model = ki.models.AE400_10()
    presets.save_to_preset(model, tmp_path, {}, "")
    again = ki.from_preset(tmp_path)
    assert np.array_equal(again.reconstruct(digits[0]), model.reconstruct(digits[0]))


def alter(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


@pytest.mark.parametrize("damage", [alter, truncate])
def test_damaged_weights_are_named(folder: Path, damage):
    damage(folder / "model.weights.h5")
    with pytest.raises(
        ValueError, match=r"mine/model\.weights\.h5 has SHA-256 .*truncated, damaged or replaced"
    ):
        ki.from_preset(folder)


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5", "metrics.json"])
def test_a_missing_file_is_named(folder: Path, name: str):
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"mine lacks {name}"):
        ki.from_preset(folder)


def test_a_missing_folder_is_named(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"no preset folder .*nowhere"):
        ki.from_preset(tmp_path / "nowhere")


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"Unknown preset 'fc11'\. Known: .*; and repetitions") as caught:
        ki.from_preset("fc11")
    first = [name for name in ki.list_presets() if "_seed" not in name]
    assert f"Known: {', '.join(first)};" in str(caught.value)


def test_a_configuration_that_is_no_json_is_named(folder: Path):
    truncate(folder / "config.json")
    with pytest.raises(ValueError, match=r"config\.json is not valid JSON"):
        ki.from_preset(folder)


@pytest.mark.parametrize(
    "config",
    [
        [],
        {},
        {"module": "keras", "class_name": "Sequential", "config": {}, "registered_name": "Sequential"},
        {"module": "os", "class_name": "system", "config": {}, "registered_name": None},
    ],
    ids=["list", "empty", "Keras", "foreign"],
)
def test_a_configuration_of_a_foreign_class_is_refused(folder: Path, config):
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"config\.json does not describe a model of keras_intriguing"):
        ki.from_preset(folder)


def test_a_configuration_of_an_unknown_class_is_named(folder: Path):
    config = json.loads((folder / "config.json").read_text())
    config |= {"registered_name": "keras_intriguing>FC11", "class_name": "FC11"}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"config\.json"):
        ki.from_preset(folder)


def test_weights_of_another_model_do_not_fit(folder: Path, tmp_path: Path):
    presets.save_to_preset(ki.models.FC100_100_10(), tmp_path / "other", {}, "")
    (folder / "config.json").write_bytes((tmp_path / "other" / "config.json").read_bytes())
    with pytest.raises(ValueError, match=r"model\.weights\.h5 does not fit FC100_100_10"):
        ki.from_preset(folder)


@pytest.mark.parametrize("metrics", ["[]", "{}", '{"sha256": 3}'])
def test_metrics_without_a_sha256_are_named(folder: Path, metrics: str):
    (folder / "metrics.json").write_text(metrics)
    with pytest.raises(ValueError, match=r"metrics\.json records no SHA-256"):
        ki.from_preset(folder)


def test_a_class_does_not_load_the_preset_of_another(folder: Path):
    with pytest.raises(ValueError, match=r"holds a FC10, not a AE400_10.*FC10\.from_preset"):
        ki.models.AE400_10.from_preset(folder)


def test_versions_name_what_a_result_depends_on():
    versions = presets.versions()
    assert {"keras-intriguing", "tensorflow", "keras", "numpy", "python", "machine"} <= set(versions)
    assert all(versions.values())


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_preset_gives_logits_and_has_its_metrics(name: str, digits):
    x, y = digits
    model, metrics = ki.from_preset(name), presets.load_metrics(name)
    assert np.asarray(model(x[:3])).shape == (3, 10)
    assert metrics["preset"] == name
    assert metrics["train_images"] == MNIST[metrics["recipe"]["split"]]
    assert metrics["test_images"] == 10_000
    assert {"recipe", "seed", "stages", "seconds", "versions", "command"} <= set(metrics)
    assert metrics["recipe"]["model"] == type(model).__name__
    # of 400 images the error differs from that of all by some standard deviations of 2 % at most
    assert ki.evaluation.error(model, x, y) == pytest.approx(metrics["train_error"], abs=0.08)


def is_slow(name: str, split: str) -> bool:
    """Repetitions of a recipe are many, and convolutions take long."""
    return "_seed" in name or (name.startswith("convnet") and split == "train")


@pytest.mark.mnist
@pytest.mark.parametrize(
    ("name", "split"),
    [
        pytest.param(name, split, marks=[pytest.mark.slow] * is_slow(name, split))
        for split in ("train", "test")
        for name in ki.list_presets()
        if "mnist" in name
    ],
)
def test_the_errors_of_a_preset_are_those_it_records(name: str, split: str, mnist):
    metrics = presets.load_metrics(name)
    x, y = mnist(metrics["recipe"]["split"] if split == "train" else split)
    measured = ki.evaluation.error(ki.from_preset(name), x, y)
    recorded = metrics[f"{split}_error"]
    assert abs(measured - recorded) * len(x) <= 2.001  # images


@pytest.mark.parametrize("preset", ki.list_presets())
def test_a_preset_was_made_by_its_recipe_to_the_end(preset: str):
    metrics = ki.presets.load_metrics(preset)
    recipe, last = recipes.get(preset), metrics["stages"][-1]
    assert metrics["recipe"] == json.loads(json.dumps(recipe.record()))
    if "epochs" in last:
        assert last["epochs"] == recipe.training.epochs
    else:
        assert last["converged"]


@pytest.mark.parametrize("name", [None, ["fc10_mnist_decay1e-2"], 3])
def test_what_is_no_name_is_said(name: object) -> None:
    with pytest.raises(
        TypeError, match=f"A preset is a name or the path of a folder, not {type(name).__name__}"
    ):
        presets.find(name)


def test_a_name_that_is_nearly_one_gets_a_hint() -> None:
    with pytest.raises(ValueError, match=r"Did you mean 'convnet_mnist'\? Known"):
        presets.find("convnet_mnits")
    with pytest.raises(ValueError, match=r"Did you mean 'alexnet_small_imagenette'"):
        presets.find("alexnet")
    with pytest.raises(ValueError, match=r"Unknown preset 'a{60}…'\. Known"):
        presets.find(300 * "a")
