"""Bounds through local response normalization, beside its layer and sampled changes."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_intriguing as ki
from keras_intriguing.certificates import lowering
from keras_intriguing.certificates.steps.local_response import LocalResponse
from keras_intriguing.certificates.steps.step import Enclosure, Penalized
from keras_intriguing.spectral.numerics.rounding import gamma

SHAPE, SETTINGS = (2, 1, 7), (5, 1.25, 0.25, 0.75)  # numbers that float32 holds
CONSTANT = 1.1 * 1.25**-0.75  # 1.0301·k^−β by the Schur test
ROUNDING = 1e-12
ROWS = 3


@pytest.fixture(scope="module")
def step() -> LocalResponse:
    return LocalResponse(0, SHAPE, *SETTINGS, CONSTANT)


def around(x: np.ndarray, reach: float) -> Enclosure:
    """The box of changes up to `reach`, some of them to one side only, and the ball around it."""
    lower, upper = x - reach, np.where(x > 0.5, x, x + reach)
    radius = np.sqrt(((np.maximum(x - lower, upper - x)) ** 2).sum(axis=(1, 2, 3)))
    return Enclosure(*(tf.constant(v) for v in (x, lower, upper, radius)))


def images(seed: int, scale: float = 1.0) -> np.ndarray:
    return scale * np.random.default_rng(seed).normal(size=(4, *SHAPE))


def jacobian(x: np.ndarray) -> np.ndarray:
    """Of every position's channels, [B, 2, 7, 7], by the quotient rule."""
    size, bias, alpha, beta = SETTINGS
    at, x = np.arange(7), x[:, :, 0]
    window = abs(at[:, None] - at) <= size // 2
    energy = (bias + alpha * x**2 @ window)[..., None]
    shared = x[..., None] * x[..., None, :] * window
    return np.eye(7) * energy**-beta - 2 * alpha * beta * shared * energy ** (-beta - 1)


def inside(of: Enclosure, random: np.random.Generator) -> np.ndarray:
    """A point of the box, half of its values at an end."""
    share = random.random(of.centre.shape)
    share = np.where(random.random(share.shape) < 0.5, share.round(), share)
    return np.asarray(of.lower + share * (of.upper - of.lower))


def test_values_are_the_layers(step) -> None:
    layer = ki.models.LocalResponseNormalization(*SETTINGS)
    x = images(0)
    np.testing.assert_allclose(
        step.value([tf.constant(x)]), layer(x.astype(np.float32)), rtol=1e-6, atol=1e-7
    )


def test_the_jacobian_is_what_differentiation_gives(step) -> None:
    x, c = images(1), np.random.default_rng(1).normal(size=(4, ROWS, *SHAPE))
    found = step._through_jacobian(tf.constant(c), tf.constant(x))
    for row in range(ROWS):
        variable = tf.Variable(x)
        with tf.GradientTape() as tape:
            y = step.value([variable])
        expected = tape.gradient(y, variable, output_gradients=tf.constant(c[:, row]))
        np.testing.assert_allclose(found[:, row], expected, rtol=1e-10, atol=1e-12)
    expected = np.einsum("bpji,brpj->brpi", jacobian(x), c[..., 0, :])
    np.testing.assert_allclose(np.asarray(found)[..., 0, :], expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("scale", [0.3, 3.0])
@pytest.mark.parametrize("reach", [1e-3, 0.1, 1.0])
def test_no_jacobian_in_the_box_is_farther_than_the_bound(step, reach, scale) -> None:
    x, random = images(2, scale), np.random.default_rng(2)
    of = around(x, reach)
    bound, farthest = np.asarray(step._change_of_jacobian(of, ROUNDING)), np.zeros(4)
    for _ in range(100):
        change = jacobian(inside(of, random)) - jacobian(x)
        farthest = np.maximum(farthest, np.linalg.norm(change, 2, (-2, -1)).max(axis=1))
    assert (farthest <= bound).all()
    if reach < 0.01:  # where it is what a proof rests on
        assert (bound <= 8 * farthest).all()


@pytest.mark.parametrize("reach", [0.0, 1e-3, 0.3, 2.0])
def test_values_lie_in_the_enclosure_and_above_every_bound(step, reach) -> None:
    x, random = images(3), np.random.default_rng(3)
    of = around(x, reach)
    result = step.enclose([of], ROUNDING)
    centre, low, high, radius = (np.asarray(v) for v in result)
    c, t = random.normal(size=(4, ROWS, *SHAPE)), random.random((4, ROWS)) * (0.0, 1.0, 10.0)
    bound = Penalized(tf.constant(c), tf.constant(t))
    variables = {
        "slope": tf.constant(random.choice([0.0, 0.5, 1.0, 1.3, -0.2], size=(4, ROWS))),
        "penalty": tf.constant(random.normal(size=(4, ROWS))),
    }
    passed = step.pass_on(bound, [of], result, variables, ROUNDING)
    ((g, p),) = passed.sources
    constant, g, p = (np.asarray(v) for v in (passed.constant - passed.lost, g, p))
    for _ in range(300):
        point = inside(of, random)
        y = np.asarray(step.value([tf.constant(point)]))
        assert ((low <= y) & (y <= high)).all()
        change, run = y - centre, point - x
        assert (np.sqrt((change**2).sum(axis=(1, 2, 3))) <= radius).all()
        true = (c * change[:, None]).sum(axis=(2, 3, 4)) - 0.5 * t * (change**2).sum(axis=(1, 2, 3))[:, None]
        slopes = (g * run[:, None]).sum(axis=(2, 3, 4))
        lengths = (run**2).sum(axis=(1, 2, 3))[:, None]
        assert (constant + slopes - 0.5 * p * lengths <= true).all()


@pytest.mark.parametrize("beta", [0.75, 1e2, 1e4])
def test_what_a_steep_power_rounds_lies_in_the_enclosure(beta: float) -> None:
    bias, alpha = 1.0, 2.0**-14
    step = LocalResponse(0, SHAPE, 5, bias, alpha, beta, 1.1)
    x = images(5)
    lower, upper = (np.asarray(v) for v in step.enclose([around(x, 0.0)], gamma(1000))[1:3])
    near = abs(np.subtract.outer(np.arange(7), np.arange(7))) <= 2
    energy = bias + alpha * np.square(x, dtype=np.longdouble) @ near.astype(np.longdouble)
    exact = x * energy ** -np.longdouble(beta)
    assert ((lower <= exact) & (exact <= upper)).all()


def test_bounds_keep_their_direction(monkeypatch) -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            keras.layers.Conv2D(8, 3, activation="relu"),
            ki.models.LocalResponseNormalization(5, 1.0, 0.5, 0.75),
            keras.layers.Flatten(),
            keras.layers.Dense(4),
        ]
    )
    x = np.random.default_rng(4).random((6, 6, 6, 2)).astype(np.float32)
    found = ki.minimal_distortion(model, x)
    by_direction = ki.certified_distortion(model, x).distortion
    assert (by_direction <= found.distortion).all()
    monkeypatch.delitem(lowering.RULES, ki.models.LocalResponseNormalization)
    by_constant = ki.certified_distortion(keras.models.clone_model(model), x).distortion
    assert (by_direction >= 1.5 * by_constant).all()
