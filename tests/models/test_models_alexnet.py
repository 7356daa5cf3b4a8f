"""AlexNet, and torchvision's, against the counts and sizes that are published."""

import keras
import numpy as np
import pytest

from keras_intriguing import models

SIZES = {
    "conv1": (55, 55, 96),
    "norm1": (55, 55, 96),
    "pool1": (27, 27, 96),
    "conv2": (27, 27, 256),
    "norm2": (27, 27, 256),
    "pool2": (13, 13, 256),
    "conv3": (13, 13, 384),
    "conv4": (13, 13, 384),
    "conv5": (13, 13, 256),
    "pool5": (6, 6, 256),
    "flatten": (9216,),
    "fc1": (4096,),
    "fc1_dropout": (4096,),
    "fc2": (4096,),
    "fc2_dropout": (4096,),
    "fc3": (1000,),
}


@pytest.fixture(scope="module")
def alexnet() -> keras.Model:
    return models.AlexNet()


def test_layers_have_the_published_sizes_in_the_published_order(alexnet: keras.Model) -> None:
    shapes = {layer.name: tuple(layer.output.shape[1:]) for layer in alexnet.layers[1:]}
    assert list(shapes.items()) == list(SIZES.items())
    assert alexnet.input_shape == (None, 227, 227, 3)


def test_it_has_60_965_224_parameters(alexnet: keras.Model) -> None:
    assert alexnet.count_params() == 60_965_224
    kernels = {
        name: tuple(alexnet.get_layer(name).kernel.shape) for name in ("conv2", "conv4", "conv5", "fc1")
    }
    assert kernels == {
        "conv2": (5, 5, 48, 256),
        "conv4": (3, 3, 192, 384),
        "conv5": (3, 3, 192, 256),
        "fc1": (9216, 4096),
    }


def test_it_gives_logits(alexnet: keras.Model) -> None:
    images = np.random.default_rng(0).uniform(-100, 100, (2, 227, 227, 3)).astype(np.float32)
    logits = np.asarray(alexnet(images))
    assert logits.shape == (2, 1000)
    assert logits.min() < 0 < logits.max()


def test_without_groups_it_has_the_sizes_of_table_5(alexnet: keras.Model) -> None:
    whole = models.AlexNet.from_config({**alexnet.get_config(), "grouped": False})
    kernels = {layer.name: tuple(layer.kernel.shape) for layer in whole.layers if hasattr(layer, "kernel")}
    assert kernels["conv2"] == (5, 5, 96, 256)
    assert kernels["conv4"] == (3, 3, 384, 384)
    assert kernels["conv5"] == (3, 3, 384, 256)
    assert whole.count_params() == 62_378_344
    assert whole.get_config()["grouped"] is False


def test_the_small_one_has_the_documented_sizes() -> None:
    model = models.AlexNetSmall()
    shapes = [
        tuple(layer.output.shape[1:]) for layer in model.layers if layer.name.startswith(("conv", "pool"))
    ]
    assert shapes == [
        (41, 41, 48), (20, 20, 48), (20, 20, 128), (9, 9, 128), (9, 9, 192), (9, 9, 192), (9, 9, 128), (4, 4, 128),
    ]  # fmt: skip
    assert model.count_params() == 2_252_362
    other = models.AlexNetSmall.from_config({**model.get_config(), "classes": 3})
    assert other.output_shape == (None, 3)


def test_its_classes_and_normalization_are_arguments(
    alexnet: keras.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models.AlexNet, "_WIDTHS", (4, 4, 4, 4, 4, 4, 4))
    other = models.AlexNet(classes=3, lrn_bias=1.0, lrn_alpha=2e-5)
    again = models.AlexNet.from_config(other.get_config())
    assert again.get_config() == other.get_config()
    assert again.output_shape == (None, 3)
    for name in ("norm1", "norm2"):
        norm, published = again.get_layer(name), alexnet.get_layer(name)
        assert (norm.size, norm.bias, norm.alpha, norm.beta) == (5, 1.0, 2e-5, 0.75)
        assert (published.size, published.bias, published.alpha, published.beta) == (5, 2.0, 1e-4, 0.75)


def test_torchvisions_has_its_sizes_and_61_100_840_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    model = models.TorchvisionAlexNet()
    assert model.count_params() == 61_100_840
    assert model.input_shape == (None, 224, 224, 3)
    assert model.output_shape == (None, 1000)
    names = ("conv1", "pool1", "conv2", "pool2", "conv3", "conv4", "conv5", "pool5")
    shapes = [tuple(model.get_layer(name).output.shape[1:]) for name in names]
    assert shapes == [
        (55, 55, 64), (27, 27, 64), (27, 27, 192), (13, 13, 192), (13, 13, 384), (13, 13, 256), (13, 13, 256), (6, 6, 256),
    ]  # fmt: skip
    monkeypatch.setattr(models.TorchvisionAlexNet, "_WIDTHS", (4, 4, 4, 4, 4, 4, 4))
    other = models.TorchvisionAlexNet.from_config({**model.get_config(), "classes": 3})
    assert other.output_shape == (None, 3)
