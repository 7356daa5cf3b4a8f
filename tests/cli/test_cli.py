"""The command: help, errors, `train` and `certify`."""

import json
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_intriguing as ki
from keras_intriguing import data, files
from keras_intriguing.cli import main as cli
from keras_intriguing.training import preset, recipes

PRESET = "fc10_mnist_decay1e-2"


def test_help_and_import_do_not_load_tensorflow() -> None:
    script = (
        "import sys, contextlib, keras_intriguing as ki; from keras_intriguing.cli import main as cli\n"
        "with contextlib.suppress(SystemExit): cli.main(['--help'])\n"
        "assert ki.__all__ and not {'tensorflow', 'keras', 'numpy', 'matplotlib', 'rich'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["zoo", "show", "fc11"], "Unknown preset 'fc11'. Known: ae400_10_mnist"),
        (["zoo", "fetch", PRESET, "fc11"], "Unknown preset 'fc11'"),
        (["zoo", "verify", "../zoo"], "Unknown preset '../zoo'"),
        (["train", "fc11"], "No recipe for a preset 'fc11'. Known: fc10_mnist_decay1e-4"),
        (["attack", "fc11", "{images}", "--out", "{out}"], "Unknown preset 'fc11'"),
        (["attack", "missing.keras", "{images}", "--out", "{out}"], "There is no model file missing.keras"),
        (["attack", "missing.hdf5", "{images}", "--out", "{out}"], "There is no model file missing.hdf5"),
        (["attack", PRESET, "{images}", "--out", "{out}", "--levels", "1"], "levels must be a whole number"),
        (
            ["attack", PRESET, "{images}", "--out", "{out}", "--budget", "99"],
            "budget must be a whole number of at least 100 passes, not 99",
        ),
        (
            ["attack", PRESET, "{images}", "--out", "{out}", "--method", "penalty", "--budget", "500"],
            "--budget is for --method direct",
        ),
        (["attack", PRESET, "{images}", "--out", "{out}", "--png", "{folder}"], "--png needs --levels 256"),
        (["attack", PRESET, "missing.npz", "--out", "{out}"], "There is no file missing.npz"),
        (["attack", PRESET, "{text}", "--out", "{out}"], "is not a NumPy .npz file of plain arrays"),
        (["attack", PRESET, "{unnamed}", "--out", "{out}"], "holds no array named x; it holds images"),
        (["attack", "{text}", "{images}", "--out", "{out}"], "could not be loaded as a saved Keras model"),
        (
            ["attack", "{exported}", "{images}", "--out", "{out}"],
            "exported is a SavedModel, and commands take",
        ),
        (["attack", PRESET, "{images}", "--out", "{folder}"], "Cannot write .*it is a folder"),
        (
            ["attack", PRESET, "{images}", "--out", "{out}", "--target", "10"],
            "target holds 10, but the model has 10",
        ),
        (
            ["attack", PRESET, "{flat}", "--out", "{out}", "--batch-size", "2"],
            r"takes inputs of shape \(None, 28, 28, 1\), but x has shape \(5, 784\)",
        ),
        (
            ["attack", PRESET, "{few}", "--out", "{out}", "--batch-size", "2"],
            r"label must hold one class for each of 5 images; its shape is \(3,\)",
        ),
    ],
)
def test_bad_input_is_one_clear_line(
    arguments: list[str], message: str, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "text.npz").write_text("no arrays")
    np.savez(tmp_path / "unnamed.npz", images=np.zeros(3))
    np.savez(tmp_path / "flat.npz", x=np.zeros((5, 784), np.float32))
    np.savez(tmp_path / "few.npz", x=np.zeros((5, 28, 28, 1), np.float32), y=np.zeros(3, int))
    (tmp_path / "exported").mkdir()
    (tmp_path / "exported" / "saved_model.pb").touch()
    places = {
        "images": images,
        "out": tmp_path / "out.npz",
        "text": tmp_path / "text.npz",
        "unnamed": tmp_path / "unnamed.npz",
        "flat": tmp_path / "flat.npz",
        "few": tmp_path / "few.npz",
        "exported": tmp_path / "exported",
        "folder": tmp_path,
    }
    assert cli.main([a.format(**places) for a in arguments]) == cli.FAILED
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert re.search(message, error)
    assert not (tmp_path / "out.npz").exists()


def test_an_error_of_tensorflow_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(cli.zoo, "_list", lambda options: tf.matmul(tf.ones((2, 3)), tf.ones((2, 3))))
    assert cli.main(["zoo", "list"]) == 2
    assert capsys.readouterr().err.startswith("error: Matrix size-incompatible: In[0]: [2,3]")


def test_train_makes_a_preset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    x, y = ki.data.load("mnist5k", "train")
    monkeypatch.setattr(data, "load", lambda name, split, data_dir: (x[::10], y[::10]))
    out = tmp_path / PRESET
    assert cli.main(["train", PRESET, "--out", str(out), "--seed", "3"]) == 0
    metrics = ki.presets.load_metrics(out)
    assert metrics["seed"] == 3
    assert metrics["train_error"] == ki.evaluation.error(ki.from_preset(out), x[::10], y[::10])
    assert (
        f"| training error, 500 images | {100 * metrics['train_error']:.2f}% | 10% |"
        in capsys.readouterr().out
    )
    assert cli.main(["train", PRESET, "--out", str(out)]) == cli.FAILED
    assert "already holds a finished preset" in capsys.readouterr().err


def test_interrupting_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    def interrupt(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(preset, "train_preset", interrupt)
    assert cli.main(["train", PRESET, "--out", str(tmp_path / "out")]) == cli.INTERRUPTED
    assert "goes on from the last finished round" in capsys.readouterr().err


def test_every_shipped_preset_has_a_recipe() -> None:
    assert set(ki.list_presets()) <= set(recipes.RECIPES)


def test_bounds_of_every_value_lie_in_the_file(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    layer = keras.layers.Dense(2)
    model = keras.Sequential([keras.Input((3,)), layer])
    layer.set_weights([np.array([[0, 1], [0, 1], [0, 1.0]]), np.array([0.0, -30])])
    model.save(tmp_path / "model.keras")
    stored = {"x": np.ones((2, 3), np.float32), "upper": np.array([1.5, np.inf, 20]), "lower": -np.inf}
    np.savez(tmp_path / "rows.npz", **stored)
    arguments = [str(tmp_path / "model.keras"), str(tmp_path / "rows.npz"), "--out"]
    assert cli.main(["attack", *arguments, str(tmp_path / "result.npz")]) == 0
    result = ki.Result.load(tmp_path / "result.npz")
    np.testing.assert_allclose(result.adversarial, np.full((2, 3), [1.5, 14.25, 14.25]), rtol=1e-3)
    assert cli.main(["certify", *arguments, str(tmp_path / "certificate.npz")]) == 0
    certificate = ki.Certificate.load(tmp_path / "certificate.npz")
    assert (certificate.l2 <= result.l2).all()
    np.testing.assert_allclose(certificate.l2, result.l2, rtol=2e-3)
    more = [str(tmp_path / "verified.npz"), "--radius", "0.5", "--seconds", "2"]
    assert cli.main(["certify", *arguments, *more]) == 0
    verification = ki.certificates.Verification.load(tmp_path / "verified.npz")
    assert verification.verified.tolist() == [True, True]
    assert verification.provenance["seconds"] == 2
    assert cli.main(["examine", *arguments, str(tmp_path / "page"), "--effort", "quick"]) == 0
    assert "grey level" not in capsys.readouterr().out
    np.savez(tmp_path / "rows.npz", **{**stored, "upper": np.ones(2)})
    assert cli.main(["attack", *arguments, str(tmp_path / "result.npz")]) == cli.FAILED
    assert (
        "broadcast to an example of shape (3,), not arrays of shapes () and (2,)" in capsys.readouterr().err
    )


def test_commands_are_silent_about_what_the_machine_lacks(tmp_path: Path) -> None:
    np.savez(tmp_path / "images.npz", x=np.full((2, 28, 28, 1), 0.5, np.float32))
    command = [sys.executable, "-m", "keras_intriguing", "spectral", PRESET, "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert json.loads(done.stdout)["model"] == PRESET
    lines = [
        line
        for line in done.stderr.splitlines()
        if "cuda" in line.lower() or "oneDNN" in line or "absl" in line
    ]
    assert lines == []


def test_certify_writes_distortions_or_verifies_a_radius(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "certified.npz"
    assert cli.main(["certify", PRESET, str(images), "--out", str(out)]) == 0
    with np.load(out) as stored:
        certified = {name: stored[name] for name in stored.files}
    provenance = json.loads(str(certified["provenance"]))
    assert provenance["complete"]
    assert provenance["file_sha256"] == files.sha256(images)
    assert (certified["distortion"] > 0).all()
    assert "Result written to" in capsys.readouterr().out
    radius = float(np.median(certified["distortion"])) * 28
    arguments = ["certify", PRESET, str(images), "--radius", str(radius), "--out"]
    assert cli.main([*arguments, str(out)]) == cli.FAILED
    assert "certified.npz is there already and holds a Certificate" in capsys.readouterr().err
    assert cli.main([*arguments, str(images.with_name("other.npz"))]) == 0
    out = images.with_name("other.npz")
    with np.load(out) as stored:
        expected = certified["distortion"] * 28 > radius
        assert (stored["verified"] == expected).mean() >= 0.9


@pytest.mark.parametrize("option", ["--radius", "--seconds"])
@pytest.mark.parametrize("number", ["-1", "inf", "much"])
def test_what_is_no_distance_or_time_is_said_before_anything_is_loaded(
    option: str, number: str, capsys: pytest.CaptureFixture
) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["certify", "missing.keras", "missing.npz", "--out", "certified.npz", option, number])
    assert stopped.value.code == cli.FAILED
    assert f"{option}: must be a finite number of at least 0, not {number}." in capsys.readouterr().err


def test_certify_keeps_what_is_done_when_it_is_interrupted(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, batches = tmp_path / "certified.npz", []

    def interrupt_the_second(*arguments: object) -> tuple[np.ndarray, np.ndarray]:
        batches.append(arguments)
        if len(batches) > 1:
            raise KeyboardInterrupt
        return np.full(4, 1e9), np.zeros(4, int)

    monkeypatch.setattr("keras_intriguing.certificates.distortion.images_at_once", lambda *arguments: 4)
    monkeypatch.setattr("keras_intriguing.certificates.distortion._largest_radii", interrupt_the_second)
    assert cli.main(["certify", PRESET, str(images), "--out", str(out)]) == 130
    assert "certified until then" in capsys.readouterr().err
    with np.load(out) as stored:
        assert not json.loads(str(stored["provenance"]))["complete"]
        assert np.isfinite(stored["relaxation"]).sum() == 4
        assert (stored["distortion"] > 0).all()
