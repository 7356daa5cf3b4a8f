"""Certificates against what they must never exceed: exact optima, sampled images, the attack."""

import functools
import itertools
from collections.abc import Callable, Sequence

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.optimize import minimize

import keras_intriguing as ki
from keras_intriguing.certificates import distortion, verification
from keras_intriguing.certificates.lowering import circuit_of
from keras_intriguing.certificates.region import Region, least_on
from keras_intriguing.certificates.steps.activation import Activation
from keras_intriguing.certificates.steps.linear import Linear
from keras_intriguing.certificates.steps.lipschitz import Lipschitz
from keras_intriguing.spectral.graph import nodes
from keras_intriguing.spectral.network import LipschitzConstants

L = keras.layers


def dense_net(sizes: Sequence[int], activation: str, seed: int, **build) -> keras.Model:
    """Random weights large enough that the units saturate."""
    random = np.random.default_rng(seed)
    inputs = keras.Input((sizes[0],))
    x = inputs
    for i, size in enumerate(sizes[1:]):
        last = i == len(sizes) - 2
        layer = L.Dense(size, build.get("ends_in") if last else activation)
        x = layer(x)
        layer.set_weights([random.normal(size=layer.kernel.shape) * 0.9, random.normal(size=size) * 0.3])
    return keras.Model(inputs, x)


shared_net = functools.cache(dense_net)  # whose certificates' functions are traced once


def logits_in_float64(model: keras.Model, x: np.ndarray) -> np.ndarray:
    functions: dict[str, Callable] = {
        "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
        "tanh": np.tanh,
        "relu": lambda z: np.maximum(z, 0),
        "linear": lambda z: z,
    }
    for layer in model.layers[1:]:
        kernel, bias = (np.asarray(w, np.float64) for w in layer.weights)
        x = functions[layer.activation.__name__](x @ kernel + bias)
    return x


def images(count: int, size: int, seed: int = 0) -> np.ndarray:
    """Of which half of the pixels lie on a bound."""
    random = np.random.default_rng(seed)
    x = random.uniform(size=(count, size))
    return np.where(random.uniform(size=x.shape) < 0.5, np.round(x), x).astype(np.float32)


@pytest.mark.parametrize("seed", range(3))
def test_the_least_on_ball_and_box_is_scipys(seed: int) -> None:
    random = np.random.default_rng(seed)
    x, a = images(1, 30, seed)[0].astype(np.float64), random.normal(size=30)
    for radius in (0.2, 1.0, 3.0, 9.0):
        region = Region(*(tf.constant(v, tf.float64) for v in (x[None], [radius], 0.0, 1.0)))
        bound, change = least_on(tf.constant(a[None, None]), region)
        ball = {
            "type": "ineq",
            "fun": lambda r, radius=radius: radius**2 - r @ r,
            "jac": lambda r: -2 * r,
        }
        exact = minimize(
            lambda r: a @ r,
            np.zeros(30),
            jac=lambda r: a,
            bounds=list(zip(-x, 1 - x, strict=True)),
            constraints=[ball],
            method="SLSQP",
            options={"ftol": 1e-12, "maxiter": 500},
        )
        assert float(bound[0, 0]) <= exact.fun + 1e-7
        assert float(bound[0, 0]) == pytest.approx(exact.fun, rel=2e-2)
        assert (x + change.numpy()[0, 0] <= 1 + 1e-12).all()


@pytest.mark.parametrize(
    ("hidden", "activation"),
    [
        ([], "linear"),
        ([8], "linear"),
        *(
            pytest.param(*net, marks=pytest.mark.slow)
            for net in (
                *itertools.product([[8]], ["sigmoid", "tanh", "relu"]),
                *itertools.product([[9, 7]], ["sigmoid", "tanh", "relu", "linear"]),
                *itertools.product([[6, 5, 6]], ["sigmoid", "tanh", "relu", "linear"]),
            )
        ),
    ],
    ids=str,
)
def test_no_image_within_the_certified_distortion_has_another_label(
    hidden: list[int], activation: str
) -> None:
    model = dense_net([5, *hidden, 4], activation, seed=len(hidden))
    x = images(6, 5)
    found = ki.certified_distortion(model, x)
    assert (found.distortion > 0).all()
    random = np.random.default_rng(1)
    for i, radius in enumerate(np.minimum(found.distortion, 3) * np.sqrt(5)):
        steps = random.normal(size=(20000, 5))
        steps *= radius / np.linalg.norm(steps, axis=1, keepdims=True)
        steps[::2] *= random.uniform(size=(10000, 1)) ** 0.2
        inside = np.clip(x[i] + steps, 0, 1)
        assert (logits_in_float64(model, inside).argmax(axis=1) == found.label[i]).all()


def test_of_a_linear_model_the_certificate_is_the_exact_minimum() -> None:
    model = shared_net((40, 6), "linear", seed=5)
    x, seen = images(12, 40), []
    found = ki.certified_distortion(model, x, on_batch=lambda *done: seen.append(done))
    assert seen[-1] == (len(x), len(x))
    exact = ki.minimal_distortion(model, x).distortion  # which has its own exact tests
    assert (found.relaxation <= exact * (1 + 1e-6)).all()
    assert (found.relaxation >= exact * (1 - 2e-3)).all()
    assert (found.network <= found.relaxation).all()


BOUNDS = {
    "each its own": (-np.arange(1, 41) / 40, np.arange(1, 41) / 10),
    "from below": (0.0, np.where(np.arange(40) % 2, 1.0, np.inf)),
    "none": (-np.inf, np.inf),
}


@pytest.mark.parametrize("kind", BOUNDS)
def test_bounds_of_every_value_and_none_of_a_linear_model(kind: str) -> None:
    model = shared_net((40, 6), "linear", seed=5)
    x = images(12, 40) * np.minimum(BOUNDS[kind][1], 1).astype(np.float32)
    found = ki.certified_distortion(model, x, bounds=BOUNDS[kind])
    exact = ki.minimal_distortion(model, x, bounds=BOUNDS[kind])  # which has its own exact tests
    assert (found.distortion <= exact.distortion * (1 + 1e-6)).all()
    assert (found.distortion >= exact.distortion * (1 - 2e-3)).all()
    within, beyond = 0.99 * found.l2, 1.001 * exact.l2
    assert ki.verify(model, x, within, bounds=BOUNDS[kind]).verified.all()
    assert not ki.verify(model, x, beyond, bounds=BOUNDS[kind]).verified.any()


@pytest.mark.parametrize("kind", BOUNDS)
def test_no_image_within_bounds_of_every_value_has_another_label(kind: str) -> None:
    model = shared_net((5, 9, 4), "tanh", seed=4)
    bounds = tuple(np.broadcast_to(b, (40,))[:5] for b in BOUNDS[kind])
    x = images(6, 5) * np.minimum(bounds[1], 1).astype(np.float32)
    found = ki.certified_distortion(model, x, bounds=bounds)
    assert (found.distortion > 0).all()
    assert (found.relaxation >= found.network * (1 - 1e-2)).all()
    random = np.random.default_rng(1)
    for i, radius in enumerate(np.minimum(found.l2, 10)):
        steps = random.normal(size=(20000, 5))
        steps *= radius / np.linalg.norm(steps, axis=1, keepdims=True)
        inside = np.clip(x[i] + steps, *bounds)
        assert (logits_in_float64(model, inside).argmax(axis=1) == found.label[i]).all()


def test_proved_margins_hold_for_sampled_images() -> None:
    model = dense_net([6, 9, 8, 3], "tanh", seed=3)
    x = images(4, 6)
    random = np.random.default_rng(0)
    label = logits_in_float64(model, x.astype(np.float64)).argmax(axis=1)
    for radius in (0.05, 0.3, 1.0):
        found = ki.certificates.verify(model, x, radius)
        assert (found.label == label).all()
        for i in range(4):
            steps = random.normal(size=(20000, 6))
            steps *= (
                radius * random.uniform(size=(20000, 1)) ** 0.1 / np.linalg.norm(steps, axis=1, keepdims=True)
            )
            steps[0] = 0
            z = logits_in_float64(model, np.clip(x[i] + steps, 0, 1))
            margin = z[:, label[i]] - np.delete(z, label[i], axis=1).max(axis=1)
            assert found.margin[i] <= margin.min()
            if radius == 0.05:
                clean = z[0, label[i]] - np.delete(z[0], label[i]).max()
                assert found.margin[i] >= clean - 1.5 * (clean - margin.min()) or found.loosest[i] == ""


def test_rescaled_pixels_have_rescaled_certificates() -> None:
    model = dense_net([5, 8, 4], "sigmoid", seed=1)
    inputs = keras.Input((5,))
    rescaled = keras.Model(inputs, model.layers[2](model.layers[1](L.Rescaling(1 / 255)(inputs))))
    x = images(5, 5)
    plain = ki.certified_distortion(model, x, effort="thorough")
    large = ki.certified_distortion(rescaled, 255 * x, bounds=(0, 255), effort="thorough")
    np.testing.assert_allclose(large.relaxation, 255 * plain.relaxation, rtol=3e-3)


def test_activations_in_layers_of_their_own_and_a_softmax_change_nothing() -> None:
    model = dense_net([5, 8, 4], "relu", seed=1, ends_in="softmax")
    inputs = keras.Input((5,))
    apart = [L.Flatten(), L.Dense(8), L.ReLU(), L.Dropout(0.3), L.Dense(4), L.Softmax()]
    x = inputs
    for layer in apart:
        x = layer(x)
    twin = keras.Model(inputs, x)
    twin.set_weights(model.get_weights())
    of_model, of_twin = (ki.certified_distortion(m, images(5, 5)) for m in (model, twin))
    # the same steps in float32, whose rounding the search amplifies, on some processors more than on others
    np.testing.assert_allclose(of_model.relaxation, of_twin.relaxation, rtol=2e-2)
    assert (of_model.relaxation > of_model.network).all()


def test_a_convolutional_model_has_a_certificate() -> None:
    model = keras.Sequential(
        [keras.Input((6, 6, 1)), L.Conv2D(3, 3, activation="relu"), L.Flatten(), L.Dense(3)]
    )
    x = np.random.default_rng(0).uniform(size=(6, 6, 6, 1)).astype(np.float32)
    found = ki.certified_distortion(model, x)
    assert (found.distortion == np.maximum(found.network, found.relaxation)).all()
    assert (found.relaxation > found.network).any()  # as no bound of the whole network alone could be
    assert (found.distortion <= ki.minimal_distortion(model, x).distortion).all()


def test_average_pooling_of_volumes_keeps_the_certificate_of_a_linear_model_exact() -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((3, 4, 3, 2)), L.AveragePooling3D(2, 1, "same"), L.Flatten(), L.Dense(3)]
    )
    x = np.random.default_rng(0).uniform(size=(4, 3, 4, 3, 2)).astype(np.float32)
    found, exact = ki.certified_distortion(model, x).distortion, ki.minimal_distortion(model, x).distortion
    assert (found <= exact * (1 + 1e-6)).all()
    assert (found >= exact * (1 - 2e-3)).all()


def behind_rectifiers(activation: str) -> keras.Model:
    keras.utils.set_random_seed(1)  # of other weights the bound by propagation may be the smaller everywhere
    inputs = keras.Input((5,))
    return keras.Model(inputs, L.Dense(3)(L.Dense(8, activation)(L.Dense(8, "relu")(inputs))))


@pytest.mark.parametrize("activation", ["selu", "mish"])
def test_an_activation_without_a_curve_is_passed_by_its_lipschitz_constant(activation: str) -> None:
    circuit = circuit_of(nodes(behind_rectifiers(activation)), LipschitzConstants())
    kinds = [type(step) for step in circuit.steps[1:]]
    assert kinds == [Linear, Activation, Linear, Lipschitz, Linear]


@pytest.mark.parametrize("activation", ["selu", pytest.param("mish", marks=pytest.mark.slow)])
def test_an_activation_without_a_curve_costs_that_part_of_the_network_only(activation: str) -> None:
    model, x = behind_rectifiers(activation), images(6, 5)
    found = ki.certified_distortion(model, x)
    assert (found.relaxation > found.network).any()  # as no bound of the whole network alone could be
    assert (found.distortion <= ki.minimal_distortion(model, x).distortion).all()


def test_a_last_softmax_may_count_its_axis_from_the_front() -> None:
    model = dense_net([5, 8, 4], "relu", seed=1)
    twin = keras.Sequential([keras.Input((5,)), model, L.Softmax(axis=1)])
    x = images(3, 5)
    of_model, of_twin = (ki.certified_distortion(m, x, effort="quick").distortion for m in (model, twin))
    np.testing.assert_allclose(of_model, of_twin, rtol=1e-6)


@pytest.mark.slow  # of one preset, so that half of what is found is certified, by README.md's code and its test
@pytest.mark.parametrize("preset", [p for p in ki.list_presets() if "mnist" in p and "seed" not in p])
def test_no_more_is_certified_than_found_of_any_preset(preset: str, mnist5k) -> None:
    x = mnist5k[0][:: 1000 if preset == "convnet_mnist" else 25]  # half a minute an image
    model = ki.from_preset(preset)
    certified = ki.certified_distortion(model, x).distortion
    found = ki.minimal_distortion(model, x)
    assert (certified[found.success] <= found.distortion[found.success]).all()


def test_a_softmax_over_a_part_of_the_classes_is_none_over_all() -> None:
    inputs = keras.Input((2,))
    dense = L.Dense(4)
    model = keras.Model(inputs, L.Flatten()(L.Softmax()(L.Reshape((2, 2))(dense(inputs)))))
    dense.set_weights([np.array([[0, 0, 20, -20], [0, 0, 0, 0.0]]), np.array([5, 4, -10, 10.0])])
    x = np.full((1, 2), 0.5, np.float32)
    found = ki.certified_distortion(model, x)
    assert found.distortion <= ki.minimal_distortion(model, x).distortion


def test_steep_and_tiny_weights_are_evaluated_in_float64() -> None:
    """The label changes at x = 0.3333 in exact arithmetic, which float32 would miss by rounding 2²⁴ + 1."""
    inputs = keras.Input((1,))
    first, second = L.Dense(2), L.Dense(2)
    model = keras.Model(inputs, second(first(inputs)))
    first.set_weights([np.array([[3.0, -3.0]]), np.array([2.0**24, 2.0**24 + 2])])
    second.set_weights([np.eye(2), np.full(2, -(2.0**24))])
    found = ki.certified_distortion(model, np.array([[0.325]], np.float32))
    assert found.distortion[0] <= 1 / 3 - 0.325 + 1e-6
    assert found.network[0] <= found.relaxation[0] * (1 + 2e-3)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_units_that_hardly_vary_keep_their_lines(activation: str) -> None:
    tiny, at = 1e-12, np.array([[0.3], [0.45], [0.6]], np.float32)
    inputs = keras.Input((1,))
    first, second = L.Dense(1, activation), L.Dense(2)
    model = keras.Model(inputs, second(first(inputs)))
    first.set_weights([np.array([[tiny]]), np.array([-0.5 * tiny])])
    second.set_weights([np.array([[0, 1 / tiny]]), np.array([0.2, 0.0])])
    found = ki.certified_distortion(model, at).distortion
    # relu(x − ½) and, to the last digit, tanh are 0.2 there
    assert (found <= np.abs(0.7 - at[:, 0]) + 1e-3).all()


def test_what_only_has_a_known_name_is_not_known() -> None:
    def sigmoid(t: tf.Tensor) -> tf.Tensor:
        return tf.sigmoid(20 * t)

    model = dense_net([5, 8, 4], "tanh", seed=1)
    model.layers[1].activation = sigmoid
    with pytest.raises(ValueError, match="No slope bound is known for the activation 'sigmoid'"):
        ki.certified_distortion(model, images(3, 5))


def test_a_model_with_a_call_of_its_own_is_refused() -> None:
    class Normalized(keras.Model):
        def call(self, x: tf.Tensor, **settings: bool) -> tf.Tensor:
            return super().call((x - 0.5) * 50, **settings)

    inputs = keras.Input((5,))
    with pytest.raises(ValueError, match="whose own call"):
        ki.certified_distortion(Normalized(inputs, L.Dense(3)(inputs)), images(3, 5))


def test_half_precision_is_refused() -> None:
    inputs = keras.Input((5,))
    model = keras.Model(inputs, L.Dense(3, dtype="mixed_bfloat16")(inputs))
    with pytest.raises(ValueError, match="computes in bfloat16"):
        ki.certified_distortion(model, images(3, 5))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: {"x": np.where(x > 0.5, np.nan, x)}, "NaN"),
        (lambda x: {"x": 2 * x}, "outside the bounds"),
        (lambda x: {"x": x[:, :4]}, "takes inputs of shape"),
        (lambda x: {"x": x, "label": 4}, "has 4 classes"),
        (lambda x: {"x": x, "bounds": (1, 0)}, "rising"),
    ],
)
def test_bad_input_is_named(change: Callable, message: str) -> None:
    model = dense_net([5, 8, 4], "tanh", seed=1)
    with pytest.raises(ValueError, match=message):
        ki.certified_distortion(model, **change(images(3, 5) + 0.0))


def test_a_function_has_no_layers() -> None:
    with pytest.raises(TypeError, match="needs the model's layers"):
        ki.certified_distortion(lambda x: x, images(3, 5))


@pytest.mark.parametrize(
    ("kind", "constant", "kernel", "image"),
    [
        (keras.layers.Minimum, [0.3, 1.0], [[3.0, 0.0], [0.0, 2.0]], [0.9, 0.5]),
        pytest.param(
            *(keras.layers.Maximum, [0.7, 0.0], [[0.0, 2.0], [3.0, 0.0]], [0.3, 0.9]), marks=pytest.mark.slow
        ),
    ],
)
def test_a_constant_that_a_merging_layer_takes_counts(kind, constant, kernel, image) -> None:
    inputs = keras.Input((2,))
    dense = keras.layers.Dense(2, use_bias=False)
    model = keras.Model(inputs, dense(kind()([inputs, tf.constant([constant])])))
    dense.set_weights([np.array(kernel, np.float32)])
    x = np.array([image], np.float32)
    found = ki.minimal_distortion(model, x)
    assert found.success.all()
    for effort in ("quick", "standard"):
        assert 0 < ki.certified_distortion(model, x, effort=effort).distortion <= found.distortion
        assert not ki.verify(model, x, 1.01 * found.l2, effort=effort).verified


def test_a_layer_that_was_changed_in_place_is_refused() -> None:
    model = keras.Sequential(
        [
            keras.Input((16, 16, 1)),
            keras.layers.Conv2D(1, 1),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(2),
        ]
    )
    model.layers[0].strides = (8, 8)
    with pytest.raises(ValueError, match="was changed after the model was built"):
        ki.certified_distortion(model, np.ones((1, 16, 16, 1), np.float32), effort="quick")


def test_another_label_than_the_models_has_no_certificate_and_a_constant_model_an_infinite_one() -> None:
    model = shared_net((5, 7, 4), "tanh", seed=1)
    x = images(3, 5)
    label = np.asarray(model(x)).argmax(axis=1)
    wrong = ki.certified_distortion(model, x, label=(label + 1) % 4)
    assert (wrong.distortion == 0).all()
    assert (ki.certified_distortion(model, x, label=label).distortion > 0).all()
    constant = dense_net([5, 3, 4], "relu", seed=1)
    constant.set_weights([0 * w for w in constant.get_weights()[:-1]] + [np.array([0, 3.0, 1, 2])])
    assert np.isinf(ki.certified_distortion(constant, x).distortion).all()


@pytest.mark.parametrize(
    "function", [ki.certified_distortion, lambda *given, **more: ki.verify(*given, 0.3, **more)]
)
@pytest.mark.parametrize("effort", ["quick", "standard"])
def test_a_call_tells_how_many_images_are_done(monkeypatch, function, effort: str) -> None:
    for module in (distortion, verification):
        monkeypatch.setattr(module, "images_at_once", lambda *given: 3)
    told: list[tuple[float, float]] = []
    function(
        shared_net((5, 7, 4), "tanh", seed=1),
        images(8, 5),
        effort=effort,
        progress=lambda done, total: told.append((done, total)),
    )
    done = [count for count, _ in told]
    assert {total for _, total in told} == {8}
    assert (done[0], done[-1]) == (0, 8)
    assert done == sorted(done)
    assert any(count % 1 for count in done) == (effort == "standard")
