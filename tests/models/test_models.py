from pathlib import Path

import keras
import numpy as np
import pytest

from keras_intriguing import models
from keras_intriguing.training import initialize

PARAMETERS = {"FC10": 7_850, "FC100_100_10": 89_610, "FC200_200_10": 199_210, "FC123_456_10": 157_669}
CONVNET_PARAMETERS = 20 * (25 + 1) + 50 * (20 * 25 + 1) + 500 * (4 * 4 * 50 + 1) + 10 * (500 + 1)  # LeNet's
AUTOENCODER_PARAMETERS, DECODER_PARAMETERS = 318_010, 314_384
NAMES = [*PARAMETERS, "AE400_10", "MNISTConvNet"]


def make(name: str, seed: int = 1) -> keras.Model:
    model = getattr(models, name)(name=name.lower())  # Keras writes the name into the weights' file
    initialize(model, seed)
    return model


@pytest.fixture(scope="module")
def images(digits) -> np.ndarray:
    return digits[0][::100]


@pytest.mark.parametrize("name", NAMES)
def test_images_become_ten_logits(name: str, images: np.ndarray):
    model = make(name)
    logits = np.asarray(model(images))
    assert model.input_shape == (None, 28, 28, 1)
    assert logits.shape == (len(images), 10)
    assert logits.dtype == np.float32
    assert not np.allclose(logits.sum(axis=1), 1)  # no softmax


@pytest.mark.parametrize(("name", "count"), PARAMETERS.items())
def test_parameters_are_as_many_as_the_papers_units_need(name: str, count: int):
    assert make(name).count_params() == count


def test_the_convolutional_net_has_lenets_parameters():
    assert make("MNISTConvNet").count_params() == CONVNET_PARAMETERS == 431_080


def test_the_autoencoder_has_the_papers_parameters_and_a_decoder():
    model = make("AE400_10")
    assert model.encoder.count_params() + model.classifier.count_params() == AUTOENCODER_PARAMETERS
    assert model.decoder.count_params() == DECODER_PARAMETERS
    assert model.count_params() == AUTOENCODER_PARAMETERS + DECODER_PARAMETERS


def test_the_logits_of_a_hidden_net_are_those_of_its_formula(images: np.ndarray):
    model = make("FC100_100_10")
    w1, b1, w2, b2, w3, b3 = (w.astype(np.float64) for w in model.get_weights())
    hidden = 1 / (1 + np.exp(-(images.reshape(-1, 784) @ w1 + b1)))
    hidden = 1 / (1 + np.exp(-(hidden @ w2 + b2)))
    np.testing.assert_allclose(model(images), hidden @ w3 + b3, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_saved_model_comes_back(name: str, images: np.ndarray, tmp_path: Path):
    model = make(name)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert type(again) is type(model)
    assert same_weights(again, model)
    assert np.array_equal(again(images), model(images))


@pytest.mark.parametrize("name", NAMES)
def test_saved_weights_come_back_and_are_the_same_bytes_twice(name: str, tmp_path: Path):
    model, again = make(name), make(name, seed=2)
    first, second = tmp_path / "first.weights.h5", tmp_path / "second.weights.h5"
    model.save_weights(first)
    assert not same_weights(again, model)
    again.load_weights(first)
    assert same_weights(again, model)
    again.save_weights(second)
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_a_configuration_makes_the_same_model(name: str, images: np.ndarray):
    model = getattr(models, name)(name="mine", trainable=False)
    again = type(model).from_config(model.get_config())
    assert again.get_config() == model.get_config() == {"name": "mine", "trainable": False}
    again.set_weights(model.get_weights())
    assert np.array_equal(again(images), model(images))


@pytest.mark.parametrize("name", NAMES)
def test_a_clone_computes_the_same_with_the_same_weights(name: str, images: np.ndarray):
    model = make(name)
    clone = keras.models.clone_model(model)  # Keras clones the graph of the logits, without the decoder
    for layer in clone.layers:
        layer.set_weights(model.get_layer(layer.name).get_weights())
    assert np.array_equal(clone(images), model(images))


def test_reconstructions_are_images(images: np.ndarray):
    model = make("AE400_10")
    reconstructed = np.asarray(model.reconstruct(images))
    assert reconstructed.shape == images.shape
    assert 0 <= reconstructed.min() < reconstructed.max() <= 1
    code = model.encoder(images.reshape(-1, 784))
    np.testing.assert_allclose(reconstructed.reshape(-1, 784), model.decoder(code), rtol=1e-6)


@pytest.mark.parametrize("file", ["model.keras", "model.weights.h5"])
def test_the_decoder_is_saved_with_the_model(file: str, images: np.ndarray, tmp_path: Path):
    model, again = make("AE400_10"), make("AE400_10", seed=2)
    if file.endswith(".keras"):
        model.save(tmp_path / file)
        again = keras.models.load_model(tmp_path / file)
    else:
        model.save_weights(tmp_path / file)
        again.load_weights(tmp_path / file)
    assert np.array_equal(again.reconstruct(images), model.reconstruct(images))


def test_the_same_seed_gives_the_same_start_and_another_seed_another():
    assert same_weights(make("FC10", seed=3), make("FC10", seed=3))
    assert not same_weights(make("FC10", seed=3), make("FC10", seed=4))


def test_a_start_is_glorots(images: np.ndarray):
    for kernel, bias in np.reshape(np.array(make("FC200_200_10").weights, dtype=object), (-1, 2)):
        limit = np.sqrt(6 / sum(kernel.shape))
        assert 0.95 * limit < np.abs(np.asarray(kernel)).max() <= limit
        assert not np.any(bias)


def same_weights(one: keras.Model, other: keras.Model) -> bool:
    pairs = zip(one.get_weights(), other.get_weights(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)
