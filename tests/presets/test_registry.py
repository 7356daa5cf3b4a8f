"""The registry, against the checkpoints themselves."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import keras_intriguing as ki
from keras_intriguing import files
from keras_intriguing.presets import registry
from keras_intriguing.training import recipes

ZOO = Path(__file__).parent.parent.parent / "zoo"
PRESET = "fc10_mnist_decay1"


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    shutil.copytree(ZOO / PRESET, tmp_path / PRESET)
    return tmp_path


def test_the_committed_registry_agrees_with_the_zoo():
    assert files.read_json(ZOO / "registry.json") == registry.build(ZOO), (
        "run `python -m keras_intriguing.presets.registry zoo`"
    )


def test_running_the_module_writes_the_registry(zoo: Path):
    subprocess.run([sys.executable, "-m", "keras_intriguing.presets.registry", str(zoo)], check=True)
    assert files.read_json(zoo / "registry.json") == {PRESET: registry.load()[PRESET]}


def test_every_known_preset_is_listed():
    assert ki.list_presets() == sorted(registry.load())
    assert set(registry.packaged()) <= set(ki.list_presets())


def test_every_recipe_for_digits_travels_in_one_seed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(registry, "load", lambda: recipes.RECIPES)
    assert registry.packaged() == [
        name for name, recipe in recipes.RECIPES.items() if recipe.seed == 0 and recipe.dataset == "mnist"
    ]


def test_a_whole_preset_has_no_fault(zoo: Path):
    assert registry.fault(PRESET, zoo / PRESET) is None


@pytest.mark.parametrize("name", registry.FILES)
def test_the_fault_of_a_file_is_named(zoo: Path, name: str):
    path = zoo / PRESET / name
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert registry.fault(PRESET, path.parent).startswith(f"{name} has SHA-256 ")
    path.write_bytes(content[:-1])
    expected = f"{name} has {len(content) - 1:,} bytes instead of {len(content):,}"
    assert registry.fault(PRESET, path.parent) == expected
    path.unlink()
    assert registry.fault(PRESET, path.parent) == f"{name} is missing"


def test_a_missing_folder_is_a_fault(tmp_path: Path):
    assert registry.fault(PRESET, tmp_path / "nowhere") == "not there"


def test_a_preset_that_lacks_a_file_is_not_registered(zoo: Path):
    (zoo / PRESET / "README.md").unlink()
    with pytest.raises(ValueError, match=rf"{PRESET} lacks README\.md"):
        registry.build(zoo)


def test_weights_that_their_metrics_do_not_record_are_not_registered(zoo: Path):
    (zoo / PRESET / "model.weights.h5").write_bytes(b"others")
    with pytest.raises(ValueError, match=r"weights\.h5 is not the file whose SHA-256 metrics\.json records"):
        registry.build(zoo)


def test_metrics_of_no_trained_preset_are_not_registered(zoo: Path):
    metrics = files.read_json(zoo / PRESET / "metrics.json")
    del metrics["test_error"]
    files.write_json(zoo / PRESET / "metrics.json", metrics)
    with pytest.raises(ValueError, match=r"metrics\.json does not record 'test_error'"):
        registry.build(zoo)


def test_training_runs_are_those_of_one_recipe() -> None:
    runs = registry.training_runs("fc100_100_10_mnist")
    assert runs == ["fc100_100_10_mnist", *(f"fc100_100_10_mnist_seed{seed}" for seed in range(1, 5))]
    assert registry.training_runs("quocnet_imagenette") == ["quocnet_imagenette"]
