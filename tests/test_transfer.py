"""Transfer tables, noise and targets."""

import numpy as np
import pytest
import tensorflow as tf

import keras_intriguing as ki


def test_error_table_counts_wrong_labels() -> None:
    def first(images: tf.Tensor) -> tf.Tensor:
        return images

    def second(images: tf.Tensor) -> tf.Tensor:
        return -images

    examples = np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]
    labels = np.array([0, 1, 2, 1])
    table = ki.transfer.error_table(
        {"first": first, "second": second}, {"eye": examples, "not": -examples}, labels
    )
    assert table == {"eye": {"first": 0.25, "second": 0.75}, "not": {"first": 0.75, "second": 0.25}}


def test_another_number_of_labels_is_an_error() -> None:
    with pytest.raises(ValueError, match="'made' are 2 images, but there are 3 labels"):
        ki.transfer.error_table({}, {"made": np.zeros((2, 4))}, np.zeros(3))


def test_noise_has_its_deviation_and_its_seed() -> None:
    x = np.full((50, 28, 28, 1), 0.5, np.float32)
    noisy = ki.transfer.gaussian_noise(x, 0.3, seed=1)
    assert noisy.dtype == np.float32
    assert abs((noisy - x).std() - 0.3) < 0.01
    np.testing.assert_array_equal(noisy, ki.transfer.gaussian_noise(x, 0.3, seed=1))


def test_random_targets_are_wrong_and_uniform() -> None:
    labels = np.repeat(np.arange(10), 9000)
    targets = ki.transfer.random_targets(labels, 10, seed=0)
    assert (targets != labels).all()
    counts = np.bincount(10 * labels + targets, minlength=100).reshape(10, 10)
    off_diagonal = counts[~np.eye(10, dtype=bool)]
    assert abs(off_diagonal - 1000).max() < 5 * np.sqrt(1000)


def test_a_rescaled_difference_has_its_size_and_direction() -> None:
    random = np.random.default_rng(0)
    x, changed = random.uniform(size=(2, 5, 28, 28, 1)).astype(np.float32)
    changed[4] = x[4]
    sizes = np.array([0.01, 0.1, 0.2, 0.5, 0.1])
    rescaled = ki.transfer.rescaled(x, changed, sizes)
    np.testing.assert_allclose(ki.transfer.distortion(x, rescaled), [0.01, 0.1, 0.2, 0.5, 0], rtol=1e-4)
    one, other = ((rescaled - x)[0].ravel(), (changed - x)[0].ravel())
    assert np.dot(one, other) / np.linalg.norm(one) / np.linalg.norm(other) > 0.9999
