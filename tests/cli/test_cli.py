"""The command, on real digits."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_intriguing as ki
from keras_intriguing import data, files, presets
from keras_intriguing.attack.minimal import BUDGET
from keras_intriguing.classifiers.request import Request
from keras_intriguing.cli import main as cli
from keras_intriguing.presets import download, registry
from keras_intriguing.progress import Bar
from keras_intriguing.training import preset, recipes

PRESET = "fc10_mnist_decay1e-2"


@pytest.fixture
def images(tmp_path: Path, mnist5k: tuple[np.ndarray, np.ndarray]) -> Path:
    x, y = mnist5k
    np.savez(tmp_path / "images.npz", x=x[::500], digits=y[::500])
    return tmp_path / "images.npz"


def test_help_and_import_do_not_load_tensorflow() -> None:
    script = (
        "import sys, contextlib, keras_intriguing as ki; from keras_intriguing.cli import main as cli\n"
        "with contextlib.suppress(SystemExit): cli.main(['--help'])\n"
        "assert ki.__all__ and not {'tensorflow', 'keras', 'numpy', 'matplotlib', 'rich'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


def test_list_names_every_preset(capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["zoo", "list"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in ki.list_presets())


@pytest.fixture
def other_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A preset that did not come with the package; the mirror with it is a local folder, the cache is empty."""
    name = f"{PRESET}_seed1"
    package, zoo = tmp_path / "package", tmp_path / "zoo"
    shutil.copytree(registry.ZOO / PRESET, zoo / name)
    shutil.copytree(registry.ZOO / PRESET, zoo / PRESET)
    shutil.copytree(registry.ZOO / PRESET, package / PRESET)
    files.write_json(package / registry.REGISTRY, registry.build(zoo))
    monkeypatch.setattr(registry, "ZOO", package)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv(download.MIRROR, str(zoo))
    return name


def test_list_tells_where_a_preset_is(
    other_seed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def where() -> list[str]:
        assert cli.main(["zoo", "list"]) == 0
        return re.findall(r" (package|cache|local mirror|to fetch) *$", capsys.readouterr().out, re.MULTILINE)

    assert where() == ["package", "local mirror"]
    cached = download.cache() / other_seed
    shutil.copytree(registry.ZOO / PRESET, cached)
    assert where() == ["package", "cache"]
    (cached / "README.md").write_text("another card")
    assert where() == ["package", "local mirror"]
    monkeypatch.delenv(download.MIRROR)
    monkeypatch.chdir(tmp_path / "package")
    assert where() == ["package", "to fetch"]
    monkeypatch.chdir(tmp_path)  # as in a clone, whose zoo lies in the present folder
    (tmp_path / "zoo" / registry.REGISTRY).write_text("{}")
    assert where() == ["package", "local mirror"]
    assert presets.find(other_seed) == tmp_path / "zoo" / other_seed


def test_fetch_and_show_get_what_is_not_here(other_seed: str, capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["zoo", "fetch", PRESET, other_seed]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"{name}: {presets.find(name)}" for name in (PRESET, other_seed)]
    assert cli.main(["zoo", "show", other_seed]) == 0
    assert f"# {PRESET}" in capsys.readouterr().out


def test_fetch_shows_how_far_it_is(
    other_seed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def slowly(preset: str, on_bytes: download.OnBytes) -> Path:
        on_bytes(48_000, 48_000)
        return registry.ZOO / PRESET

    monkeypatch.setattr(download, "obtain", slowly)
    assert cli.main(["zoo", "fetch", PRESET, other_seed]) == 0
    shown = capsys.readouterr().err.strip().splitlines()
    assert len(shown) == 1  # nothing for the one that was here
    assert re.match(rf"{other_seed} .* 48.0/48.0 kB", shown[0])


def test_interrupting_a_fetch_is_no_traceback(
    other_seed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(download, "obtain", interrupt)
    assert cli.main(["zoo", "fetch", other_seed]) == cli.INTERRUPTED
    assert capsys.readouterr().err.endswith("Interrupted. What was fetched whole is kept, nothing else.\n")


def test_verify_tells_what_is_wrong(other_seed: str, capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["zoo", "verify"]) == 0
    assert capsys.readouterr().out == f"{PRESET} (package): ok\n"
    assert cli.main(["zoo", "verify", other_seed]) == cli.FAILED
    assert capsys.readouterr().out == f"{other_seed} (nowhere): not there\n"
    cached = download.cache() / other_seed
    shutil.copytree(registry.ZOO / PRESET, cached)
    assert cli.main(["zoo", "verify", other_seed]) == 0
    (cached / "README.md").unlink()
    capsys.readouterr()
    assert cli.main(["zoo", "verify"]) == cli.FAILED
    out, error = capsys.readouterr()
    assert out == f"{PRESET} (package): ok\n{other_seed} (cache): README.md is missing\n"
    assert error.startswith("error: 1 of these are not as registered.")
    shutil.rmtree(cached)
    shutil.rmtree(registry.ZOO / PRESET)
    assert cli.main(["zoo", "verify"]) == cli.FAILED
    assert capsys.readouterr().out == f"{PRESET} (nowhere): not there\n"


def test_show_prints_the_card_and_the_hash(capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["zoo", "show", PRESET]) == 0
    printed = capsys.readouterr().out
    assert f"# {PRESET}" in printed
    assert ki.presets.load_metrics(PRESET)["sha256"] in printed


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


def test_of_large_models_fewer_images_make_a_batch() -> None:
    from keras_intriguing.attack.parts import _affordable

    def dense(sizes: list[int]) -> keras.Model:
        return keras.Sequential([keras.Input((sizes[0],)), *map(keras.layers.Dense, sizes[1:])])

    small, large = dense([20, 10]), dense([2000, 10_000, 10])
    operations = 2 * 20 * 10 + 10
    assert 4e12 / 1500 / operations / 2 < _affordable(small, (20,)) <= 4e12 / 1500 / operations
    assert _affordable(large, (2000,)) == 64
    assert _affordable(small, (7,)) == 8  # the attack itself says what is wrong


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
    assert cli.main(["examine", *arguments, str(tmp_path / "page"), "--effort", "quick"]) == 0
    assert "grey level" not in capsys.readouterr().out
    np.savez(tmp_path / "rows.npz", **{**stored, "upper": np.ones(2)})
    assert cli.main(["attack", *arguments, str(tmp_path / "result.npz")]) == cli.FAILED
    assert (
        "broadcast to an example of shape (3,), not arrays of shapes () and (2,)" in capsys.readouterr().err
    )


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


def test_spectral_tells_the_steps_in_the_whole_network(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(Bar, "update", lambda bar, task, **changes: told.append(changes["description"]))
    assert cli.main(["spectral", PRESET]) == 0
    first = told.index("the whole network")
    steps = told[first + 1 : -1]
    assert steps == [f"the whole network, step {i} of {len(steps)}" for i in range(1, len(steps) + 1)]
    assert len(steps) > 1
    assert told[-1] == "done"


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
