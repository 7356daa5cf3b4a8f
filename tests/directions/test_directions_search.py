"""Top images against one big matrix product, and planted directions found again."""

import gc
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_intriguing as ki
from keras_intriguing import directions
from keras_intriguing.directions import features
from reproductions.bench import directions as bench_directions

L = keras.layers
N = 257


@pytest.fixture(scope="module")
def identity() -> keras.Model:
    """Images are their own activations."""
    inputs = keras.Input((6,))
    return keras.Model(inputs, L.Identity(name="same")(inputs))


@pytest.fixture(scope="module")
def integers() -> tuple[np.ndarray, np.ndarray]:
    """Images and directions of small whole numbers: products are exact, and many are equal."""
    random = np.random.default_rng(0)
    return random.integers(-3, 4, (N, 6)).astype(np.float32), random.integers(-2, 3, (40, 6))


def one_product(activations: np.ndarray, rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k best of all images at once, by a stable sort."""
    products = rows @ activations.T
    order = np.argsort(-products, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(products, order, axis=1)


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "_MOST", 32)
    monkeypatch.setattr(directions.search, "_BLOCK", 32 * 7)  # seven directions at once


@pytest.mark.parametrize("k", [1, 10, 100, N])
def test_streaming_equals_one_product_and_the_first_of_equals_wins(
    k: int, identity, integers, small_chunks
) -> None:
    images, rows = integers
    found = directions.top_images(identity, "same", images, rows, k)
    order, values = one_product(images, rows, k)
    assert np.array_equal(found.indices, order)
    assert np.array_equal(found.activations, values)


def test_ties_keep_the_order_of_images(identity) -> None:
    found = directions.top_images(identity, "same", np.ones((50, 6)), np.eye(6), k=7)
    assert np.array_equal(found.indices, np.tile(np.arange(7), (6, 1)))


WAYS: dict[str, Callable[[np.ndarray], Any]] = {
    "one by one": lambda x: [x[i : i + 1] for i in range(len(x))],
    "uneven batches": lambda x: iter([x[:1], x[1:1], x[1:100], x[100:]]),
    "data set": lambda x: tf.data.Dataset.from_tensor_slices(x).batch(48),
    "data set with labels": lambda x: tf.data.Dataset.from_tensor_slices((x, np.zeros(len(x)))).batch(33),
    "tensor": tf.constant,
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_batching_gives_the_same_bits(way: str, digits, small_chunks) -> None:
    model, x = ki.from_preset("fc100_100_10_mnist"), digits[0]
    rows = directions.random_directions(100, 20, 0)
    expected = directions.top_images(model, "hidden1", x, rows)
    found = directions.top_images(model, "hidden1", WAYS[way](x), rows)
    assert np.array_equal(found.indices, expected.indices)
    assert np.array_equal(found.activations, expected.activations)


def test_nothing_is_traced_again(identity, convolution) -> None:
    model, images, _ = convolution
    for count, k in ((40, 3), (55, 4), (90, 5)):
        directions.top_images(identity, "same", images.reshape(-1, 6)[:count], np.eye(6)[: k + 1], k)
        directions.top_images(model, "conv", images[:count], np.eye(5)[:k], k)
    assert directions.search._merge.experimental_get_tracing_count() == 1
    assert directions.search._merge_positions.experimental_get_tracing_count() == 1


def test_a_changed_layer_or_model_gives_its_own_outputs(integers) -> None:
    x = integers[0]
    model = keras.Sequential([keras.Input((6,)), L.Dense(4, name="a"), L.Dense(3, name="b")])
    layer = model.get_layer("a")
    linear = x @ layer.kernel.numpy() + layer.bias.numpy()
    np.testing.assert_allclose(directions.activations(model, "a", x), linear, atol=1e-5)
    layer.activation = keras.activations.relu
    np.testing.assert_allclose(directions.activations(model, "a", x), np.maximum(linear, 0), atol=1e-5)
    last = directions.activations(model, "b", x)
    model.pop()
    model.add(L.Rescaling(2.0))
    model.add(L.Dense(3, name="b"))
    model.get_layer("b").set_weights([np.eye(4, 3), np.zeros(3)])
    found = directions.activations(model, "b", x)
    np.testing.assert_allclose(found, 2 * np.maximum(linear, 0)[:, :3], atol=1e-5)
    assert not np.allclose(found, last)


def test_no_model_is_kept_alive() -> None:
    model = keras.Sequential([keras.Input((6,)), L.Dense(4, name="a")])
    directions.activations(model, "a", np.ones((2, 6)))
    alive = weakref.ref(model)
    del model
    gc.collect()
    assert alive() is None


def test_models_of_images_of_any_size_take_every_size() -> None:
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, L.Conv2D(4, 1, name="conv")(inputs))
    kernel = model.get_layer("conv").kernel[0, 0].numpy()
    for size in (8, 12, 8):
        x = np.random.default_rng(size).normal(size=(5, size, size, 3)).astype(np.float32)
        by_hand = (x @ kernel).max(axis=(1, 2))
        found = directions.top_images(model, "conv", x, np.eye(4), 5)
        assert np.array_equal(found.indices, np.argsort(-by_hand, axis=0).T)


def test_a_batch_may_be_overwritten_by_the_next(identity, integers, small_chunks) -> None:
    images, rows = integers

    def refilled() -> Iterator[np.ndarray]:
        buffer = np.empty((20, 6), np.float32)
        for first in range(0, N, 20):
            part = images[first : first + 20]
            buffer[: len(part)] = part
            yield buffer[: len(part)]

    found = directions.top_images(identity, "same", refilled(), rows)
    assert np.array_equal(found.indices, one_product(images, rows, 10)[0])


@pytest.mark.parametrize("count", [33, 65, 71])
def test_equal_images_keep_their_order_in_chunks_of_any_size(count: int, small_chunks) -> None:
    """One image alone in a last chunk: TensorFlow rounds products with a vector otherwise."""
    model = ki.from_preset("fc100_100_10_mnist")
    x = np.repeat(np.random.default_rng(0).random((1, 28, 28, 1), np.float32), count, axis=0)
    if len(np.unique(model.predict(x[:32], verbose=0), axis=0)) > 1:
        pytest.skip("On this processor the place in a batch changes the rounding.")
    rows = directions.random_directions(100, 40, 0)
    found = directions.top_images(model, "hidden2", x, rows, count)
    assert np.array_equal(found.indices, np.tile(np.arange(count), (40, 1)))
    assert len(directions.activations(model, "hidden2", x)) == count


def test_real_activations_agree_with_one_product_in_float64(digits) -> None:
    model, x = ki.from_preset("fc100_100_10_mnist"), digits[0]
    rows = directions.random_directions(100, 50, 0)
    outputs = keras.Model(model.input, model.get_layer("hidden2").output)(x).numpy()
    np.testing.assert_allclose(directions.activations(model, "hidden2", x), outputs, atol=1e-6)
    found = directions.top_images(model, "hidden2", x, rows)
    order, values = one_product(outputs.astype(np.float64), rows, 10)
    np.testing.assert_allclose(found.activations, values, atol=1e-5)
    assert (found.indices == order).mean() > 0.99  # but for values that differ by rounding


def test_planted_directions_are_found_again(identity) -> None:
    """Five groups of ten images lie far out along one direction each."""
    random = np.random.default_rng(3)
    basis = directions.rotated_basis(6, seed=4)[:5]
    images = random.normal(size=(3000, 6)).astype(np.float32)
    places = random.permutation(3000)[:50].reshape(5, 10)
    for direction, place in zip(basis, places, strict=True):
        images[place] += 30 * direction
    found = directions.top_images(identity, "same", images, basis)
    assert np.array_equal(np.sort(found.indices), np.sort(places))
    principal = directions.principal_directions(images)[:5]
    spanned = np.linalg.norm(principal @ basis.T, axis=1)
    np.testing.assert_allclose(spanned, 1, atol=0.02)


@pytest.fixture(scope="module")
def convolution() -> tuple[keras.Model, np.ndarray, np.ndarray]:
    """A net with positions, images, and its outputs by hand: a 1×1 convolution is a product."""
    random = np.random.default_rng(5)
    model = keras.Sequential(
        [keras.Input((4, 3, 2)), L.Conv2D(5, 1, activation="relu", name="conv"), L.Flatten(), L.Dense(2)]
    )
    kernel = random.integers(-2, 3, (1, 1, 2, 5)).astype(np.float32)
    model.get_layer("conv").set_weights([kernel, np.array([1.0, 0, -1, 0, 2])])
    images = random.integers(0, 4, (90, 4, 3, 2)).astype(np.float32)
    return model, images, np.maximum(images @ kernel[0, 0] + [1, 0, -1, 0, 2], 0)


@pytest.mark.parametrize("reduce", ["max", "mean", "flatten"])
def test_positions_are_reduced_as_asked(reduce: str, convolution, small_chunks) -> None:
    model, images, outputs = convolution
    width = 60 if reduce == "flatten" else 5
    rows = np.random.default_rng(6).integers(-2, 3, (30, width))
    flat = outputs.reshape(90, -1) if reduce == "flatten" else outputs.reshape(90, 12, 5)
    by_hand = flat @ rows.T
    if reduce != "flatten":
        by_hand = by_hand.max(axis=1) if reduce == "max" else by_hand.mean(axis=1)
    found = directions.top_images(model, "conv", images, rows, k=8, reduce=reduce)
    order, values = one_product(by_hand, np.eye(30), 8)
    np.testing.assert_allclose(found.activations, values, rtol=1e-5, atol=1e-5)
    if reduce != "mean":  # whose values are no whole numbers
        assert np.array_equal(found.indices, order)


def test_moments_are_those_of_all_positions(convolution, small_chunks) -> None:
    model, images, outputs = convolution
    found, rows = directions.moments(model, "conv", images), outputs.reshape(-1, 5)
    np.testing.assert_allclose(found.mean, rows.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(found.covariance, np.cov(rows, rowvar=False, bias=True), rtol=1e-5, atol=1e-9)


# of the layer that is not used
pytestmark = pytest.mark.filterwarnings(r"ignore:`build\(\)` was called on layer 'subclass")


class Subclass(keras.Model):
    """Without a graph of layers, and with a model inside."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = keras.Sequential([keras.Input((6,)), L.Dense(4, "relu", name="inside")])
        self.last = L.Dense(2, name="last")
        self.unused = L.Dense(1, name="unused")

    def call(self, x: Any) -> Any:
        return self.last(2 * self.inner(x))


def test_layers_of_any_model_are_found(integers) -> None:
    model, x = Subclass(), integers[0]
    model(x)
    kernel, bias = model.inner.get_layer("inside").get_weights()
    expected = np.maximum(x @ kernel + bias, 0)
    np.testing.assert_allclose(directions.activations(model, "inside", x), expected, atol=1e-5)
    layer = model.inner.get_layer("inside")
    np.testing.assert_allclose(directions.activations(model, layer, x), expected, atol=1e-5)
    np.testing.assert_allclose(model(x), model.last(2 * expected), atol=1e-5)  # it computes as before
    assert "call" not in vars(layer)


def test_a_model_that_is_not_built_is_built_by_the_first_image(integers) -> None:
    x = integers[0]
    for model in (Subclass(), keras.Sequential([L.Dense(4, "relu", name="inside"), L.Dense(2)])):
        found = directions.activations(model, "inside", x)
        inner = model.inner if isinstance(model, Subclass) else model
        kernel, bias = inner.get_layer("inside").get_weights()
        np.testing.assert_allclose(found, np.maximum(x @ kernel + bias, 0), atol=1e-5)


def test_a_layers_own_call_is_put_back(integers) -> None:
    x = integers[0]
    model = keras.Sequential([keras.Input((6,)), L.Identity(name="same")])
    layer = model.get_layer("same")
    layer.call = lambda inputs: 3 * inputs
    for _ in range(2):
        np.testing.assert_array_equal(directions.activations(model, "same", x), 3 * x)
    np.testing.assert_array_equal(model(x), 3 * x)


def test_a_path_of_a_saved_model(identity, integers, tmp_path: Path) -> None:
    identity.save(tmp_path / "own.keras")
    of_model = directions.top_images(identity, "same", *integers)
    of_path = directions.top_images(tmp_path / "own.keras", "same", *integers)
    np.testing.assert_array_equal(of_path.indices, of_model.indices)
    assert directions.hidden_layers(str(tmp_path / "own.keras")) == directions.hidden_layers(identity)


def test_channels_that_come_first_are_the_directions_space() -> None:
    random = np.random.default_rng(7)
    inputs = keras.Input((2, 4, 3))
    model = keras.Model(inputs, L.Conv2D(5, 1, data_format="channels_first", name="conv")(inputs))
    x = random.integers(0, 4, (30, 2, 4, 3)).astype(np.float32)
    kernel = random.integers(-2, 3, (2, 5)).astype(np.float32)
    model.get_layer("conv").set_weights([kernel[None, None], np.zeros(5)])
    by_hand = np.moveaxis(x, 1, -1) @ kernel
    try:
        model(x)
    except tf.errors.UnimplementedError:
        pytest.skip("TensorFlow convolves channels first on processors with oneDNN only.")
    np.testing.assert_array_equal(directions.activations(model, "conv", x), by_hand)
    rows = random.integers(-2, 3, (8, 5))
    found = directions.top_images(model, "conv", x, rows, 6)
    order, values = one_product((by_hand @ rows.T).max(axis=(1, 2)), np.eye(8), 6)
    assert np.array_equal(found.indices, order)
    assert np.array_equal(found.activations, values)
    mean = directions.moments(model, "conv", x).mean
    np.testing.assert_allclose(mean, by_hand.mean(axis=(0, 1, 2)), rtol=1e-6)


def test_hidden_layers_are_those_with_an_activation_below_the_outputs() -> None:
    names = {
        "fc10_mnist_decay1": [],
        "fc100_100_10_mnist": ["hidden1", "hidden2"],
        "ae400_10_mnist": ["code"],
    }
    for preset, expected in names.items():
        assert directions.hidden_layers(ki.from_preset(preset)) == expected
    assert directions.hidden_layers(ki.models.MNISTConvNet()) == ["conv1", "conv2", "hidden"]
    own = keras.Sequential(
        [
            keras.Input((3,)),
            L.Dense(4),
            L.ReLU(name="a"),
            L.Dense(4),
            L.Activation("tanh", name="b"),
            L.Dense(2, "softmax"),
        ]
    )
    assert directions.hidden_layers(own) == ["a", "b"]
    reshaped = keras.Sequential([keras.Input((3,)), L.Dense(4, "softmax"), L.Reshape((2, 2))])
    assert directions.hidden_layers(reshaped) == []
    with pytest.raises(ValueError, match="functional or sequential Keras model that is built"):
        directions.hidden_layers(Subclass())


def test_images_that_are_not_batched_are_named(convolution) -> None:
    model, images, _ = convolution
    single = tf.data.Dataset.from_tensor_slices(images)
    with pytest.raises(ValueError, match=r"shape \(4, 3, 2\) holds no images .* has to be batched"):
        directions.top_images(model, "conv", single, np.eye(5))


def test_the_benchmark_measures_both_ways() -> None:
    found = bench_directions.cost(images=60, dimensions=8, directions=12, k=3)
    assert found.search.seconds > 0
    assert found.product.seconds > 0
    assert min(found.process_mib, found.imported_mib) > 50  # in this process memory may also shrink


def shared() -> keras.Model:
    inputs, layer = keras.Input((6,)), L.Dense(6, name="shared")
    return keras.Model(inputs, layer(layer(inputs)))


def split() -> keras.Model:
    class Halves(L.Layer):
        def call(self, x: Any) -> list[Any]:
            return [x[:, :3], x[:, 3:]]

    inputs = keras.Input((6,), name="start")
    return keras.Model(inputs, L.Add()(Halves(name="halves")(inputs)))


def forever(x: np.ndarray) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(x).batch(8).repeat()


def nan_in_one_image(x: np.ndarray) -> np.ndarray:
    return np.concatenate([x[:5], np.full((1, 6), np.nan, np.float32), x[5:]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layer": "sane"}, "has no layer 'sane'. It has: .*same"),
        ({"layer": L.Identity(name="alien")}, "has no layer 'alien'. It has: .*same"),
        ({"model": shared, "layer": "shared"}, "'shared' .* is called 2 times; one that is called once"),
        ({"model": split, "layer": "halves"}, "'halves' .* gives not one tensor but list"),
        ({"model": split, "layer": "start"}, "has no layer 'start'. It has: halves, add"),
        ({"model": Subclass, "layer": "unused"}, "'unused' .* is called 0 times"),
        ({"model": lambda: np.sin}, "a Keras model's layer, not of <ufunc"),
        ({"directions": np.eye(5)}, r"have 5 values, but .* outputs \(6,\).* must be \[M, 6\]"),
        ({"directions": np.ones(6)}, r"shape \(6,\) must be finite real numbers \[M, D\]"),
        ({"directions": np.zeros((0, 6))}, r"at least one row"),
        ({"directions": np.full((1, 6), np.inf)}, "must be finite"),
        ({"directions": np.full((1, 6), 1e39)}, "must be finite"),
        ({"directions": np.full((1, 6), 1j)}, "must be finite real"),
        ({"directions": np.full((1, 6), 3e38)}, "⟨φ, v⟩ may overflow float32 in images 0 to 256"),
        (
            {"directions": [[3e38, -3e38, 0, 0, 0, 0]], "images": lambda x: 9 + 0 * x},
            "⟨φ, v⟩ may overflow float32",
        ),
        ({"k": N + 1}, f"k is {N + 1}, but there are only {N} images"),
        ({"k": N + 1, "images": lambda x: iter([x])}, f"k is {N + 1}, but there are only {N} images"),
        ({"k": 0}, "k must be a whole number of at least 1, not 0"),
        ({"k": 2.0}, "k must be a whole number"),
        ({"reduce": "sum"}, "Unknown reduce 'sum'. Known: max, mean, flatten"),
        ({"images": nan_in_one_image}, "'same' gives activations that are not finite .* first for image 5"),
        ({"images": lambda x: x[:0]}, "the data set is empty"),
        ({"images": lambda x: iter([])}, "the data set is empty"),
        ({"images": lambda x: tf.data.Dataset.from_tensor_slices(x[:0]).batch(8)}, "the data set is empty"),
        ({"images": lambda x: tf.data.Dataset.from_tensor_slices(x)}, "has to be batched"),
        ({"images": lambda x: np.float32(1)}, r"shape \(\) holds no images"),
        ({"images": lambda x: (x, np.zeros(N))}, "A tuple is read as one batch .* or a list of batches"),
        (
            {"images": lambda x: [{"image": x, "label": 1}]},
            "has to be images or a pair .*, not a dict of image, label",
        ),
        ({"images": lambda x: [x, x[:, :5]]}, r"images of shape \(6,\) and of shape \(5,\)"),
        ({"images": forever}, "never ends"),
    ],
)
def test_bad_input_is_named(change: dict[str, Any], message: str, identity, integers) -> None:
    model = change.get("model", lambda: identity)()
    images = change.get("images", lambda x: x)(integers[0])
    rest = {k: v for k, v in change.items() if k in ("k", "reduce")}
    with pytest.raises(ValueError, match=message):
        directions.top_images(
            model, change.get("layer", "same"), images, change.get("directions", np.eye(6)), **rest
        )


def test_a_model_of_the_package_takes_pixels_between_0_and_1() -> None:
    images = np.full((3, 28, 28, 1), 200, np.uint8)
    model = ki.models.FC100_100_10()
    with pytest.raises(ValueError, match=r"takes pixels in \[0, 1\], but a batch ranges from 200 to 200"):
        directions.top_images(model, "hidden1", images, np.eye(100), 1)
