"""Further images that show the way."""

import numpy as np
import pytest
import tensorflow as tf

import keras_intriguing as ki

X = np.full((3, 5, 5, 1), 0.2, np.float32)
FAR = np.stack([np.ones((5, 5, 1)), np.full((5, 5, 1), 0.9)]).astype(np.float32)


def flat(x: tf.Tensor) -> tf.Tensor:
    """Two classes, with a gradient only where the mean is within 0.01 of 0.7."""
    mean = tf.reduce_mean(tf.reshape(x, (-1, 25)), axis=-1)
    z = tf.clip_by_value(mean - 0.7, -0.01, 0.01)
    return tf.stack([tf.zeros_like(z), z], axis=-1)


def test_they_lead_where_no_gradient_does():
    alone = ki.minimal_distortion(flat, X)
    assert not alone.success.any()
    assert "images of other classes, as starts, may show one" in alone.reason[0]
    for target in (None, 1):
        led = ki.minimal_distortion(flat, X, target=target, starts=FAR)
        assert led.success.all()
        np.testing.assert_allclose(led.distortion, 0.5, rtol=1e-3)  # all pixels to 0.7


def test_those_of_the_images_own_class_lead_nowhere():
    assert not ki.minimal_distortion(flat, X, starts=X + 0.1).success.any()


def test_a_result_remembers_them():
    made = [ki.minimal_distortion(flat, X, starts=starts).provenance for starts in (FAR, FAR[:1], None)]
    assert "starts" not in made[2]
    assert made[0]["starts"] != made[1]["starts"]


@pytest.mark.parametrize(
    ("starts", "error", "message"),
    [
        (FAR[:, :4], ValueError, r"They have shape \(4, 5, 1\), those of x \(5, 5, 1\)"),
        (2 * FAR, ValueError, "outside the bounds"),
        ((255 * FAR).astype(np.uint8), TypeError, "x holds uint8"),
        (FAR[:0], ValueError, "at least one image"),
    ],
)
def test_what_cannot_be_one(starts, error: type[Exception], message: str):
    with pytest.raises(error, match=f"^starts must be images like those of x.*{message}"):
        ki.minimal_distortion(flat, X, starts=starts)


def test_the_penalty_takes_none():
    with pytest.raises(ValueError, match="starts are for the method 'direct'"):
        ki.minimal_distortion(flat, X, starts=FAR, method="penalty")
