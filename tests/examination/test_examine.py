"""A page on one's own model."""

import dataclasses
import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import keras_intriguing as ki
from keras_intriguing import files
from keras_intriguing.attack import parts
from keras_intriguing.cli import main as cli
from keras_intriguing.examination import page, run, stages

pytestmark = pytest.mark.usefixtures("small_figures")


@pytest.fixture(scope="module")
def labels(net, net_images) -> np.ndarray:
    """The model's own, but for the first image."""
    y = ki.evaluation.labels(net, net_images)
    y[0] = (y[0] + 1) % 4
    return y


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("examination")


@pytest.fixture(scope="module")
def examined(net, net_images, labels, folder) -> ki.examination.Examination:
    return ki.examine(net, net_images, labels, out=folder, names=["ant", "bee", "cat", "dog"], effort="quick")


def test_the_page_has_every_stage_and_the_class_names(examined, folder: Path) -> None:
    page = examined.page.read_text(encoding="utf-8")
    assert examined.page == folder / "report.html"
    assert "by the network&#39;s Lipschitz bound alone" in page
    assert "is of its probabilities" not in page
    for heading in ("Distances", "Examples", "Norms"):
        assert f"{heading}: " in page
    assert "Deviations from the paper" not in page
    assert "claims" not in (folder / "REPORT.md").read_text(encoding="utf-8")
    assert examined.findings.names == ["ant", "bee", "cat", "dog"]
    assert "The attack changed the label of 7 of 7." in str(examined)
    assert repr(examined) == str(examined)
    assert page.count("How this was measured") == 1


def test_the_record_has_the_numbers(examined, net, net_images, labels, folder: Path) -> None:
    record = json.loads((folder / "examination.json").read_text(encoding="utf-8"))
    result = ki.Result.load(folder / "result.npz")
    assert record["accuracy"] == 7 / 8
    assert record["changed"] == 7
    assert result.distortion[0] == 0
    l2 = record["distances"]["found"]["‖r‖₂"]
    assert l2["smallest"] == pytest.approx(result.l2[1:].min())
    assert l2["mean"] == pytest.approx(result.l2[1:].mean())
    assert record["distances"]["certified"]["‖r‖₂"]["largest"] <= l2["largest"]
    assert record["norms"]["upper"] == pytest.approx(ki.spectral.analyze(net).upper)
    assert 0 <= record["storage"]["8 bits"]["adversarial"] <= 1
    assert record["storage"]["8 bits"]["original"] == 1
    assert list(record["missing"]) == ["JPEG"]  # of five pixels
    assert record["provenance"]["versions"]["keras"] == keras.__version__


def test_the_same_call_measures_nothing_again(examined, net, net_images, labels, folder, monkeypatch) -> None:
    def refuse(*arguments: object, **settings: object) -> None:
        raise AssertionError("was measured again")

    monkeypatch.setattr(parts.minimal, "attack", refuse)
    monkeypatch.setattr(run, "certified_distortion", refuse)
    again = ki.examine(net, net_images, labels, out=folder, effort="quick", leave_out=["norms"])
    np.testing.assert_array_equal(again.findings.result.l2, examined.findings.result.l2)
    with pytest.raises(AssertionError, match="measured again"):
        ki.examine(net, net_images[1:], labels[1:], out=folder, effort="quick")


def test_certificates_and_norms_without_the_attack(net, net_images, labels, tmp_path: Path) -> None:
    found = ki.examine(net, net_images, labels, out=tmp_path, effort="quick", leave_out=["attack", "norms"])
    certificate = ki.certified_distortion(net, net_images, label=labels, effort="quick")
    right = certificate.l2[labels == net.predict(net_images, verbose=0).argmax(axis=1)]
    record = files.read_json(found.record)["distances"]
    assert record.keys() == {"certified"}
    np.testing.assert_allclose(record["certified"]["‖r‖₂"]["mean"], right.mean())
    median = np.quantile(right, 0.5, method="lower")
    assert (
        f"For half of {len(right)} images that are correctly classified it is proved that a change needs at least {median:.3g} in L2."
        in found.findings.summary
    )
    assert "Certificates: how large a change has to be at least" in found.page.read_text(encoding="utf-8")
    told = []
    norms = ki.examine(
        net,
        net_images,
        out=tmp_path / "n",
        leave_out=["attack", "certificates"],
        on_progress=lambda *progress: told.append(progress),
    )
    assert told[0] == ("norms", 0, 1)
    stage, done, total = told[-1]
    assert stage == "norms"
    assert done == total > 1  # the steps in the whole network
    assert norms.findings.summary == "Norms were measured, no distances."


def test_what_cannot_be_measured_is_named(net, net_images, tmp_path: Path) -> None:
    told = []
    found = ki.examine(
        lambda x: 2 * net(x),
        2 * net_images,
        out=tmp_path,
        bounds=(0, 2),
        leave_out=["attack"],
        on_progress=lambda stage, done, total: told.append(stage),
    )
    assert set(told) == {"certificates", "norms"}
    assert found.findings.missing["attack"] == "left out, as asked"
    assert "without the attack" in found.findings.missing["storage"]
    assert "a Keras model of one input, not function" in found.findings.missing["certificates"]
    assert "norms" in found.findings.missing
    page = found.page.read_text(encoding="utf-8")
    assert "How fragile this function is" in page
    assert "left out, as asked" in page
    assert (
        page.count(">Not measured") + page.count("Not measured<") <= 2
    )  # a heading, and its place in the contents


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
    assert found.storage["8 bits"]["original"] == plain.storage["8 bits"]["original"]


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


def test_the_command(net, net_images, labels, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    model, images = tmp_path / "own.keras", tmp_path / "images.npz"
    net.save(model)
    np.savez(images, x=net_images, y=labels)
    arguments = ["examine", str(model), str(images), "--out", str(tmp_path / "page"), "--count", "4"]
    assert cli.main([*arguments, "--leave-out", "certificates", "norms", "--batch-size", "8"]) == 0
    printed = capsys.readouterr().out
    assert "certificates not measured: left out, as asked" in printed
    assert "Page: " in printed
    record = json.loads((tmp_path / "page" / "examination.json").read_text(encoding="utf-8"))
    assert record["images"] == 4
    page = (tmp_path / "page" / "report.html").read_text(encoding="utf-8")
    assert "How fragile own.keras is on images.npz" in page
    assert "nothing was certified" in page
    assert "what is certified is" not in page
    assert "All that were changed: " in page  # too few for typical ones beside the nearest
    assert "typical" not in page
    assert cli.main(["examine", str(model), "nowhere", "--out", str(tmp_path / "page")]) == cli.FAILED
    assert "there is no nowhere" in capsys.readouterr().err
    assert cli.main(["examine", str(model), str(model), "--out", str(tmp_path / "page")]) == cli.FAILED
    assert "own.keras is none of these" in capsys.readouterr().err
    assert cli.main(["examine", "no-model.keras", "nowhere", "--out", str(tmp_path / "page")]) == cli.FAILED
    assert "there is no nowhere" in capsys.readouterr().err
    arguments[1] = "no-model.keras"  # what is wrong with the images is said before a model is looked for
    for wrong, message in (
        ({"y": labels[:3]}, f"There are {len(net_images)} images x, but labels of shape (3,)"),
        ({"x": 2 * net_images}, "outside the bounds (0, 1)"),
        ({"x": (255 * net_images).astype(np.uint8)}, "x holds uint8"),
    ):
        np.savez(images, **{"x": net_images, "y": labels, **wrong})
        assert cli.main(arguments) == cli.FAILED
        assert message in capsys.readouterr().err


def test_an_interrupted_command_tells_whether_anything_is_kept(
    net, net_images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def interrupt(*arguments: object, **settings: object) -> None:
        raise KeyboardInterrupt

    net.save(tmp_path / "own.keras")
    np.savez(tmp_path / "images.npz", x=net_images)
    arguments = ["examine", str(tmp_path / "own.keras"), str(tmp_path / "images.npz"), "--out"]
    monkeypatch.setattr(parts, "attack", interrupt)
    assert cli.main([*arguments, str(tmp_path / "page")]) == cli.INTERRUPTED
    assert "Nothing was measured." in capsys.readouterr().err
    monkeypatch.setattr(parts, "attack", lambda *arguments, **settings: nearest)
    monkeypatch.setattr(run, "certified_distortion", interrupt)
    nearest = ki.Result(**{name: np.zeros(len(net_images)) for name in ki.Result.names()})
    assert cli.main([*arguments, str(tmp_path / "page")]) == cli.INTERRUPTED
    assert "What was measured is kept; the same command goes on from there." in capsys.readouterr().err


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


def test_the_command_overwrites_nothing_else(
    net, net_images, labels, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    net.save(tmp_path / "own.keras")
    np.savez(tmp_path / "result.npz", x=net_images, y=labels[:, None])
    arguments = ["examine", str(tmp_path / "own.keras"), str(tmp_path / "result.npz"), "--out"]
    assert cli.main([*arguments, str(tmp_path)]) == cli.FAILED
    assert "result.npz is there already and holds no Result" in capsys.readouterr().err
    assert cli.main([*arguments, str(tmp_path / "page"), "--leave-out", *ki.examination.STAGES]) == 0
    assert "87.5% of 8 images" in capsys.readouterr().out


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


def test_the_page_tells_why_the_attack_failed(tmp_path: Path) -> None:
    biases = keras.layers.Dense(3, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(), biases])
    biases.bias.assign([0, 1, 2])
    x = np.full((2, 4, 4, 1), 0.5, np.float32)
    examined = ki.examine(model, x, out=tmp_path, leave_out=["certificates", "norms"])
    (reason,) = set(examined.findings.result.reason)
    assert f"changed the label of 0 of 2. On 2 it failed: {reason}" in str(examined)
    assert json.loads(examined.record.read_text(encoding="utf-8"))["failures"] == {reason: 2}


def test_class_names_of_the_model_are_checked(net, net_images, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(net, "class_names", ["ant", "bee"], raising=False)
    with pytest.raises(ValueError, match=r"model\.class_names holds 2 names, but there are 4 classes"):
        ki.examine(net, net_images, out=tmp_path, leave_out="attack")


def test_certificates_of_convolutions_are_quick_by_default(net) -> None:
    convolution = keras.layers.Conv2D(2, 3)
    convolutional = keras.Sequential([keras.Input((6, 6, 1)), keras.Sequential([convolution])])
    assert stages.default_effort(convolutional) == "quick"
    assert stages.default_effort(net) == "standard"
    assert stages.default_effort(len) == "standard"


def test_tabular_data_has_bounds_of_its_own_and_no_grey_levels(tmp_path: Path) -> None:
    upper = np.array([1, 10, np.inf, 100], np.float32)
    x = np.random.default_rng(0).uniform(0, [1, 10, 5, 100], (6, 4)).astype(np.float32)
    layer = keras.layers.Dense(3)
    model = keras.Sequential([keras.Input((4,)), layer])
    layer.set_weights([np.random.default_rng(1).normal(size=(4, 3)) / [[1], [10], [5], [100]], np.zeros(3)])
    examined = ki.examine(model, x, out=tmp_path, bounds=(0, upper), effort="quick")
    found = examined.findings
    assert found.result.success.all()
    assert (found.result.adversarial <= upper).all()
    assert (found.certificate.l2 <= found.result.l2 * (1 + 1e-6)).all()
    assert "not stored as pictures are" in found.missing["storage"]
    record = json.loads(examined.record.read_text(encoding="utf-8"))
    assert list(record["distances"]["found"]) == ["‖r‖₂", "‖r‖₂/√n"]
    assert list(record["provenance"]["bounds"]) == ["sha256"]
    page = examined.page.read_text(encoding="utf-8")
    assert "grey level" not in page
    nearest = int(np.argmin(found.result.distortion))
    moved = int(np.argmax(np.abs(found.result.adversarial[nearest] - x[nearest])))
    after = found.result.adversarial[nearest, moved]
    digits = max(0, 1 - int(np.floor(np.log10(abs(after - x[nearest, moved])))))
    change = f"{moved}: {x[nearest, moved]:.{digits}f} → {after:.{digits}f}"
    assert "Examples: which values change" in page
    assert change in page
    assert "grey levels" not in str(found.result)
    free = ki.examine(model, x, out=tmp_path, bounds=(-np.inf, np.inf), effort="quick")
    assert json.loads(free.record.read_text(encoding="utf-8"))["provenance"]["bounds"] == ["-inf", "inf"]
    np.testing.assert_allclose(free.findings.certificate.l2, free.findings.result.l2, rtol=1e-3)


def test_changes_of_values_can_be_seen() -> None:
    before, after = np.array([83.0, 53100, 0.671, 18, 5]), np.array([83.0001, 53102.31, 0.657, 45.3, 5])
    assert page._changes(before, after) == "3: 18 → 45, 1: 53100.0 → 53102.3"
    assert page._changes(before[2:3], after[2:3]) == "0: 0.671 → 0.657"


def test_a_binary_classifier(tmp_path: Path) -> None:
    x = np.random.default_rng(0).uniform(0.3, 0.7, (6, 4)).astype(np.float32)
    layer = keras.layers.Dense(1, activation="sigmoid")
    model = keras.Sequential([keras.Input((4,)), layer])
    layer.set_weights([np.array([[1.0], [-2], [3], [-1]]), np.array([-0.5])])
    y = ki.evaluation.labels(model, x)
    found = ki.examine(model, x, y, out=tmp_path, effort="quick").findings
    assert found.result.success.all()
    assert found.accuracy == 1
    assert found.norms["of_probabilities"]
    assert "100.0% of 6 examples are correctly classified" in found.summary
    assert "grey levels" not in found.summary
    assert "Rows of values" in found.missing["storage"]
    assert "of its probabilities, not of logits" in (tmp_path / "report.html").read_text(encoding="utf-8")
    np.testing.assert_allclose(found.certificate.l2, found.result.l2, rtol=1e-2)
    assert tf.is_tensor(model(x))


def test_what_another_model_gave_is_not_taken_for_this_ones(tmp_path: Path) -> None:
    """Models of the same name and weights that compute something else, and functions of the same name."""
    random = np.random.default_rng(0)
    x = random.uniform(-1, 1, (12, 6)).astype(np.float32)
    nets = [
        keras.Sequential(
            [keras.Input((6,)), keras.layers.Dense(16, activation), keras.layers.Dense(3)], name="net"
        )
        for activation in ("relu", "tanh")
    ]
    nets[0].set_weights([random.normal(size=w.shape) for w in nets[0].get_weights()])
    nets[1].set_weights(nets[0].get_weights())
    before = [np.argmax(net(x), axis=1) for net in nets]
    x = x[before[0] == before[1]]
    assert len(x)
    for folder, models in (("nets", nets), ("functions", [lambda v, n=net: n(v) for net in nets])):
        for model in models:
            asked = {"bounds": (-1, 1), "effort": "quick"}
            kept = {"out": tmp_path / folder, "leave_out": ["norms", "storage"], **asked}
            found = ki.examine(model, x, **kept).findings
            assert found.result is not None
            labels = np.argmax(model(found.result.adversarial), axis=1)
            np.testing.assert_array_equal(labels, found.result.label_after)
            if found.certificate is not None:
                own = ki.certified_distortion(model, x, **asked)
                np.testing.assert_array_equal(found.certificate.l2, own.l2)
                fresh = ki.minimal_distortion(model, x, bounds=(-1, 1))
                assert fresh.success.all()
                assert (found.certificate.distortion <= fresh.distortion * (1 + 1e-5)).all()
            again = ki.examine(model, x, **kept).findings.result
            np.testing.assert_array_equal(again.adversarial, found.result.adversarial)


def test_names_are_as_many_as_classes(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, activation="sigmoid")])
    model.class_names = ["cat"]
    x = np.random.default_rng(0).uniform(size=(6, 4)).astype(np.float32)
    with pytest.raises(ValueError, match=r"model\.class_names holds 1 names, but there are 2 classes"):
        ki.minimal_distortion(model, x)
    model.class_names = {1: "dog", 0: "cat"}  # in no order that could be relied on
    assert "classes" not in ki.minimal_distortion(model, x).provenance


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (1, "The one that was changed (‖r‖₂ "),
        (4, "All that were changed: 4 (‖r‖₂ from "),
        (5, "right, the one with the largest ("),  # four are nearest, and one is no middle
        (8, "right, the 4 with the largest (up to "),
        (9, "right, the 4 with the largest (up to "),
        (11, "right, the 4 with the largest (up to "),
        (12, "right, 4 others from the middle of all that were changed (about "),
    ],
)
def test_typical_examples_are_from_the_middle(count: int, told: str, tmp_path: Path) -> None:
    grey = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])
    x = np.random.default_rng(0).uniform(0.2, 0.8, (count, 8, 8, 1)).astype(np.float32)
    found = ki.examine(grey, x, out=tmp_path, leave_out=["certificates", "norms"])
    assert found.findings.changed.all()
    assert told in found.page.read_text(encoding="utf-8")
    if "largest" in told:
        assert f"{told}{found.findings.result.l2.max():.3g})." in found.page.read_text(encoding="utf-8")
    if count == 1:
        assert f"{told}{found.findings.result.l2[0]:.3g})." in found.page.read_text(encoding="utf-8")


def test_that_nothing_is_proved_is_no_share_of_zero(examined) -> None:
    findings, certificate = examined.findings, examined.findings.certificate
    assert " of the found ones in the median." in findings.summary
    loose = dataclasses.replace(certificate, distortion=np.zeros_like(certificate.distortion))
    assert (
        "For half of the changed images or more nothing is proved."
        in dataclasses.replace(findings, certificate=loose).summary
    )


def test_what_is_not_drawn_is_said(tmp_path: Path) -> None:
    four = keras.Sequential([keras.Input((8, 8, 4)), keras.layers.Flatten(), keras.layers.Dense(3)])
    x = np.random.default_rng(0).uniform(0.2, 0.8, (4, 8, 8, 4)).astype(np.float32)
    found = ki.examine(four, x, out=tmp_path, leave_out=["certificates", "norms"])
    assert found.findings.changed.any()
    assert found.findings.missing["pictures"] == "There are no pictures of images of 4 channels, and no JPEG."
    assert "images of 4 channels" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_what_is_certified_is_told_where_nothing_was_changed(tmp_path: Path) -> None:
    """The box holds no example of another class: the margin is 2, and falls by at most 0.1."""
    steady = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    steady.set_weights([np.array([[0.1, 0.0]] * 4, np.float32), np.array([2.0, 0.0], np.float32)])
    found = ki.examine(
        steady, np.full((3, 4), 0.5, np.float32), out=tmp_path, bounds=(0.25, np.inf), leave_out="norms"
    )
    assert not found.findings.changed.any()
    record = json.loads((tmp_path / "examination.json").read_text(encoding="utf-8"))
    assert list(record["distances"]) == ["certified"]
    assert "Certificates: how large a change" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_file_of_ones_own_is_not_replaced(net, net_images, tmp_path: Path) -> None:
    np.savez(tmp_path / "result.npz", mine=np.ones(3))
    with pytest.raises(ValueError, match=r"result\.npz is there already and holds no Result"):
        ki.examine(net, net_images, out=tmp_path)
    assert "mine" in np.load(tmp_path / "result.npz")
