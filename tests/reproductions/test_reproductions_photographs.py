"""Figures 3 to 5, with a small net on small pictures of ten colours."""

import hashlib
import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import keras_intriguing as ki
import reproductions.__main__ as reproductions
from keras_intriguing import presets
from keras_intriguing.data import photographs
from keras_intriguing.models.base import PresetModel
from keras_intriguing.training import initialize
from keras_intriguing.training.photographs import error
from reproductions.chapters import figure5
from reproductions.chapters import imagenet as imagenet_chapter
from reproductions.coherence import comparisons, kinds
from reproductions.coherence import photographs as photograph_directions
from reproductions.measurements import detector, imagenet, one_target, survival
from reproductions.measurements.examples import DIRECT, PENALTY
from reproductions.measurements.folded import FoldedNorms, folded
from reproductions.measurements.one_target import Targeted
from reproductions.shared import imagenette
from reproductions.shared.intervals import Number
from reproductions.shared.measurement import Values
from reproductions.shared.run import Run

pytestmark = pytest.mark.usefixtures("small_figures")
_CLASSES = tuple(sorted(photographs.IMAGENETTE))
_COLOURS = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1],
                     [0, 1, 1], [1, 1, 1], [0, 0, 0], [1, 0.5, 0], [0, 0.5, 1]])  # fmt: skip


@keras.saving.register_keras_serializable(package="keras_intriguing")
class Colours(PresetModel):
    """Some classes of images of 12×12."""

    __module__ = ki.models.AlexNet.__module__  # a preset of another module is not loaded

    def __init__(self, classes: int = 10, name: str | None = None, **kwargs: object) -> None:
        inputs = keras.Input((12, 12, 3))
        x = keras.layers.Conv2D(8, 3, 2, activation="relu", name="conv5")(inputs)
        x = keras.layers.Dense(16, "relu", name="fc2")(keras.layers.Flatten()(x))
        outputs = keras.layers.Dense(classes, name="fc3")(x)
        super().__init__(inputs=inputs, outputs=outputs, name=name, **kwargs)
        self.classes = classes

    def get_config(self) -> dict:
        return {"classes": self.classes, **super().get_config()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made, random = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for name, colour in zip(_CLASSES, _COLOURS, strict=True):
        (made / name).mkdir()
        for i in range(8):
            pixels = 255 * (0.15 + 0.7 * colour) + random.normal(0, 25, (20, 20, 3))
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(made / name / f"{i}.png")
    return made


def test_few_photographs_are_classified_together(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A net holds the outputs of all its layers at once."""
    found, sizes = photographs.load(folder), []

    class Net:
        input_shape = (None, 256, 256, 3)

        def __call__(self, x: tf.Tensor) -> tf.Tensor:
            sizes.append(len(x))
            return tf.reduce_mean(x, axis=(1, 2))

    class OneNet:
        def model(self, preset: str) -> Net:
            return Net()

    monkeypatch.setattr(imagenette, "validation", lambda run: found)
    labels = imagenette.predicted_labels(OneNet(), "net")
    np.testing.assert_array_equal(labels, found.images(256).mean(axis=(1, 2)).argmax(axis=1))
    assert sum(sizes) == len(found) == 80
    assert max(sizes) * 256 * 256 * 12 <= 2**24


@pytest.fixture(scope="module")
def zoo(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two presets of the net, trained from two seeds."""
    found = photographs.load(folder)
    made = []
    for seed in (0, 1):
        model = trained(Colours(), found.images(12), found.labels, seed)
        preset = tmp_path_factory.mktemp("zoo") / f"colours{seed}"
        presets.save_to_preset(
            model,
            preset,
            {"classes": list(_CLASSES), "recipe": {"seed": 0}, "images_sha256": {"val": "other"}},
            "a card",
        )
        made.append(str(preset))
    assert error(model, found) < 0.1
    return made


def trained(model: keras.Model, x: np.ndarray, y: np.ndarray, seed: int) -> keras.Model:
    keras.utils.set_random_seed(seed)
    initialize(model, seed)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # compiled it would take longer
    model.compile(keras.optimizers.Adam(0.004), loss, jit_compile=False)
    model.fit(x, y, epochs=25, batch_size=16, verbose=0)
    return model


@pytest.fixture
def small(zoo: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The figures of the small net, with fewer images and tests; for `penalty`, which takes longer to compile, `direct`."""
    attack = ki.minimal_distortion

    def quick(*images: Any, method: str, **options: Any) -> ki.Result:
        return attack(*images, **{**options, "budget": 300})

    monkeypatch.setattr(ki, "minimal_distortion", quick)
    monkeypatch.setattr(imagenette, "ALEXNET", zoo[0])
    monkeypatch.setattr(photograph_directions, "FEATURE_NET", zoo[1])
    monkeypatch.setattr(photograph_directions, "_FEATURE_LAYER", "fc2")
    for module in (one_target, figure5):
        monkeypatch.setattr(module, "IMAGES", 6)
    monkeypatch.setattr(figure5, "_SHOWN", 4)
    monkeypatch.setattr(kinds, "RANDOM_COUNT", 40)
    monkeypatch.setattr(comparisons, "DRAWS", 50)


@pytest.mark.usefixtures("small")
def test_figures_3_to_5_are_measured_and_reported(folder: Path, tmp_path: Path, zoo: list[str]) -> None:
    arguments = ["figure3", "figure4", "figure5", "--images", str(folder), "--out", str(tmp_path)]
    assert reproductions.main(arguments) == 0
    text = (tmp_path / "REPORT.md").read_text(encoding="utf-8")
    for part in (
        "Figure 3: photographs",
        "Figure 4: photographs",
        "0.006508",
        "JPEG, quality 75",
        "fc2 (",
        "conv5 (",
    ):
        assert part in text, part
    for name in ("figure3", "figure4", "figure5-examples"):
        assert (tmp_path / "figures" / f"{name}.jpg").stat().st_size > 5_000

    record = json.loads((tmp_path / "records/figure5/direct.json").read_text())
    values, key = record["values"], record["key"]
    assert key["dataset"] == "imagenette"
    assert key["images"] == 80
    found = photographs.load(folder)
    assert (
        key["images_sha256"]
        == hashlib.sha256(bytes.fromhex(found.sha256) + found.labels.tobytes()).hexdigest()
    )
    assert f"the 80 photographs of {folder.name} (not the validation photographs" in text
    assert values["success"]["value"] == 1
    assert values["peak_mib"] > 100
    # what was measured is so of the very images that were kept
    (path,) = (tmp_path / "examples").rglob("*direct.npz")
    kept = np.load(path)
    net = ki.from_preset(zoo[0])
    targets = set(kept["target"].tolist())
    assert len(targets) == 1
    assert set(np.argmax(net(kept["adversarial"]), -1).tolist()) == targets
    survive = values["target"]["1"]
    rounded = np.rint(kept["adversarial"] * 255) / 255
    share = float(np.mean(np.argmax(net(rounded.astype(np.float32)), -1) == kept["target"]))
    assert survive["8 bits"]["value"] == pytest.approx(share)
    assert survive["as computed"]["value"] == 1
    assert values["wrong"]["2"]["as computed"]["value"] >= 0.5

    assert "On photographs, too, units and random directions are equally alike" in text
    layer = json.loads((tmp_path / "records/figures34/fc2.json").read_text())["values"]
    assert layer["untrained"] == "untrained-fc2"
    shown = layer["panels"]["units"]
    features = ki.directions.activations(net, "fc2", photographs.load(folder).images(12))
    for unit, indices in zip(shown["names"], shown["indices"], strict=True):
        assert features[indices, unit] == pytest.approx(np.sort(features[:, unit])[::-1][:5])


@pytest.mark.usefixtures("small")
def test_a_net_of_other_classes_is_driven_to_its_own_target(
    folder: Path, tmp_path: Path, zoo: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # the small net's classes in the place of ImageNet's, one of which no folder of photographs has
    for module in (imagenet, imagenet_chapter):
        monkeypatch.setattr(module, "PRESET", zoo[0])
        monkeypatch.setattr(module, "IMAGES", 6)
    monkeypatch.setattr(imagenet, "CLASSES", {name: i for i, name in enumerate(_CLASSES)})
    monkeypatch.setattr(imagenet, "OSTRICH", 9)
    monkeypatch.setattr(imagenet_chapter, "LAYERS", ("fc2", "conv5"))
    monkeypatch.setattr(imagenet_chapter, "NORMS", FoldedNorms("imagenet/norms", zoo[0]))
    assert reproductions.main(["imagenet", "--images", str(folder), "--out", str(tmp_path)]) == 0
    text = (tmp_path / "REPORT.md").read_text(encoding="utf-8")
    for part in (
        "takes photographs for ostriches",
        "0.006508",
        "8 bits",
        "conv5",
        "too, units and random directions",
    ):
        assert part in text, part
    assert (tmp_path / "figures" / "imagenet-examples.jpg").stat().st_size > 5_000
    net, found = ki.from_preset(zoo[0]), photographs.load(folder)
    right = float(np.mean(np.argmax(net(found.images(12)), -1) == found.labels))
    assert json.loads((tmp_path / "records/imagenet/accuracy.json").read_text())["values"]["value"] == right
    kept = np.load(tmp_path / "examples/imagenet/ostrich-256.npz")
    assert kept["success"].all()
    assert set(np.argmax(net(kept["adversarial"]), -1)) == {9}
    assert np.abs(kept["adversarial"] * 255 - np.rint(kept["adversarial"] * 255)).max() < 1e-4
    survived = json.loads((tmp_path / "records/imagenet/ostrich-256.json").read_text())["values"]["target"][
        "1"
    ]
    assert survived["8 bits"]["value"] == 1
    nearest, ostrich = (
        json.loads((tmp_path / f"records/imagenet/{name}.json").read_text())["values"]["distortion"]["value"]
        for name in ("nearest", "ostrich")
    )
    assert 0 < nearest < ostrich


def test_normalization_is_folded_into_the_layer_before_it() -> None:
    random = np.random.default_rng(0)
    model = keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            keras.layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same"),
            keras.layers.BatchNormalization(),
            keras.layers.Conv2D(3, 3, 2),
            keras.layers.BatchNormalization(),
            keras.layers.Flatten(),
            keras.layers.Dense(4),
        ]
    )
    for layer in model.layers:
        layer.set_weights(
            [random.uniform(0.5, 2, w.shape) * random.choice([-1, 1]) for w in layer.get_weights()]
        )
    for layer in model.layers[1:4:2]:
        layer.moving_variance.assign(random.uniform(0.5, 2, layer.moving_variance.shape))
    for (layer, shape), begin, end in zip(folded(model), (0, 2, 5), (1, 3, 5), strict=True):
        part = keras.Model(model.layers[begin].input, model.layers[end].output)
        point = tf.constant(random.random((1, *shape)), tf.float32)
        with tf.GradientTape() as tape:
            tape.watch(point)
            value = part(point, training=False)
        jacobian = np.reshape(tape.jacobian(value, point), (int(tf.size(value)), -1))
        bounds = ki.spectral.operator_norm(layer, shape)
        largest = np.linalg.svd(jacobian, compute_uv=False)[0]
        assert bounds.lower <= largest * (1 + 1e-5)
        assert largest <= bounds.upper * (1 + 1e-5)


def test_jpeg_is_what_a_file_would_hold() -> None:
    image = np.random.default_rng(0).random((1, 16, 16, 3)).astype(np.float32)
    (stored,) = survival.STORED["JPEG, quality 75"](image)
    encoded = tf.io.encode_jpeg(np.rint(image[0] * 255).astype(np.uint8), quality=75).numpy()
    import io

    decoded = np.asarray(Image.open(io.BytesIO(encoded)))
    assert np.abs(stored * 255 - decoded).max() <= 3  # decoders differ by their upsampling
    assert np.abs(stored - image[0]).max() > 0.05


@pytest.mark.usefixtures("small")
def test_other_classes_than_the_nets_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        Image.new("RGB", (20, 20)).save(tmp_path / "pets" / name / "0.png")
    status = reproductions.main(
        ["figure5", "--images", str(tmp_path / "pets"), "--out", str(tmp_path / "out")]
    )
    assert status == 2
    assert "(cat, dog) are not those that the nets were trained on" in capsys.readouterr().err


@pytest.mark.usefixtures("small")
def test_too_few_that_are_correctly_classified_are_said(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(one_target, "IMAGES", 500)
    assert reproductions.main(["figure5", "--images", str(folder), "--out", str(tmp_path)]) == 2
    assert "500 are needed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("success", "low", "high", "verdict"),
    [
        (1, 0.5, 3.9, "holds"),
        (1, 3.9, 4.1, "undecided"),
        (1, 4.1, 5, "does not hold"),
        (0.9, 0.5, 1.9, "does not hold"),
    ],
)
def test_examples_are_close_below_four_grey_levels(
    success: float, low: float, high: float, verdict: str, tmp_path: Path
) -> None:
    size = Number((low + high) / 510, low / 255, high / 255, 64, [])
    each = np.linspace(-1, 1, 64) * (high - low) / 2 / 255 * 64**0.5 / 1.15 + size.value
    each[: round((1 - success) * 64)] = np.nan
    measured = Targeted(size, Number(success, success, success, 64, []), 0.0, each[None], {}, {}, 0)
    values = Values({figure5.by(method): measured for method in (PENALTY, DIRECT)})
    (claim,) = figure5.claims(Run("mnist5k", 4, 4, 0, 1, tmp_path, None, ""), values)
    assert claim.verdict == verdict


@pytest.mark.usefixtures("small")
def test_figure_6_is_measured_and_reported(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = photographs.load(folder)
    positive = _CLASSES[3]
    is_one = (found.labels == 3).astype(np.int32)
    net = trained(Colours(2), found.images(12), is_one, 0)
    metrics = {
        "recipe": {"positive": positive},
        "detection": {"classifier": {"value": 0.9, "low": 0.8, "high": 0.95}, "chance": {"value": 0.5}},
    }
    preset = str(tmp_path / "detector")
    presets.save_to_preset(net, preset, metrics, "a card")
    monkeypatch.setattr(detector, "PRESET", preset)
    out = tmp_path / "out"
    assert reproductions.main(["figure6", "--images", str(folder), "--out", str(out)]) == 0
    text = (out / "REPORT.md").read_text(encoding="utf-8")
    assert "Figure 6: chain saws that are no longer recognized" in text
    assert "90.0%" in text
    (path,) = (out / "examples").glob("figure6-direct.npz")
    kept = np.load(path)
    # all that show one and are recognized, and no longer are
    recognized = np.argmax(net(found.images(12)), -1) == 1
    assert len(kept["adversarial"]) == (recognized & (is_one == 1)).sum() > 4
    assert kept["success"].all()
    assert not np.argmax(net(kept["adversarial"]), -1).any()
    values = json.loads((out / "records/figure6/direct.json").read_text())["values"]
    assert values["distortion"]["value"] == pytest.approx(kept["distortion"].mean())
    assert values["wrong"]["1"]["as computed"]["value"] == 1
