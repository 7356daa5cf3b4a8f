"""A page on one's own model."""

import dataclasses
import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_intriguing as ki
from keras_intriguing import files
from keras_intriguing.attack import parts
from keras_intriguing.cli import main as cli
from keras_intriguing.examination import page, run, stages

pytestmark = pytest.mark.usefixtures("small_figures")


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


def test_the_page_tells_why_the_attack_failed(tmp_path: Path) -> None:
    biases = keras.layers.Dense(3, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(), biases])
    biases.bias.assign([0, 1, 2])
    x = np.full((2, 4, 4, 1), 0.5, np.float32)
    examined = ki.examine(model, x, out=tmp_path, leave_out=["certificates", "norms"])
    (reason,) = set(examined.findings.result.reason)
    assert f"changed the label of 0 of 2. On 2 it failed: {reason}" in str(examined)
    assert json.loads(examined.record.read_text(encoding="utf-8"))["failures"] == {reason: 2}


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
    assert found.norms.of_probabilities
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
                assert found.result.success.all()
                assert (found.certificate.distortion <= found.result.distortion * (1 + 1e-5)).all()
            again = ki.examine(model, x, **kept).findings.result
            np.testing.assert_array_equal(again.adversarial, found.result.adversarial)


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (1, "The one that was changed (‖r‖₂ 1)."),
        (4, "All that were changed: 4 (‖r‖₂ from 1 to 4)."),
        (5, "right, the one with the largest (5)."),  # four are nearest, and one is no middle
        (8, "right, the 4 with the largest (up to 8)."),
        (9, "right, the 4 with the largest (up to 9)."),
        (11, "right, the 4 with the largest (up to 11)."),
        (12, "right, 4 others from the middle of all that were changed (about 7)."),
    ],
)
def test_typical_examples_are_from_the_middle(count: int, told: str) -> None:
    order, l2 = np.random.default_rng(0).permutation(count), np.empty(count)
    l2[order] = np.arange(1, count + 1)
    groups = page._groups(order)
    assert told in page._told(groups, l2)
    nearest, *others = groups.values()
    np.testing.assert_array_equal(l2[nearest], np.arange(1, min(count, 4) + 1))
    for rows in others:
        assert not set(rows) & set(nearest)
        assert l2[rows[-1]] == (count if "largest" in told else 8)


def test_a_page_shows_typical_examples_beside_the_nearest(tmp_path: Path) -> None:
    grey = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])
    x = np.random.default_rng(0).uniform(0.2, 0.8, (12, 8, 8, 1)).astype(np.float32)
    found = ki.examine(grey, x, out=tmp_path, leave_out=["certificates", "norms"])
    assert found.findings.changed.all()
    typical = np.sort(found.findings.result.l2)[6]
    told = f"right, 4 others from the middle of all that were changed (about {typical:.3g})."
    assert told in found.page.read_text(encoding="utf-8")


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
