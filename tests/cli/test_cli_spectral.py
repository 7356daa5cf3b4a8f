"""The command `spectral`."""

import json
import re
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_intriguing as ki
from keras_intriguing import spectral
from keras_intriguing.cli import main as cli
from keras_intriguing.progress import Bar

L = keras.layers
PRESET = "fc10_mnist_decay1e-2"


@pytest.fixture(scope="module")
def linear() -> float:
    """The norm of the preset's only dense layer, and so of the network."""
    return float(np.linalg.norm(np.asarray(ki.from_preset(PRESET).get_weights()[0], np.float64), 2))


def test_a_preset_becomes_a_table(linear: float, capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["spectral", PRESET]) == 0
    out = capsys.readouterr().out
    assert re.search(r"logits +Dense +784 +(\S+) +(\S+) +1", out)[1] == f"{linear:.5g}"
    assert "Lipschitz constant: at least" in out


def test_json_is_all_of_standard_output(linear: float, capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["spectral", PRESET, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["upper"] == pytest.approx(linear, rel=1e-6)
    assert found["lower"] <= found["upper"] <= found["product"]
    assert [layer["kind"] for layer in found["layers"]] == ["Flatten", "Dense"]
    assert found["layers"][1]["input_shape"] == [784]
    assert found["layers"][1]["supremum"] is None


def test_a_saved_model_with_convolutions_has_both_formulas(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            L.Conv2D(2, 3, strides=2, activation="relu"),
            ki.models.LocalResponseNormalization(),
            L.Flatten(),
            L.Dense(2),
        ]
    )
    model.save(tmp_path / "own.keras")
    assert cli.main(["spectral", str(tmp_path / "own.keras"), "--json"]) == 0
    first, norm = json.loads(capsys.readouterr().out)["layers"][:2]
    assert first["paper"] == pytest.approx(first["supremum"] / 2)
    assert first["supremum"] == pytest.approx(spectral.frequency_supremum(model.layers[0]).upper)
    assert first["input_shape"] == [8, 8, 1]
    assert norm["kind"] == "LocalResponseNormalization"


def save(folder: Path, *layers: keras.layers.Layer) -> str:
    keras.Sequential(layers).save(folder / "own.keras")
    return str(folder / "own.keras")


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (lambda: [keras.Input((4, 3)), L.SimpleRNN(2)], "class SimpleRNN.*register"),
        (lambda: [keras.Input((None, 3)), L.Conv1D(2, 3)], "has unknown sizes"),
        (lambda: [keras.Input((3,)), L.Dense(2, dtype="float16")], "of type float16"),
        (
            lambda: [keras.Input((3,)), L.Dense(2, bias_initializer="zeros", kernel_initializer=nan)],
            "not finite",
        ),
    ],
)
def test_what_has_no_bound_is_one_clear_line(
    layers, message: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert cli.main(["spectral", save(tmp_path, *layers())]) == cli.FAILED
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ")
    assert re.search(message, error)


@keras.saving.register_keras_serializable()
def nan(shape: tuple[int, ...], dtype: str | None = None) -> np.ndarray:
    return np.full(shape, np.nan, np.float32)


@pytest.mark.parametrize(
    ("model", "message"),
    [("fc11", "Unknown preset 'fc11'"), ("missing.keras", "There is no model file missing.keras")],
)
def test_a_model_that_is_not_there_is_named(model: str, message: str, capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["spectral", model]) == cli.FAILED
    out, error = capsys.readouterr()
    assert error.startswith(f"error: {message}")
    assert out == ""


def test_interrupting_is_no_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    def interrupt(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(spectral, "analyze", interrupt)
    assert cli.main(["spectral", PRESET, "--json"]) == cli.INTERRUPTED
    out, error = capsys.readouterr()
    assert out == ""
    assert error.endswith("Interrupted. Nothing was written.\n")


def test_spectral_tells_the_steps_in_the_whole_network(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(Bar, "update", lambda bar, task, **changes: told.append(changes["description"]))
    assert cli.main(["spectral", PRESET]) == 0
    first = told.index("the whole network")
    steps = told[first + 1 : -1]
    assert steps == [f"the whole network, step {i} of {len(steps)}" for i in range(1, len(steps) + 1)]
    assert len(steps) > 1
    assert told[-1] == "done"
