"""QuocNet's sublayers against loops, convolutions and Jacobians, and the whole net."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_intriguing as ki
from keras_intriguing import spectral
from keras_intriguing.models import L2Pooling, LocalContrastNormalization, LocalFilters, QuocNet


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.fixture(scope="module")
def net() -> QuocNet:
    keras.utils.set_random_seed(0)
    return QuocNet(32, (3, 4))


def test_equal_filters_at_all_positions_are_a_convolution() -> None:
    x, kernel, bias = random(2, 11, 9, 3), random(4, 4, 3, 5), random(5)
    layer = LocalFilters(5, 4, 2)
    layer.build(x.shape)
    layer.set_weights([np.broadcast_to(kernel, (4, 3, *kernel.shape)), np.broadcast_to(bias, (4, 3, 5))])
    convolution = keras.layers.Conv2D(5, 4, 2)
    convolution.build(x.shape)
    convolution.set_weights([kernel, bias])
    np.testing.assert_allclose(layer(x), convolution(x), rtol=1e-5, atol=1e-5)


def test_every_position_has_filters_of_its_own() -> None:
    x = random(2, 7, 6, 2)
    layer = LocalFilters(3, 3, 2)
    layer.build(x.shape)
    kernel, bias = random(3, 2, 3, 3, 2, 3), random(3, 2, 3, seed=1)
    layer.set_weights([kernel, bias])
    expected = np.zeros((2, 3, 2, 3))
    for b, i, j in np.ndindex(2, 3, 2):
        patch = x[b, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
        expected[b, i, j] = np.tensordot(patch, kernel[i, j], 3) + bias[i, j]
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4, atol=1e-5)
    assert layer.compute_output_shape((None, 7, 6, 2)) == (None, 3, 2, 3)


@pytest.mark.parametrize("shape", [(None, 7, 7), (None, 2, 7, 1), (None, None, 7, 1)])
def test_images_that_filters_do_not_fit_are_refused(shape: tuple) -> None:
    with pytest.raises(ValueError, match="of known sizes of at least 3, but the input shape is"):
        LocalFilters(2, 3).build(shape)


def test_pooling_is_the_length_of_a_window() -> None:
    x = random(2, 7, 8, 3)
    expected = [
        [np.linalg.norm(x[:, i : i + 3, j : j + 3], axis=(1, 2)) for j in (0, 2, 4)] for i in (0, 2, 4)
    ]
    np.testing.assert_allclose(L2Pooling(3, 2)(x), np.moveaxis(expected, 2, 0), rtol=1e-5)
    with pytest.raises(ValueError, match="has windows of 3, but the input shape"):
        L2Pooling(3)(x[:, :2])


def test_contrast_is_that_of_the_formula() -> None:
    x = 2 * random(2, 6, 4, 3)
    layer = LocalContrastNormalization(3, floor=1.5)

    def local_mean(values: np.ndarray, i: int, j: int) -> np.ndarray:
        total, weights = np.zeros(len(values)), 0.0
        for p, q in np.ndindex(6, 4):
            if max(abs(p - i), abs(q - j)) <= 1:
                weight = np.exp(-((p - i) ** 2 + (q - j) ** 2) / (2 * 0.75**2))
                total, weights = total + weight * values[:, p, q].mean(axis=-1), weights + weight
        return (total / weights)[:, None]

    places = list(np.ndindex(6, 4))
    v = np.stack([x[:, i, j] - local_mean(x, i, j) for i, j in places], axis=1).reshape(x.shape)
    deviation = np.stack([np.sqrt(local_mean(v**2, i, j)) for i, j in places], axis=1).reshape(2, 6, 4, 1)
    assert deviation.min() < 1.5 < deviation.max()
    np.testing.assert_allclose(layer(x), v / np.maximum(1.5, deviation), rtol=1e-4, atol=1e-5)


def test_a_constant_image_has_no_contrast() -> None:
    np.testing.assert_allclose(LocalContrastNormalization()(np.full((1, 7, 9, 4), 3.0)), 0, atol=1e-5)


@pytest.mark.parametrize("layer", [L2Pooling(2), LocalContrastNormalization()])
def test_slopes_of_first_and_second_order_are_finite_at_zero(layer: keras.Layer) -> None:
    x = tf.zeros((1, 4, 4, 2))
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = tf.reduce_sum(layer(x) ** 2) + tf.reduce_sum(layer(x))
        gradient = inner.gradient(y, x)
    second = outer.gradient(gradient, x)
    assert np.isfinite(gradient).all()
    assert np.isfinite(second).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LocalFilters(0, 3), "filters, size and stride must be at least 1"),
        (lambda: LocalFilters(2, 3, 0), "filters, size and stride must be at least 1"),
        (lambda: L2Pooling(2, 0), "size and stride must be at least 1"),
        (lambda: LocalContrastNormalization(4), "size must be odd"),
        (lambda: LocalContrastNormalization(floor=0.0), "floor must be positive"),
    ],
)
def test_settings_without_meaning_are_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_it_has_the_documented_sizes() -> None:
    model = QuocNet()
    shapes = {layer.name: tuple(layer.output.shape[1:]) for layer in model.layers}
    assert shapes == {
        "image": (64, 64, 3),
        "filters1": (15, 15, 32),
        "pool1": (14, 14, 32),
        "contrast1": (14, 14, 32),
        "filters2": (6, 6, 96),
        "pool2": (5, 5, 96),
        "contrast2": (5, 5, 96),
        "features": (2400,),
        "logits": (2,),
    }
    assert model.count_params() == 3_167_330


def test_it_is_saved_with_its_sizes_and_weights(net: QuocNet, tmp_path) -> None:
    net.save(tmp_path / "net.keras")
    again = keras.models.load_model(tmp_path / "net.keras")
    x = np.abs(random(2, 32, 32, 3))
    assert (again.image_size, again.maps) == (32, (3, 4))
    np.testing.assert_array_equal(again(x), net(x))


def test_compiled_by_xla_it_gives_the_same_slopes_of_both_orders(net: QuocNet) -> None:
    x = tf.constant(np.abs(random(2, 32, 32, 3)))

    def slopes(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = tf.reduce_sum(net(x)[:, 0])
            gradient = inner.gradient(y, x)
            length = tf.reduce_sum(gradient**2)
        return gradient, outer.gradient(length, x)

    for compiled, eager in zip(tf.function(slopes, jit_compile=True)(x), slopes(x), strict=True):
        assert np.abs(eager).max() > 0
        np.testing.assert_allclose(compiled, eager, atol=1e-4 * np.abs(eager).max())


@pytest.mark.slow  # to compile
@pytest.mark.parametrize("method", ["direct", "penalty"])
def test_it_can_be_attacked(net: QuocNet, method: str) -> None:
    x = np.random.default_rng(0).uniform(size=(2, 32, 32, 3)).astype(np.float32)
    assert ki.minimal_distortion(net, x, method=method).success.all()


def built(layer: keras.Layer, shape: tuple[int, ...], seed: int = 0) -> keras.Layer:
    layer.build((None, *shape))
    layer.set_weights([random(*w.shape, seed=seed) for w in layer.weights])
    return layer


LAYERS = [
    (LocalFilters(3, 3, 1), (5, 6, 2)),
    (LocalFilters(2, 4, 3), (8, 7, 1)),
    (L2Pooling(3, 2), (8, 7, 2)),
    (LocalContrastNormalization(3, 0.5), (4, 5, 2)),
    (LocalContrastNormalization(5, 2.0), (6, 6, 1)),
]


@pytest.mark.parametrize(("layer", "shape"), LAYERS)
def test_no_jacobian_is_steeper_than_the_bound_whose_lower_side_is_attained(layer, shape) -> None:
    built(layer, shape)
    bounds = spectral.operator_norm(layer, shape)
    steepest = max(jacobian_norm(layer, 3.0**k * random(1, *shape, seed=k + 9)) for k in (-3, 0, 3))
    assert steepest <= bounds.upper
    assert steepest <= bounds.upper <= 6 * bounds.lower
    one, other = bounds.witness
    length = np.linalg.norm(np.asarray(layer(one[None])) - np.asarray(layer(other[None])))
    # a tolerance for float32
    assert length / np.linalg.norm(one - other) >= bounds.lower * (1 - 1e-5)


def test_the_bound_of_equal_filters_side_by_side_is_their_norm() -> None:
    layer = built(LocalFilters(3, 2, 2), (6, 6, 2))
    kernel, bias = layer.get_weights()
    layer.set_weights([np.broadcast_to(kernel[:1, :1], kernel.shape), bias])
    norm = np.linalg.norm(kernel[0, 0].reshape(8, 3).astype(np.float64), 2)
    bounds = spectral.operator_norm(layer, (6, 6, 2))
    assert bounds.lower == pytest.approx(norm, rel=1e-9)
    assert bounds.upper == pytest.approx(norm, rel=1e-9)


def test_filters_of_another_image_are_refused() -> None:
    layer = built(LocalFilters(3, 2, 2), (6, 6, 2))
    with pytest.raises(ValueError, match=r"3×3 positions for 2 channels; they do not fit the input shape"):
        spectral.operator_norm(layer, (8, 6, 2))


def test_a_model_with_local_filters_is_analyzed_and_certified() -> None:
    layers = [keras.Input((6, 6, 1)), LocalFilters(2, 3, 2), keras.layers.Flatten(), keras.layers.Dense(3)]
    model = keras.Sequential(layers)
    found = spectral.analyze(model)
    matrix = model(np.eye(36, dtype=np.float32).reshape(36, 6, 6, 1)) - model(
        np.zeros((1, 6, 6, 1), np.float32)
    )
    norm = np.linalg.norm(np.asarray(matrix, np.float64), 2)
    assert found.lower <= norm * (1 + 1e-5)
    assert norm <= found.upper
    certificate = ki.certified_distortion(model, random(2, 6, 6, 1).clip(0, 1), effort="quick")
    assert (certificate.distortion > 0).all()


@pytest.mark.slow  # to compile
def test_the_net_is_analyzed(net: QuocNet) -> None:
    found = spectral.analyze(net)
    assert 0 < found.lower <= found.upper < np.inf


def jacobian_norm(layer: keras.Layer, x: np.ndarray) -> float:
    with tf.GradientTape() as tape:
        point = tf.constant(x)
        tape.watch(point)
        y = layer(point)
    return float(np.linalg.norm(np.reshape(tape.jacobian(y, point), (-1, x.size)), 2))
