"""The command `attack`, on real digits."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_intriguing as ki
from keras_intriguing.attack.minimal import BUDGET
from keras_intriguing.classifiers.request import Request
from keras_intriguing.cli import arrays
from keras_intriguing.cli import main as cli

PRESET = "fc10_mnist_decay1e-2"


def test_attack_writes_the_result(images: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "new folder" / "result.npz"
    assert cli.main(["attack", PRESET, str(images), "--out", str(out), "--target", "3"]) == 0
    with np.load(images) as given, np.load(out) as result:
        reached = np.argmax(ki.from_preset(PRESET)(result["adversarial"]), axis=1)
        assert result["success"].all()
        assert (reached == 3).all()
        change = (result["adversarial"] - given["x"]).reshape(len(reached), -1)
        np.testing.assert_allclose(result["distortion"], np.sqrt(np.mean(change**2, axis=1)), rtol=1e-4)
        provenance = json.loads(str(result["provenance"]))
    assert provenance["model"] == PRESET
    assert str(out) in capsys.readouterr().out


def test_attack_takes_no_more_passes_than_its_budget(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "result.npz"
    assert cli.main(["attack", PRESET, str(images), "--out", str(out), "--budget", "150"]) == 0
    result = ki.Result.load(out)
    assert result.success.all()
    assert (result.forward_passes + result.backward_passes).max() <= 150
    assert result.provenance["budget"] == 150


@pytest.mark.filterwarnings("default")
def test_a_warning_is_one_line_without_a_place_in_the_code(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    with np.load(images) as given:
        x = given["x"].copy()
    x.flat[0] = np.nextafter(np.float32(1), np.float32(2))
    np.savez(tmp_path / "hair.npz", x=x)
    out = tmp_path / "result.npz"
    assert cli.main(["attack", PRESET, str(tmp_path / "hair.npz"), "--out", str(out), "--budget", "100"]) == 0
    (said,) = [line for line in capsys.readouterr().err.splitlines() if "warning" in line.lower()]
    assert said.startswith("warning: x has 1 values outside the bounds (0, 1) by rounding")


def test_the_help_tells_the_budget_that_is_taken(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        cli.main(["attack", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert f"passes of the model that direct may take for an image (default: {BUDGET})" in told


def test_attack_writes_pictures_that_keep_their_labels(images: Path, tmp_path: Path) -> None:
    out, folder = tmp_path / "result.npz", tmp_path / "pictures"
    arguments = ["attack", PRESET, str(images), "--out", str(out), "--levels", "256", "--png", str(folder)]
    assert cli.main(arguments) == 0
    with np.load(out) as result:
        assert result["success"].all()
        pictures = [tf.io.decode_png(tf.io.read_file(str(path))) for path in sorted(folder.iterdir())]
        pictures = np.stack(pictures).astype(np.float32) / 255
        np.testing.assert_array_equal(pictures, result["adversarial"])
        labels = np.argmax(ki.from_preset(PRESET)(pictures), axis=1)
        np.testing.assert_array_equal(labels, result["label_after"])


def test_attack_starts_from_images_of_the_file(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Whole numbers from 0 to 255, and a model that changes only between 178 and 179."""
    value = keras.Input((4,))
    near = keras.layers.Dense(1, kernel_initializer=keras.initializers.Constant(0.25), use_bias=False)(value)
    steep = keras.ops.clip(near - 178.5, -0.5, 0.5)
    keras.Model(value, keras.layers.Concatenate()([0 * steep, steep])).save(tmp_path / "steep.keras")
    starts = np.full((1, 4), 255, np.uint8)
    np.savez(tmp_path / "rows.npz", x=np.full((2, 4), 30, np.uint8), starts=starts)
    arguments = ["attack", str(tmp_path / "steep.keras"), str(tmp_path / "rows.npz"), "--out"]
    arguments += [str(tmp_path / "r.npz")]
    assert cli.main([*arguments, "--bounds", "0", "255"]) == 0
    np.testing.assert_allclose(ki.Result.load(tmp_path / "r.npz").distortion, 148.5, rtol=1e-3)
    np.savez(tmp_path / "rows.npz", x=np.full((2, 4), 0.5, np.float32), starts=starts)
    assert cli.main(arguments) == cli.FAILED
    assert "error: starts holds uint8, and the bounds are those of floats." in capsys.readouterr().err


def test_attack_takes_a_saved_model_and_targets_from_the_file(images: Path, tmp_path: Path) -> None:
    model = ki.from_preset(PRESET)
    keras.Sequential([model, keras.layers.Softmax()]).save(tmp_path / "own.keras")
    with np.load(images) as given:
        np.savez(tmp_path / "targets.npz", x=given["x"], target=(given["digits"] + 1) % 10)
    arguments = [
        "attack",
        str(tmp_path / "own.keras"),
        str(tmp_path / "targets.npz"),
        "--out",
        str(tmp_path / "r.npz"),
    ]
    assert cli.main(arguments) == 0
    with np.load(images) as given, np.load(tmp_path / "r.npz") as result:
        np.testing.assert_array_equal(result["label_after"], (given["digits"] + 1) % 10)


def test_of_large_models_fewer_images_make_a_batch() -> None:
    from keras_intriguing.attack.parts import _affordable

    def dense(sizes: list[int]) -> keras.Model:
        return keras.Sequential([keras.Input((sizes[0],)), *map(keras.layers.Dense, sizes[1:])])

    small, large = dense([20, 10]), dense([2000, 10_000, 10])
    operations = 2 * 20 * 10 + 10
    assert 4e12 / 1500 / operations / 2 < _affordable(small, (20,), 2000) <= 4e12 / 1500 / operations
    assert _affordable(large, (2000,), 2000) == 64
    assert _affordable(large, (2000,), 500) == 128
    assert _affordable(small, (7,), 2000) == 8  # the attack itself says what is wrong


def test_an_interrupted_attack_keeps_its_finished_batches(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    from keras_intriguing.attack import parts

    out, attack = tmp_path / "result.npz", parts.minimal.attack
    arguments = ["attack", PRESET, str(images), "--out", str(out), "--batch-size", "4", "--label", "3"]
    attacked: list[int] = []
    enough = 0

    def interrupted(request: Request, *settings: Any) -> ki.Result:
        if len(attacked) >= enough:
            raise KeyboardInterrupt
        attacked.append(len(request.x))
        return attack(request, *settings)

    monkeypatch.setattr(parts.minimal, "attack", interrupted)
    assert cli.main(arguments) == cli.INTERRUPTED
    assert "No batch of images was finished: the same command begins anew." in capsys.readouterr().err
    enough = 1
    assert cli.main(arguments) == cli.INTERRUPTED
    said = capsys.readouterr()
    assert "4 of 10 images are kept; the same command goes on from there." in said.err
    assert "kept from" not in said.out
    assert not out.exists()
    assert (
        cli.main([*arguments, "--budget", "150"]) == cli.INTERRUPTED
    )  # another attack, of which nothing is kept
    assert "kept from" not in capsys.readouterr().out

    def counted(request: Request, *settings: Any) -> ki.Result:
        attacked.append(len(request.x))
        return attack(request, *settings)

    monkeypatch.setattr(parts.minimal, "attack", counted)
    assert cli.main(arguments) == 0
    assert "4 of 10 images are kept from a run that was interrupted" in capsys.readouterr().out
    assert attacked == [4, 4, 2]
    result = ki.Result.load(out)
    assert result.success.all()
    assert result.provenance["label"] == 3
    assert (result.distortion[result.label_before != 3] == 0).all()
    assert list(tmp_path.glob(".*")) == []
    capsys.readouterr()
    assert cli.main([*arguments[:4], str(tmp_path / "new" / "result.npz"), *arguments[5:]]) == 0
    assert f"The folder {tmp_path / 'new'} is not there; it will be made." in capsys.readouterr().out
    attacked.clear()  # other settings begin anew
    assert cli.main([*arguments[:-1], "4"]) == 0
    assert attacked == [4, 4, 2]


def test_labels_by_another_name_are_not_passed_over_silently(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    arrays.load(images)
    assert (
        f"{images} holds no labels: they would be called label or y. Not used: digits."
        in capsys.readouterr().out
    )
    np.savez(tmp_path / "with.npz", x=np.zeros((2, 3)), y=[0, 1], digits=[0, 1], starts=np.zeros((1, 3)))
    assert arrays.load(tmp_path / "with.npz")["label"].tolist() == [0, 1]
    assert capsys.readouterr().out == ""


def test_images_are_checked_before_tensorflow_is_imported(images: Path, tmp_path: Path) -> None:
    arguments = ["attack", PRESET, str(images), "--out", str(tmp_path / "out.npz"), "--bounds", "0", "0.5"]
    script = (
        f"import sys; from keras_intriguing.cli import main as cli; status = cli.main({arguments!r})\n"
        "assert status == cli.FAILED and 'tensorflow' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stderr == (
        "error: x ranges from 0 to 1, outside the bounds (0, 0.5). Bring x into the range that the model was trained on, "
        "and pass that as bounds.\n"
    )
