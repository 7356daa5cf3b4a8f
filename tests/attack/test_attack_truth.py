"""What `direct` claims holds however the model is called, also where logits are large, saturated or coarse."""

from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_intriguing as ki


def tanh_net(scale: float, pixels: float) -> keras.Model:
    """A random net of 40 pixels in [0, `pixels`] whose hidden units are the more saturated the larger `scale` is."""
    keras.utils.set_random_seed(0)
    image = keras.Input((40,))
    y = keras.layers.Rescaling(2 / pixels, offset=-1)(image)
    for units in (60, 60, 60):
        y = keras.layers.Dense(units, "tanh", kernel_initializer=keras.initializers.VarianceScaling(scale))(y)
    return keras.Model(image, keras.layers.Dense(5)(y))


def images(count: int, pixels: float = 1.0) -> np.ndarray:
    return (pixels * np.random.default_rng(1).uniform(size=(count, 40))).astype(np.float32)


def called(model: keras.Model, x: np.ndarray) -> dict[str, np.ndarray]:
    """The labels of images by every way in which a user may call the model."""
    graph = tf.function(lambda rows: model(rows, training=False))
    xla = tf.function(lambda rows: model(rows, training=False), jit_compile=True)

    def one_by_one(function: Callable) -> np.ndarray:
        return np.concatenate([np.asarray(function(row[None])) for row in x])

    logits = {f"predict, {size}": model.predict(x, batch_size=size, verbose=0) for size in (1, 2, 7, 32, 100)}
    logits |= {"eager": model(x), "eager, alone": one_by_one(model), "graph": graph(x), "XLA": xla(x)}
    logits |= {"graph, alone": one_by_one(graph), "XLA, alone": one_by_one(xla)}
    return {way: np.argmax(z, axis=1) for way, z in logits.items()}


@pytest.mark.parametrize(
    ("scale", "pixels"),
    [(8.0, 255.0), *(pytest.param(scale, 1.0, marks=pytest.mark.slow) for scale in (2.0, 8.0))],
)
def test_a_success_is_one_however_the_model_is_called(scale: float, pixels: float):
    model, x = tanh_net(scale, pixels), images(100, pixels)
    result = ki.minimal_distortion(model, x, bounds=(0, pixels), budget=300)
    assert result.success.all()
    for way, labels in called(model, result.adversarial).items():
        assert np.array_equal(labels, result.label_after), way
        assert np.all(labels != result.label_before), way


@pytest.mark.parametrize(("offset", "unit"), [(1e6, 0.0625), (3e7, 2.0)])
def test_an_offset_of_all_logits_costs_no_more_than_a_step_of_them(offset: float, unit: float):
    """Of linear models in the whole space: the nearest point where the logits' real difference is one step of theirs."""
    a = np.random.default_rng(0).normal(size=(60, 4))
    a = (20 * (a - a.mean(axis=0))).astype(np.float32)
    x = np.random.default_rng(1).uniform(0.3, 0.7, size=(12, 60)).astype(np.float32)

    model = keras.Sequential([keras.Input((60,)), keras.layers.Dense(4)])
    model.set_weights([a, np.full(4, offset)])
    result = ki.minimal_distortion(model, x)
    z = x.astype(np.float64) @ a
    label = np.argmax(np.asarray(model(tf.constant(x))), axis=1)
    below = np.take_along_axis(z, label[:, None], axis=1) - z
    norms = np.linalg.norm(a[:, None] - a[:, :, None], axis=0)[label]
    with np.errstate(divide="ignore", invalid="ignore"):
        at_edge, a_step_on = (
            np.nanmin(np.where(norms > 0, (below + further) / norms, np.nan), axis=1) / np.sqrt(60)
            for further in (-unit, 2 * unit)
        )
    assert result.success.all()
    assert np.all(result.distortion >= at_edge)
    assert np.all(result.distortion <= 1.01 * a_step_on)


def test_logits_a_hundred_times_as_large_are_left_as_surely():
    small, x = tanh_net(8.0, 1.0), images(64)
    large = keras.Model(small.input, 100 * small.output)
    results = [ki.minimal_distortion(model, x, budget=1000) for model in (small, large)]
    assert all(result.success.all() for result in results)
    ratio = results[1].distortion / results[0].distortion
    assert np.median(np.abs(ratio - 1)) < 1e-3
    assert abs(ratio.mean() - 1) < 0.02


def test_images_without_a_gradient_start_from_others_of_the_batch():
    """Behind logits there is a softmax, clipped near its ends, which leaves no gradient at all on any processor."""
    small, x = tanh_net(8.0, 1.0), images(64)

    def saturated(rows: tf.Tensor) -> tf.Tensor:
        return tf.clip_by_value(2 * tf.nn.softmax(100 * small(rows)) - 1, -0.999, 0.999)

    with tf.GradientTape() as tape:
        rows = tf.constant(x)
        tape.watch(rows)
        largest = tf.reduce_max(saturated(rows), axis=-1)
    without = ~np.any(np.asarray(tape.gradient(largest, rows)), axis=1)
    assert without.mean() > 0.2
    result = ki.minimal_distortion(saturated, x, budget=1000)
    assert result.success.all()


def test_probabilities_that_round_to_a_tie_are_no_success() -> None:
    keras.utils.set_random_seed(0)
    image = keras.Input((40,))
    small = keras.initializers.RandomNormal(stddev=0.01)  # logits near 0, where a sigmoid rounds them away
    model = keras.Model(image, keras.layers.Dense(1, "sigmoid", kernel_initializer=small)(image))
    model.layers[-1].set_weights([model.layers[-1].get_weights()[0], np.array([-0.01], np.float32)])
    x = images(64)
    result = ki.minimal_distortion(model, x)
    assert result.success.all()
    for size in (1, 7, 64):
        after = model.predict(result.adversarial, batch_size=size, verbose=0)[:, 0] > 0.5
        np.testing.assert_array_equal(after, result.label_after == 1)


def denied(model: keras.Model, x: np.ndarray, label: np.ndarray) -> dict[str, np.ndarray]:
    """By which ways images have these labels all the same, and which of them."""
    by_way = {way: np.flatnonzero(labels == label) for way, labels in called(model, x).items()}
    return {way: rows for way, rows in by_way.items() if len(rows)}


@pytest.mark.parametrize("method", ["direct", "penalty"])
def test_images_next_to_the_edge_are_moved_as_far_as_rounding_asks(method: str) -> None:
    """A ray of 1e-7 leads to no safe point, however much it is lengthened."""
    model, x = tanh_net(2.0, 1.0), images(12)
    far = ki.minimal_distortion(model, x, budget=300)
    near = ki.minimal_distortion(model, far.adversarial, method=method, budget=300)
    assert near.success.all()
    assert (near.distortion < 1e-3 * far.distortion).all()
    assert denied(model, near.adversarial, near.label_before) == {}


@pytest.mark.parametrize("towards_target", [False, True])
def test_an_image_whose_label_is_a_matter_of_rounding_is_attacked(towards_target: bool) -> None:
    """Of two neighbouring points of a ray one has the label to leave and one has not, by one way to call the model."""
    model, x = tanh_net(2.0, 1.0), images(12)
    result = ki.minimal_distortion(model, x, budget=300)
    low, high = np.zeros((12, 1)), np.ones((12, 1))

    def at(part: np.ndarray) -> np.ndarray:
        return (x + part * (result.adversarial.astype(np.float64) - x)).astype(np.float32)

    for _ in range(40):
        middle = (low + high) / 2
        leaves = (np.argmax(model(at(middle)), axis=1) != result.label_before)[:, None]
        low, high = np.where(leaves, low, middle), np.where(leaves, middle, high)
    classes = {"target": result.label_after} if towards_target else {"label": result.label_before}
    again = ki.minimal_distortion(model, at(high), budget=300, **classes)
    assert again.success.all()
    assert (again.distortion > 0).any()
    assert ((again.forward_passes + again.backward_passes) <= 300).all()
    assert denied(model, again.adversarial, result.label_before) == {}


@pytest.mark.parametrize("method", ["direct", "penalty"])
def test_tied_logits_are_left_by_a_small_step(method: str) -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(16, "tanh"), keras.layers.Dense(3)])
    black = np.zeros((1, 6), np.float32)
    x = np.concatenate([black, np.random.default_rng(0).uniform(0.1, 0.9, (3, 6)).astype(np.float32)])
    result = ki.minimal_distortion(model, x, method=method, budget=300)
    assert result.success.all()
    assert result.distortion[0] < 1e-5
    assert np.argmax(model(result.adversarial[:1]), axis=1) != result.label_before[0]


def half_precision(policy: str, convolution: bool) -> keras.Model:
    """A random net of 6×6 pixels that computes in half precision and ends in a softmax."""
    keras.utils.set_random_seed(0)
    wide, layers = keras.initializers.VarianceScaling(4.0), keras.layers
    first = layers.Conv2D(8, 3, activation="tanh", kernel_initializer=wide, dtype=policy)
    hidden = layers.Dense(32, "tanh", kernel_initializer=wide, dtype=policy)
    last = layers.Dense(5, "softmax", kernel_initializer=wide, dtype=policy)
    body = [first] if convolution else []
    return keras.Sequential([keras.Input((6, 6, 1)), *body, layers.Flatten(), hidden, last])


@pytest.mark.parametrize("convolution", [False, True], ids=["dense", "convolution"])
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_is_seen_as_coarsely_as_it_is(policy: str, convolution: bool) -> None:
    """Also by XLA, which rounds it otherwise and which `predict` uses where a model is compiled so."""
    model = half_precision(policy, convolution)
    x = np.random.default_rng(1).uniform(size=(30, 6, 6, 1)).astype(np.float32)
    result = ki.minimal_distortion(model, x, budget=300)
    assert result.success.all()
    assert denied(model, result.adversarial, result.label_before) == {}
