"""Local response normalization: its values, and its constant against Jacobians made as steep as can be."""

import keras
import numpy as np
import pytest
import scipy.optimize
import tensorflow as tf

from keras_intriguing import spectral
from keras_intriguing.models import LocalResponseNormalization


@pytest.mark.parametrize("size", [1, 3, 5])
def test_it_is_tensorflows_operation(size: int) -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 7)).astype(np.float32)
    layer = LocalResponseNormalization(size, bias=1.5, alpha=0.3, beta=0.6)
    expected = tf.nn.local_response_normalization(x, size // 2, bias=1.5, alpha=0.3, beta=0.6)
    np.testing.assert_allclose(layer(x), expected, rtol=1e-5)


def test_a_value_by_hand() -> None:
    x = np.array([[1.0, 2.0, 0.0, 0.0, 3.0]], np.float32)
    layer = LocalResponseNormalization(3, bias=2.0, alpha=0.5, beta=1.0)
    np.testing.assert_allclose(layer(x)[0], [1 / 4.5, 2 / 4.5, 0, 0, 3 / 6.5], rtol=1e-6)


def test_it_is_saved_with_its_settings(tmp_path) -> None:
    model = keras.Sequential([keras.Input((4, 4, 6)), LocalResponseNormalization(3, 1.0, 0.1, 0.5)])
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras").layers[0]
    assert (again.size, again.bias, again.alpha, again.beta) == (3, 1.0, 0.1, 0.5)


@pytest.mark.parametrize(
    "settings", [{"size": 4}, {"size": 0}, {"bias": 0.0}, {"alpha": -1.0}, {"beta": 0.0}]
)
def test_settings_without_meaning_are_refused(settings: dict) -> None:
    with pytest.raises(ValueError, match="must be"):
        LocalResponseNormalization(**settings)


@pytest.mark.parametrize(
    "settings", [{"alpha": 1e-50}, {"bias": 1e-50}, {"bias": 1e-30, "beta": 20.0}, {"bias": 1.0, "beta": 1e6}]
)
def test_settings_beyond_the_certified_ones_are_refused_in_words(settings: dict) -> None:
    with pytest.raises(ValueError, match="certified are settings above 0 in float32, beta up to"):
        spectral.operator_norm(LocalResponseNormalization(**settings), (2, 2, 12))


def jacobian_norm(x: np.ndarray, layer: LocalResponseNormalization) -> float:
    """Of one position's channels, by the quotient rule."""
    at = np.arange(len(x))
    window = abs(at[:, None] - at) <= layer.size // 2
    energy = layer.bias + layer.alpha * window @ x**2
    slopes = -2 * layer.alpha * layer.beta * energy ** (-layer.beta - 1) * x
    return float(np.linalg.norm(np.diag(energy**-layer.beta) + slopes[:, None] * window * x, 2))


def test_the_jacobian_is_that_of_the_layer() -> None:
    layer = LocalResponseNormalization(3, bias=1.0, alpha=0.2, beta=0.75)
    x = np.random.default_rng(0).normal(size=6)
    with tf.GradientTape() as tape:
        variable = tf.Variable(x[None].astype(np.float32))
        y = layer(variable)
    matrix = np.asarray(tape.jacobian(y, variable))[0, :, 0]
    assert jacobian_norm(x, layer) == pytest.approx(np.linalg.norm(matrix, 2), rel=1e-5)


@pytest.mark.parametrize("beta", [0.5, 0.75, 1.0, 2.0])
@pytest.mark.parametrize("size", [1, 3, 5, 9])
def test_no_jacobian_is_steeper_than_the_bound(size: int, beta: float) -> None:
    random = np.random.default_rng(size)
    layer = LocalResponseNormalization(size, bias=2.0, alpha=0.1, beta=beta)
    found = 0.0
    for trial in range(200):
        x = random.normal(size=random.integers(1, 13)) * 10.0 ** random.uniform(-1, 1.5)
        x *= random.choice([0.0, 1.0, 1.0, 3.0], size=len(x))
        found = max(found, jacobian_norm(x, layer))
        if trial % 50 == 0:
            steeper = scipy.optimize.minimize(lambda x: -jacobian_norm(x, layer), x, options={"maxiter": 20})
            found = max(found, -steeper.fun)
    bounds = spectral.operator_norm(layer, (2, 2, 12))
    assert found <= bounds.upper
    assert bounds.lower == pytest.approx(2.0**-beta, rel=1e-5)
    assert bounds.upper <= 1.3 * 2.0**-beta


@pytest.mark.parametrize("size", [1, 3, 5])
@pytest.mark.parametrize("beta", [3.0, 8.0, 30.0])
def test_a_steep_power_is_bounded_too(beta: float, size: int) -> None:
    layer = LocalResponseNormalization(size, bias=2.0, alpha=0.1, beta=beta)
    bounds = spectral.operator_norm(layer, (1, 1, 12))
    near_zero = jacobian_norm(np.zeros(12), layer)  # k^−β, the largest slope that is known
    assert near_zero <= bounds.upper <= 1.2 * near_zero


def test_the_bound_of_alexnets_is_tight_and_its_lower_side_attained() -> None:
    layer = LocalResponseNormalization()
    bounds = spectral.operator_norm(layer, (5, 5, 96))
    assert bounds.gap <= 0.0302
    one, other = (np.asarray(layer(w[None].astype(np.float32)), np.float64) for w in bounds.witness)
    stretch = np.linalg.norm(one - other) / np.linalg.norm(bounds.witness[0] - bounds.witness[1])
    assert stretch == pytest.approx(bounds.lower, rel=1e-5)


def test_a_network_with_it_is_analyzed() -> None:
    model = keras.Sequential([keras.Input((3, 3, 8)), LocalResponseNormalization(), keras.layers.Flatten()])
    found = spectral.analyze(model)
    assert 0.99 * 2**-0.75 <= found.lower <= found.upper <= 1.031 * 2**-0.75
