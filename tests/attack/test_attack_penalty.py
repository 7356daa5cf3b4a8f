"""Which images of a batch the penalty method computes."""

import keras
import numpy as np
import pytest

import keras_intriguing as ki
from keras_intriguing.attack import penalty


@pytest.fixture
def convolutional() -> keras.Model:
    keras.utils.set_random_seed(3)
    weights = keras.initializers.RandomNormal(stddev=1.0)
    layers = [keras.layers.Conv2D(8, 3, activation="tanh"), keras.layers.Flatten()]
    return keras.Sequential(
        [keras.Input((6, 6, 1)), *layers, keras.layers.Dense(4, kernel_initializer=weights)]
    )


def test_images_that_failed_are_searched_again_alone(convolutional, net_images, monkeypatch):
    images = net_images[:5]
    expected = ki.minimal_distortion(convolutional, images, method="penalty")
    assert expected.success.all()
    assert (expected.backward_passes == expected.backward_passes[0]).all()
    search, sizes = penalty._search, []

    def failing_at_first(*arguments):
        found = search(*arguments)
        sizes.append(len(found.distance))
        if len(sizes) == 1:
            found.distance[[1, 4]] = np.inf
        return found

    monkeypatch.setattr(penalty, "_search", failing_at_first)
    result = ki.minimal_distortion(convolutional, images, method="penalty")
    assert sizes == [5, 2]  # without XLA no image is computed that is not asked for
    assert result.success.all()
    np.testing.assert_allclose(result.distortion, expected.distortion, rtol=0.02)
    np.testing.assert_array_equal(result.adversarial[[0, 2, 3]], expected.adversarial[[0, 2, 3]])
    more = result.backward_passes > expected.backward_passes
    np.testing.assert_array_equal(more, [False, True, False, False, True])
