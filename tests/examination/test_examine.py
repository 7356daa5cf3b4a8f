"""A page on one's own model."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_intriguing as ki
from keras_intriguing.attack import parts
from keras_intriguing.cli import main as cli
from keras_intriguing.examination import run, stages

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
    assert record["missing"] == {}
    assert record["provenance"]["versions"]["keras"] == keras.__version__


def test_the_same_call_measures_nothing_again(examined, net, net_images, labels, folder, monkeypatch) -> None:
    def refuse(*arguments: object, **settings: object) -> None:
        raise AssertionError("was measured again")

    monkeypatch.setattr(parts, "minimal_distortion", refuse)
    monkeypatch.setattr(run, "certified_distortion", refuse)
    again = ki.examine(net, net_images, labels, out=folder, effort="quick", leave_out=["norms"])
    np.testing.assert_array_equal(again.findings.result.l2, examined.findings.result.l2)
    with pytest.raises(AssertionError, match="measured again"):
        ki.examine(net, net_images[1:], labels[1:], out=folder, effort="quick")


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
    assert "left out, as asked" in page
    assert (
        page.count(">Not measured") + page.count("Not measured<") <= 2
    )  # a heading, and its place in the contents


def test_images_of_another_range_are_not_stored(net, net_images, tmp_path: Path) -> None:
    left_out = ["certificates", "norms"]
    found = ki.examine(net, 2 * net_images - 1, out=tmp_path, bounds=(-1, 1), leave_out=left_out)
    assert "Bounds are (-1, 1), and not those of pixels in [0, 1]." in found.findings.missing["storage"]


def test_bad_input_is_said_before_work_starts(net, net_images, tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match="leave_out holds norm; the stages are attack, storage, certificates, norms"
    ):
        ki.examine(net, net_images, out=tmp_path, leave_out=["norm"])
    with pytest.raises(ValueError, match="names holds 1 names, but there are"):
        ki.examine(net, net_images, out=tmp_path, names=["a"])
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
    assert "images that were changed" in page  # too few for typical ones beside the nearest
    assert "typical" not in page
    assert cli.main(["examine", str(model), "nowhere", "--out", str(tmp_path / "page")]) == cli.FAILED
    assert "there is no nowhere" in capsys.readouterr().err
    assert cli.main(["examine", str(model), str(model), "--out", str(tmp_path / "page")]) == cli.FAILED
    assert "own.keras is none of these" in capsys.readouterr().err
    arguments[1] = "no-model.keras"  # what is wrong with the images is said before a model is looked for
    for wrong, message in (
        ({"y": labels[:3]}, f"There are {len(net_images)} images x, but labels of shape (3,)"),
        ({"x": 2 * net_images}, "outside the bounds (0, 1)"),
        ({"x": (255 * net_images).astype(np.uint8)}, "x holds uint8"),
    ):
        np.savez(images, **{"x": net_images, "y": labels, **wrong})
        assert cli.main(arguments) == cli.FAILED
        assert message in capsys.readouterr().err


def test_the_command_takes_integers_by_their_bounds(net, net_images, tmp_path: Path) -> None:
    keras.Sequential([keras.Input(net_images.shape[1:]), keras.layers.Rescaling(1 / 255), net]).save(
        tmp_path / "bytes.keras"
    )
    pixels = np.round(255 * net_images).astype(np.uint8)
    np.savez(tmp_path / "images.npz", x=pixels)
    arguments = [
        "examine",
        str(tmp_path / "bytes.keras"),
        str(tmp_path / "images.npz"),
        "--bounds",
        "0",
        "255",
    ]
    left_out = ["--leave-out", "certificates", "norms"]
    assert cli.main([*arguments, *left_out, "--out", str(tmp_path / "page")]) == 0
    result = ki.Result.load(tmp_path / "page" / "result.npz")
    assert result.adversarial.max() > 1
    np.testing.assert_array_equal(result.label_before, ki.evaluation.labels(net, pixels / np.float32(255)))


def test_labels_in_another_order_are_asked_about(net, net_images, labels, tmp_path: Path) -> None:
    y = (ki.evaluation.labels(net, net_images) + 1) % 4
    examined = ki.examine(net, net_images, y, out=tmp_path, leave_out=["certificates", "norms"])
    assert "Are the labels in the order of the model's classes?" in str(examined)
    assert "No image is correctly classified" in examined.page.read_text(encoding="utf-8")


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
    change = f"{moved}: {x[nearest, moved]:.3g} → {found.result.adversarial[nearest, moved]:.3g}, "
    assert "Examples: which values change" in page
    assert change in page
    assert "grey levels" not in str(found.result)
    free = ki.examine(model, x, out=tmp_path, bounds=(-np.inf, np.inf), effort="quick")
    assert json.loads(free.record.read_text(encoding="utf-8"))["provenance"]["bounds"] == ["-inf", "inf"]
    np.testing.assert_allclose(free.findings.certificate.l2, free.findings.result.l2, rtol=1e-3)


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
