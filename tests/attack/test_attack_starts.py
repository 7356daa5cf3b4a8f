"""Further images that show the way."""

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

import keras_intriguing as ki
from keras_intriguing.attack.proposals import Proposals
from keras_intriguing.classifiers.pixels import Bounds
from keras_intriguing.classifiers.request import Labelled

X = np.full((3, 5, 5, 1), 0.2, np.float32)
FAR = np.stack([np.ones((5, 5, 1)), np.full((5, 5, 1), 0.9)]).astype(np.float32)


def flat_but_for(width: float) -> Callable:
    """A model of two classes, with a gradient only where the mean is so near to 0.7."""

    def model(x: tf.Tensor) -> tf.Tensor:
        mean = tf.reduce_mean(tf.reshape(x, (-1, 25)), axis=-1)
        z = tf.clip_by_value(mean - 0.7, -width, width)
        return tf.stack([tf.zeros_like(z), z], axis=-1)

    return model


flat = flat_but_for(0.01)


def test_they_lead_where_no_gradient_does():
    alone = ki.minimal_distortion(flat, X)
    assert not alone.success.any()
    assert "images of other classes, as starts, may show one" in alone.reason[0]
    for target in (None, 1):
        led = ki.minimal_distortion(flat, X, target=target, starts=FAR)
        assert led.success.all()
        np.testing.assert_allclose(led.distortion, 0.5, rtol=1e-3)  # all pixels to 0.7


@pytest.mark.parametrize("width", [3e-3, 3e-4, 1e-5])
@pytest.mark.parametrize("far", [1.0, 0.72])
def test_however_narrow_the_band_of_gradients_is(width: float, far: float):
    led = ki.minimal_distortion(flat_but_for(width), X, starts=np.full((1, 5, 5, 1), far, np.float32))
    assert led.success.all()
    np.testing.assert_allclose(led.distortion, 0.5, rtol=1e-3)


def test_the_nearest_of_many_are_tried():
    """Distances to hundreds, and those to images of the own class, which are nearer, among them."""
    random = np.random.default_rng(0)
    x, starts = (random.normal(3, 1, (n, 6)).astype(np.float32) for n in (5, 5000))
    labels = random.integers(0, 3, 5005)
    own = labels[:5]
    for reaches in (False, True):
        bounds = Bounds(-np.inf, np.inf)
        proposals = Proposals(
            x, own, reaches, own, np.zeros((5, 2), int), bounds, Labelled(starts, labels[5:])
        )
        for i in range(5):
            wanted = (labels == own[i]) == reaches
            wanted[i] = False
            distances = np.where(wanted, np.linalg.norm(np.concatenate([x, starts]) - x[i], axis=1), np.inf)
            nearest = np.argsort(distances, kind="stable")[:32]
            np.testing.assert_array_equal(proposals._neighbours[i], nearest)


def test_those_of_the_images_own_class_lead_nowhere():
    assert not ki.minimal_distortion(flat, X, starts=X + 0.1).success.any()


def test_a_result_remembers_them():
    made = [ki.minimal_distortion(flat, X, starts=starts).provenance for starts in (FAR, FAR[:1], None)]
    assert "starts" not in made[2]
    assert made[0]["starts"] != made[1]["starts"]


@pytest.mark.parametrize(
    ("starts", "error", "message"),
    [
        (
            FAR[:, :4],
            ValueError,
            r"must be like x, of shape \(None, 5, 5, 1\); their shape is \(2, 4, 5, 1\)",
        ),
        (2 * FAR, ValueError, "ranges from 1.8 to 2, outside the bounds"),
        ((255 * FAR).astype(np.uint8), TypeError, "holds uint8"),
        (FAR[:0], ValueError, "must hold at least one image"),
    ],
)
def test_what_cannot_be_one(starts, error: type[Exception], message: str):
    with pytest.raises(error, match=f"^starts {message}"):
        ki.minimal_distortion(flat, X, starts=starts)


def test_the_penalty_takes_none():
    with pytest.raises(ValueError, match="starts are for the method 'direct'"):
        ki.minimal_distortion(flat, X, starts=FAR, method="penalty")
