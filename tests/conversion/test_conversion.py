"""Weights in the forms of Caffe and torchvision, in nets of few channels, against an independent computation."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import keras
import numpy as np
import pytest
import reference_alexnets as reference
import safetensors.numpy
import weight_writers as write

import keras_intriguing as ki
from keras_intriguing import conversion, files, models
from keras_intriguing.cli import main as cli

CLASSES = 7
CAFFE_SHAPES = {
    "conv1": (8, 3, 11, 11), "conv2": (12, 4, 5, 5), "conv3": (10, 12, 3, 3), "conv4": (8, 5, 3, 3),
    "conv5": (6, 4, 3, 3), "fc6": (20, 216), "fc7": (16, 20), "fc8": (CLASSES, 16),
}  # fmt: skip
TORCHVISION_SHAPES = {
    "features.0": (8, 3, 11, 11), "features.3": (12, 8, 5, 5), "features.6": (10, 12, 3, 3), "features.8": (8, 10, 3, 3),
    "features.10": (6, 8, 3, 3), "classifier.1": (20, 216), "classifier.4": (16, 20), "classifier.6": (CLASSES, 16),
}  # fmt: skip
# the package's layers by the reference's
CAFFE_LAYERS = {
    **{name: name for name in ("conv1", "norm1", "pool1", "conv2", "norm2", "pool2", "conv3", "conv4", "conv5", "pool5")},
    **{"fc6": "fc1", "fc7": "fc2", "fc8": "fc3"},
}  # fmt: skip
TORCHVISION_LAYERS = {
    "features.0": "conv1", "pool after features.0": "pool1", "features.3": "conv2", "pool after features.3": "pool2",
    "features.6": "conv3", "features.8": "conv4", "features.10": "conv5", "pool after features.10": "pool5",
    "classifier.1": "fc1", "classifier.4": "fc2", "classifier.6": "fc3",
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def narrow() -> Iterator[None]:
    """Both networks with few channels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models.AlexNet, "_WIDTHS", (8, 12, 10, 8, 6, 20, 16))
        patch.setattr(models.TorchvisionAlexNet, "_WIDTHS", (8, 12, 10, 8, 6, 20, 16))
        yield


def random_weights(shapes: Mapping[str, tuple[int, ...]], kernel: str, bias: str) -> dict[str, np.ndarray]:
    """Such that activations stay as large as the input."""
    random, weights = np.random.default_rng(0), {}
    for layer, shape in shapes.items():
        deviation = np.sqrt(2 / np.prod(shape[1:]))
        weights[f"{layer}{kernel}"] = random.normal(0, deviation, shape).astype(np.float32)
        weights[f"{layer}{bias}"] = random.normal(0, 0.3, shape[0]).astype(np.float32)
    return weights


@pytest.fixture(scope="module")
def caffe() -> dict[str, np.ndarray]:
    """With the axes of Caffe."""
    return random_weights(CAFFE_SHAPES, "[0]", "[1]")


@pytest.fixture(scope="module")
def torchvision() -> dict[str, np.ndarray]:
    return random_weights(TORCHVISION_SHAPES, ".weight", ".bias")


def exported(caffe: Mapping[str, np.ndarray]) -> dict[str, list[np.ndarray]]:
    """The layers as caffe-tensorflow exports them: height, width, input, output."""
    layers = {}
    for layer in CAFFE_SHAPES:
        kernel = caffe[f"{layer}[0]"]
        if (
            layer == "fc6"
        ):  # its inputs are the 6×6 maps of six channels, which TensorFlow flattens in another order
            kernel = kernel.reshape(20, 6, 6, 6)
        if kernel.ndim == 4:
            kernel = kernel.transpose(2, 3, 1, 0)
            kernel = kernel.reshape(-1, 20) if layer == "fc6" else kernel
        else:
            kernel = kernel.T
        layers[layer] = [kernel, caffe[f"{layer}[1]"]]
    return layers


def in_layers(caffe: Mapping[str, np.ndarray]) -> dict[str, list[np.ndarray]]:
    """The layers with Caffe's own axes."""
    return {layer: [caffe[f"{layer}[0]"], caffe[f"{layer}[1]"]] for layer in CAFFE_SHAPES}


def activations(model: keras.Model, layers: list[str], image: np.ndarray) -> dict[str, np.ndarray]:
    """Of an image, with the maps' axes in the reference's order."""
    outputs = keras.Model(model.input, [model.get_layer(name).output for name in layers])(image[None])
    return {name: np.moveaxis(np.asarray(x)[0], -1, 0) for name, x in zip(layers, outputs, strict=True)}


def assert_alike(
    model: keras.Model, expected: Mapping[str, np.ndarray], layers: Mapping[str, str], image: np.ndarray
) -> None:
    assert list(expected) == list(layers)
    found = activations(model, list(layers.values()), image)
    for theirs, ours in layers.items():
        largest = np.abs(expected[theirs]).max()
        assert largest > 0.1
        np.testing.assert_allclose(found[ours], expected[theirs], atol=5e-6 * largest, err_msg=ours)


def image(size: int) -> np.ndarray:
    """Colours that differ from one another and along both axes."""
    x = np.random.default_rng(1).uniform(size=(size, size, 3))
    return (x * [1.0, 0.7, 0.4] * np.linspace(0.5, 1, size)[:, None]).astype(np.float32)


NPY = {
    "Python 2": lambda path, weights: write.write_npy_of_python2(path, exported(weights)),
    "NumPy 1": lambda path, weights: write.write_npy_of_python3(path, exported(weights), 2, numpy1=True),
    "NumPy 2": lambda path, weights: write.write_npy_of_python3(path, exported(weights)),
    "Caffe's axes": lambda path, weights: write.write_npy_of_python3(path, in_layers(weights)),
}


@pytest.fixture(scope="module")
def caffe_activations(caffe: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return reference.caffe(caffe, image(227))


@pytest.mark.parametrize("writer", NPY)
def test_caffes_net_computes_what_caffe_computes(
    writer: str, caffe: dict[str, np.ndarray], caffe_activations: dict[str, np.ndarray], tmp_path: Path
) -> None:
    path = NPY[writer](tmp_path / "bvlc_alexnet.npy", caffe)
    model = ki.from_preset(conversion.convert(path, tmp_path / "preset"))
    assert type(model) is models.AlexNet
    assert (model.classes, model.lrn_bias, model.lrn_alpha) == (CLASSES, 1.0, 2e-5)
    assert_alike(model, caffe_activations, CAFFE_LAYERS, image(227))


def test_the_comparison_sees_normalization_and_the_order_of_colours(
    caffe: dict[str, np.ndarray], caffe_activations: dict[str, np.ndarray]
) -> None:
    lower = caffe_activations["norm1"] < 0.9 * caffe_activations["conv1"]
    assert lower[caffe_activations["conv1"] > 0].mean() > 0.2
    blue_first = reference.caffe(caffe, image(227)[..., ::-1])
    assert (
        np.abs(blue_first["fc8"] - caffe_activations["fc8"]).max()
        > 0.01 * np.abs(caffe_activations["fc8"]).max()
    )


TORCH = {
    "weights.pth": write.write_pth,
    "weights.safetensors": lambda path, weights: safetensors.numpy.save_file(weights, path),
}


@pytest.mark.parametrize("name", TORCH)
def test_torchvisions_net_computes_what_pytorch_computes(
    name: str, torchvision: dict[str, np.ndarray], tmp_path: Path
) -> None:
    TORCH[name](tmp_path / name, torchvision)
    model = ki.from_preset(conversion.convert(tmp_path / name, tmp_path / "preset"))
    assert type(model) is models.TorchvisionAlexNet
    assert model.classes == CLASSES
    expected = reference.torchvision(torchvision, image(224))
    assert_alike(model, expected, TORCHVISION_LAYERS, image(224))


def test_every_layer_of_both_has_a_lipschitz_constant() -> None:
    for model in (models.AlexNet(lrn_bias=1.0, lrn_alpha=2e-5), models.TorchvisionAlexNet()):
        assert {type(layer).__name__ for layer in model.layers} <= set(ki.spectral.supported())
    bounds = ki.spectral.operator_norm(model.get_layer("standardize"), (224, 224, 3))
    assert bounds.lower == pytest.approx(1 / 0.224)
    assert bounds.upper == pytest.approx(1 / 0.224)


def test_the_command_writes_a_preset_that_says_where_it_comes_from(
    torchvision: dict[str, np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path, out = write.write_pth(tmp_path / "own.pth", torchvision), tmp_path / "mine"
    assert cli.main(["convert", str(path), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "# mine\n\n`TorchvisionAlexNet` with the weights of `own.pth`" in printed
    assert printed.endswith(f"Preset written to {out}\n")
    metrics = ki.presets.load_metrics(out)
    assert metrics["source"] == {
        "file": "own.pth",
        "sha256": files.sha256(path),
        "bytes": path.stat().st_size,
    }
    assert metrics["form"] == "torchvision's alexnet"
    assert metrics["classes"] == CLASSES
    assert metrics["parameters"] == sum(array.size for array in torchvision.values())
    assert metrics["command"] == "keras-intriguing convert own.pth --out mine"
    assert str(tmp_path) not in json.dumps(metrics) + (out / "README.md").read_text()
    assert cli.main(["convert", str(path), "--out", str(out)]) == cli.FAILED
    assert "already holds a finished preset" in capsys.readouterr().err


def without(weights: dict[str, np.ndarray], *names: str) -> dict[str, np.ndarray]:
    return {name: array for name, array in weights.items() if name not in names}


VGG = {f"features.{i}.{part}": np.zeros(1) for i in (0, 2, 5, 7, 10) for part in ("weight", "bias")}
RESNET = {
    "conv1.weight": np.zeros((64, 3, 7, 7)), "bn1.weight": np.ones(64), "bn1.num_batches_tracked": np.array(3),
    "layer1.0.conv1.weight": np.zeros((64, 64, 3, 3)), "fc.weight": np.zeros((1000, 512)),
}  # fmt: skip

BAD = {
    "VGG": (
        lambda w: VGG,
        r"it lacks features\.3\.weight, features\.3\.bias, features\.6\.weight and 9 more, and it also has "
        r"features\.2\.weight, features\.2\.bias, features\.5\.weight and 3 more\. Expected are 16 arrays, "
        r"features\.0\.weight, features\.0\.bias to classifier\.6\.bias, and nothing else\.",
    ),
    "ResNet": (lambda w: RESNET, r"it lacks features\.0\.weight, .* and 13 more, and it also has conv1\.weight"),
    "a name too few": (lambda w: without(w, "features.6.bias"), r"it lacks features\.6\.bias\. Expected"),
    "a name too many": (lambda w: {**w, "features.12.bias": np.zeros(3)}, r": it also has features\.12\.bias\. "),
    "empty": (lambda w: {}, r"it lacks features\.0\.weight"),
    "wrong shapes": (
        lambda w: {**w, "features.3.weight": np.zeros((12, 4, 5, 5)), "classifier.4.bias": np.zeros(15)},
        r"differ from the expected: features\.3\.weight \(12, 4, 5, 5\) instead of \(12, 8, 5, 5\); "
        r"classifier\.4\.bias \(15,\) instead of \(16,\)\.",
    ),
    "kernel and bias disagree on the classes": (
        lambda w: {**w, "classifier.6.bias": np.zeros(8)},
        r"classifier\.6\.weight \(7, 16\) instead of \(1000, 16\); classifier\.6\.bias \(8,\) instead of \(1000,\)",
    ),
    "axes in Keras' order": (
        lambda w: {**w, "features.0.weight": np.zeros((11, 11, 3, 8))},
        r"features\.0\.weight \(11, 11, 3, 8\) instead of \(8, 3, 11, 11\)\.",
    ),
    "integers": (
        lambda w: {**w, "classifier.6.bias": np.zeros(7, np.int64)},
        r"classifier\.6\.bias has numbers of type int64; expected are floats",
    ),
    "NaN": (
        lambda w: {**w, "features.8.bias": np.full(8, np.nan)},
        r"features\.8\.bias has numbers that are not finite in 32 bits",
    ),
    "too large": (
        lambda w: {**w, "features.8.bias": np.full(8, 1e300)},
        r"features\.8\.bias has numbers that are not finite in 32 bits",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", BAD)
def test_weights_of_something_else_are_refused(
    fault: str, torchvision: dict[str, np.ndarray], tmp_path: Path
) -> None:
    alter, message = BAD[fault]
    path = write.write_pth(tmp_path / "bad.pth", alter(torchvision))
    with pytest.raises(ValueError, match=message) as caught:
        conversion.convert(path, tmp_path / "out")
    assert str(caught.value).startswith(f"{path} does not hold the weights of torchvision's alexnet: ")
    assert not (tmp_path / "out").exists()


BAD_LAYERS = {
    "a layer that is an array": (lambda w: {**w, "conv3": w["conv3"][0]}, r"it lacks conv3\[1\]"),
    "a layer that is a dictionary": (
        lambda w: {**w, "conv3": {"weights": w["conv3"][0], "biases": w["conv3"][1]}},
        r"it lacks conv3\[1\]",
    ),
    "text for a bias": (lambda w: {**w, "fc7": [w["fc7"][0], "none"]}, r"fc7\[1\] is no array but of class str"),
    "no groups": (
        lambda w: {**w, "conv2": [np.zeros((5, 5, 8, 12)), w["conv2"][1]]},
        r"conv2\[0\] \(5, 5, 8, 12\) instead of \(5, 5, 4, 12\)\.",
    ),
    "axes in two orders": (
        lambda w: {**w, "fc6": [w["fc6"][0].T, w["fc6"][1]]},
        r"expected: fc6\[0\] \(20, 216\) instead of \(216, 20\)\.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", BAD_LAYERS)
def test_layers_of_something_else_are_refused(
    fault: str, caffe: dict[str, np.ndarray], tmp_path: Path
) -> None:
    alter, message = BAD_LAYERS[fault]
    path = write.write_npy_of_python3(tmp_path / "bad.npy", alter(exported(caffe)))
    with pytest.raises(ValueError, match=r"does not hold the weights of Caffe's bvlc_alexnet: .*" + message):
        conversion.convert(path, tmp_path / "out")


def test_files_and_folders_are_checked_before_work(
    torchvision: dict[str, np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = write.write_pth(tmp_path / "own.pth", torchvision)
    (tmp_path / "file").touch()
    for weights, out, message in (
        (tmp_path / "none.pth", "out", r"There is no file .*none\.pth\."),
        (
            tmp_path,
            "out",
            r"not known by its suffix\. Known are \.npy: Caffe's bvlc_alexnet; \.pth: torchvision's",
        ),
        (path.with_suffix(".caffemodel"), "out", r"not known by its suffix"),
        (path, "file/out", r"Cannot write .*file/out/metrics\.json"),
    ):
        assert cli.main(["convert", str(weights), "--out", str(tmp_path / out)]) == cli.FAILED
        assert re.search(f"^error: .*{message}", capsys.readouterr().err)
