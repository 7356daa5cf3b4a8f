"""What an examination takes: labels, names, photographs, arrays of other ranges; and what it refuses."""

import dataclasses
import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import keras_intriguing as ki
from keras_intriguing.cli import main as cli
from keras_intriguing.examination import stages

pytestmark = pytest.mark.usefixtures("small_figures")


def scaled(net: keras.Model, net_images: np.ndarray) -> keras.Model:
    """Takes images 256 times as large."""
    return keras.Sequential([keras.Input(net_images.shape[1:]), keras.layers.Rescaling(1 / 256), net])


def test_images_of_another_range_are_stored_by_it(net, net_images, tmp_path: Path) -> None:
    """Bounds of 0 and 256 are those of pixels, 256 times as large, exactly."""
    left_out = {"leave_out": ["certificates", "norms"]}
    model, x, bounds = scaled(net, net_images), 256 * net_images, (0, 256)
    plain = ki.examine(net, net_images, out=tmp_path / "plain", **left_out).findings
    found = ki.examine(model, x, out=tmp_path / "scaled", bounds=bounds, **left_out).findings
    np.testing.assert_allclose(found.result.l2, 256 * plain.result.l2, rtol=1e-3)
    y, result = plain.result.label_before, plain.result
    of_scaled = dataclasses.replace(result, adversarial=256 * result.adversarial)
    assert stages.storage(model, x, y, of_scaled, bounds) == plain.storage
    assert found.storage["8 bits"].original == plain.storage["8 bits"].original


def test_the_command_takes_integers_by_their_bounds(net, net_images, tmp_path: Path) -> None:
    scaled(net, net_images).save(tmp_path / "bytes.keras")
    pixels = np.round(255 * net_images).astype(np.uint8)
    np.savez(tmp_path / "images.npz", x=pixels)
    arguments = [
        "examine",
        str(tmp_path / "bytes.keras"),
        str(tmp_path / "images.npz"),
        "--bounds",
        "0",
        "256",
    ]
    left_out = ["--leave-out", "certificates", "norms"]
    assert cli.main([*arguments, *left_out, "--out", str(tmp_path / "page")]) == 0
    result = ki.Result.load(tmp_path / "page" / "result.npz")
    assert result.adversarial.max() > 1
    np.testing.assert_array_equal(result.label_before, ki.evaluation.labels(net, pixels / np.float32(256)))


def test_images_without_a_black_and_a_white_are_not_stored(net, net_images, tmp_path: Path) -> None:
    left_out = ["certificates", "norms"]
    found = ki.examine(net, net_images, out=tmp_path, bounds=(-np.inf, np.inf), leave_out=left_out)
    assert (
        found.findings.missing["storage"]
        == "Bounds are (-inf, inf), and not one black and one white for all pixels."
    )


def test_bad_input_is_said_before_work_starts(net, net_images, tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match="leave_out holds norm; the stages are attack, storage, certificates, norms"
    ):
        ki.examine(net, net_images, out=tmp_path, leave_out=["norm"])
    with pytest.raises(ValueError, match="effort must be one of quick, standard, thorough, not 'fast'"):
        ki.examine(net, net_images, out=tmp_path, effort="fast")
    with pytest.raises(ValueError, match="names holds 1 names, but there are"):
        ki.examine(net, net_images, out=tmp_path, names=["a"])
    for names in ({"ant": 0}, {"ant"}, 4):
        with pytest.raises(TypeError, match="names must hold the words for classes"):
            ki.examine(net, net_images, out=tmp_path, names=names)
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="Cannot write"):
        ki.examine(net, net_images, out=tmp_path / "file")


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Three of each of two classes, [8, 8], a dark and a bright one."""
    folder = tmp_path / "photographs"
    for number, name in enumerate(("dark", "light")):
        (folder / name).mkdir(parents=True)
        for i in range(3):
            pixels = np.full((8, 8, 3), 40 + 20 * i + 120 * number, np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i}.png")
    return folder


def test_photographs_are_as_bright_as_the_bounds_say(
    photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """A model of values from 0 to 255, as Keras' own tutorials build it."""
    dense = keras.layers.Dense(2)
    layers = [keras.layers.Rescaling(1 / 255), keras.layers.Flatten(), dense]
    model = keras.Sequential([keras.Input((4, 4, 3)), *layers])
    dense.set_weights([np.stack([np.zeros(48), np.full(48, 1 / 48)], axis=1), np.array([0.5, 0])])
    model.save(tmp_path / "own.keras")
    arguments = ["examine", str(tmp_path / "own.keras"), str(photographs), "--out", str(tmp_path / "page")]
    left_out = ["--leave-out", "certificates", "norms"]
    assert cli.main([*arguments, "--bounds", "0", "255", *left_out]) == 0
    assert "100.0% of 6 images are correctly classified" in capsys.readouterr().out
    record = json.loads((tmp_path / "page" / "examination.json").read_text(encoding="utf-8"))
    assert record["changed"] == 6
    assert record["storage"]["8 bits"]["original"] == 1
    result = ki.Result.load(tmp_path / "page" / "result.npz")
    away = [abs(value - 127.5) for value in (40, 60, 80, 160, 180, 200)]
    np.testing.assert_allclose(np.sort(result.distortion), np.sort(away), rtol=1e-3)
    (photographs / "third").mkdir()
    Image.new("RGB", (8, 8)).save(photographs / "third" / "0.png")
    assert cli.main(arguments) == cli.FAILED
    message = capsys.readouterr().err
    assert "3 folders of a class (dark, light, third), but the model has 2 classes" in message


def test_photographs_for_models_of_other_shapes(
    photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """One channel takes grey; a model of any size needs one, and one that is not square another file."""

    def examined(shape: tuple[int | None, ...], *options: str) -> int:
        layers = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)]
        keras.Sequential([keras.Input(shape), *layers]).save(tmp_path / "own.keras")
        arguments = [str(tmp_path / "own.keras"), str(photographs), "--out", str(tmp_path / "page")]
        return cli.main(["examine", *arguments, *options, "--leave-out", *ki.examination.STAGES])

    assert examined((4, 4, 1)) == 0
    told = "Of each photograph the middle square is taken, 7/8 of the shorter side, at 4×4 pixels, in grey."
    assert told in capsys.readouterr().out
    assert examined((None, None, 3)) == cli.FAILED
    assert "give it by --size" in capsys.readouterr().err
    assert examined((None, None, 3), "--size", "4") == 0
    assert "at 4×4 pixels." in capsys.readouterr().out
    assert examined((4, 6, 3)) == cli.FAILED
    assert "The model takes images of 4×6, and photographs are made squares" in capsys.readouterr().err


def test_labels_in_another_order_are_asked_about(net, net_images, labels, tmp_path: Path) -> None:
    y = (ki.evaluation.labels(net, net_images) + 1) % 4
    examined = ki.examine(net, net_images, y, out=tmp_path, leave_out=["certificates", "norms"])
    assert "Are the labels in the order of the model's classes?" in str(examined)
    assert "Are the values in the range that it was trained on?" in str(examined)
    assert "No image is correctly classified" in examined.page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "form",
    [
        lambda y: y[:, None].astype(np.uint8),
        lambda y: y.astype(np.float32),
        lambda y: np.eye(4)[y],
        lambda y: y.tolist(),
        tf.constant,
    ],
    ids=["column", "floats", "one-hot", "list", "tensor"],
)
def test_labels_may_have_every_usual_form(form, net, net_images, labels, tmp_path: Path) -> None:
    found = ki.examine(net, net_images, form(labels), out=tmp_path, leave_out=ki.examination.STAGES).findings
    np.testing.assert_array_equal(found.label, labels)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["ant"] * 8, "y must hold whole numbers, class indices; it holds <U3"),
        ([0.5] * 8, "y must hold whole numbers, class indices; it holds 0.5"),
        ([np.nan] * 8, "y must hold whole numbers, class indices; it holds nan"),
        ([np.inf] * 8, "y must hold whole numbers, class indices; it holds inf"),
        (np.eye(8), r"y has rows of 8 classes, but the model has 4"),
        (np.ones((8, 4)), r"y has shape \(8, 4\), but its rows are not one-hot"),
        ([0, 1], "one class for each of 8 images"),
    ],
)
def test_other_labels_are_refused(wrong, message, net, net_images, tmp_path: Path) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        ki.examine(net, net_images, wrong, out=tmp_path)


@pytest.mark.parametrize(
    "form",
    [
        lambda y, size: tf.data.Dataset.from_tensor_slices(y).batch(size),
        lambda y, size: tf.data.Dataset.from_tensor_slices(y[:, None]).batch(size),
        lambda y, size: tf.data.Dataset.from_tensor_slices(np.eye(4)[y]).batch(size),
        lambda y, size: tf.data.Dataset.from_tensor_slices(y),
        lambda y, size: tf.data.Dataset.from_tensor_slices(np.eye(4)[y]),
    ],
    ids=["batches", "columns", "one-hot", "single", "single one-hot"],
)
@pytest.mark.parametrize("size", [1, 3])
def test_a_data_set_of_pairs_brings_its_labels(form, size, net, net_images, labels, tmp_path: Path) -> None:
    y = form(labels, size)
    x = tf.data.Dataset.from_tensor_slices(net_images)
    pairs = tf.data.Dataset.zip((x.batch(size) if y.element_spec.shape[:1] == [None] else x, y)).shuffle(8)
    found = ki.examine(net, pairs, out=tmp_path, leave_out=ki.examination.STAGES).findings
    order = [int(np.argmin(np.abs(net_images - image).sum(axis=(1, 2, 3)))) for image in found.x]
    assert sorted(order) == list(range(8))
    np.testing.assert_array_equal(found.label, labels[order])
    assert found.has_labels
    given = ki.examine(net, x.batch(3), labels, out=tmp_path, leave_out=ki.examination.STAGES).findings
    np.testing.assert_array_equal(given.label, labels)
    assert not ki.examine(net, x, out=tmp_path, leave_out=ki.examination.STAGES).findings.has_labels


def test_class_names_of_the_model_are_checked(net, net_images, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(net, "class_names", ["ant", "bee"], raising=False)
    with pytest.raises(ValueError, match=r"model\.class_names holds 2 names, but there are 4 classes"):
        ki.examine(net, net_images, out=tmp_path, leave_out="attack")


def test_names_are_as_many_as_classes(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, activation="sigmoid")])
    model.class_names = ["cat"]
    x = np.random.default_rng(0).uniform(size=(6, 4)).astype(np.float32)
    with pytest.raises(ValueError, match=r"model\.class_names holds 1 names, but there are 2 classes"):
        ki.minimal_distortion(model, x)
    model.class_names = {1: "dog", 0: "cat"}  # in no order that could be relied on
    assert "classes" not in ki.minimal_distortion(model, x).provenance


def test_a_file_of_ones_own_is_not_replaced(net, net_images, tmp_path: Path) -> None:
    np.savez(tmp_path / "result.npz", mine=np.ones(3))
    with pytest.raises(ValueError, match=r"result\.npz is there already and holds no Result"):
        ki.examine(net, net_images, out=tmp_path)
    assert "mine" in np.load(tmp_path / "result.npz")
