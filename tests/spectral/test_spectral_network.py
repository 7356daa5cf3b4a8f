"""Bounds of whole networks: against enumerated slopes, composed matrices, and what networks really do."""

import itertools
import math
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import keras_intriguing as ki
from keras_intriguing import spectral
from keras_intriguing.classifiers.augmentations import AUGMENTATIONS
from keras_intriguing.spectral.chain import chain_bound

L = keras.layers


def norm(matrix: np.ndarray) -> float:
    return float(np.linalg.svd(matrix, compute_uv=False)[0])


@pytest.mark.parametrize("sizes", [(7, 6, 4), (5, 4, 5, 3), (3, 8, 1)])
@pytest.mark.parametrize("slope", [0.25, 1.0])
def test_a_chain_bound_lies_between_all_slopes_and_the_product(sizes: tuple[int, ...], slope: float) -> None:
    random = np.random.default_rng(sum(sizes))
    kernels = [random.normal(size=pair) for pair in itertools.pairwise(sizes)]
    slopes = [slope] * (len(kernels) - 1)

    def stretched(choice: tuple[tuple[float, ...], ...]) -> float:
        matrix = kernels[0].T
        for kernel, diagonal in zip(kernels[1:], choice, strict=True):
            matrix = kernel.T @ (np.array(diagonal)[:, None] * matrix)
        return norm(matrix)

    # the norm is convex in every slope, so that its maximum is at a corner
    layers = [list(itertools.product((0.0, slope), repeat=size)) for size in sizes[1:-1]]
    worst = max(stretched(choice) for choice in itertools.product(*layers))
    product = math.prod(map(norm, kernels)) * math.prod(slopes)
    bound = chain_bound(kernels, slopes)
    assert worst * (1 - 1e-12) <= bound <= product * (1 + 1e-6)


def test_a_chain_of_two_with_one_hidden_unit_is_exact() -> None:
    kernels = [np.array([[3.0], [4.0]]), np.array([[2.0, 0.0]])]
    assert chain_bound(kernels, [0.25]) == pytest.approx(5 * 2 * 0.25, rel=1e-3)


def test_branches_and_merges_have_their_constants() -> None:
    inputs = keras.Input((3,))
    twice = L.Dense(3, use_bias=False, name="twice")
    thrice = L.Dense(3, use_bias=False, name="thrice")
    a, b = twice(inputs), thrice(inputs)
    cases = {
        "Add": (L.Add()([a, b]), 5.0),
        "Subtract": (L.Subtract()([a, b]), 5.0),
        "Average": (L.Average()([a, b]), 2.5),
        "Concatenate": (L.Concatenate()([a, b]), math.sqrt(13)),
        "Maximum": (L.Maximum()([a, b]), math.sqrt(13)),
        "twice in a row": (twice(a), 4.0),
        "an operation": (keras.ops.relu(a + 1.0), 2.0),
    }
    twice.set_weights([2 * np.eye(3)])
    thrice.set_weights([3 * np.eye(3)])
    for name, (output, constant) in cases.items():
        found = spectral.analyze(keras.Model(inputs, output))
        assert found.product == pytest.approx(constant, rel=1e-9), name
        assert found.lower <= found.upper * (1 + 1e-4), name


def test_broadcasting_counts_how_often_a_value_is_repeated() -> None:
    inputs = keras.Input((4,))
    one = L.Dense(1, use_bias=False)
    narrow = one(inputs)
    one.set_weights([np.full((4, 1), 0.5)])  # of norm 1
    repeated = keras.ops.add(narrow, np.zeros((1, 9), np.float32))
    found = spectral.analyze(keras.Model(inputs, repeated))
    assert found.product == pytest.approx(3.0)
    assert found.lower == pytest.approx(3.0, rel=1e-3)
    both = spectral.analyze(keras.Model(inputs, L.Add()([inputs, narrow])))
    assert both.product == pytest.approx(1 + 2)
    assert both.lower <= both.product


def test_a_constant_network_is_analyzed() -> None:
    model = keras.Sequential([keras.Input((3,)), L.Dense(2, kernel_initializer="zeros")])
    found = spectral.analyze(model)
    assert (found.lower, found.upper) == (0.0, 0.0)


def test_a_model_inside_a_model_is_walked_through() -> None:
    inner = keras.Sequential(
        [keras.Input((4,)), L.Dense(5, "tanh", use_bias=False), L.Dense(4, use_bias=False)]
    )
    outer = keras.Sequential([keras.Input((2, 2)), L.Flatten(), inner, L.Dense(3, "sigmoid", use_bias=False)])
    kernels = [np.asarray(w) for w in outer.weights]
    found = spectral.analyze(outer)
    assert found.product == pytest.approx(math.prod(map(norm, kernels)) / 4, rel=1e-6)
    assert [layer.kind for layer in found.layers] == ["Flatten", "Dense", "Dense", "Dense"]


def test_a_linear_network_attains_its_norm() -> None:
    model = keras.Sequential([keras.Input((6,)), L.Dense(5), L.Dense(4)])
    first, _, second, _ = (np.asarray(w, np.float64) for w in model.weights)
    assert spectral.analyze(model).lower == pytest.approx(norm(first @ second), rel=1e-3)


def convnet(seed: int) -> keras.Model:
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.Input((12, 12, 2)),
            L.Conv2D(6, 3, strides=2, padding="same", activation="relu"),
            L.BatchNormalization(),
            L.MaxPooling2D(3, 2),
            L.DepthwiseConv2D(2, activation="elu"),
            L.Flatten(),
            L.Dropout(0.5),
            L.Dense(5, activation="gelu"),
        ]
    )


def test_a_model_of_images_to_images_attains_its_norm() -> None:
    kernel = np.random.default_rng(4).normal(size=(3, 5))
    model = keras.Sequential([keras.Input((4, 4, 3)), L.Conv2D(5, 1, use_bias=False)])
    model.set_weights([kernel[None, None]])
    found = spectral.analyze(model)
    assert found.lower == pytest.approx(norm(kernel), rel=1e-4)
    assert found.lower <= norm(kernel) * (1 + 1e-6) <= found.upper * (1 + 2e-6)


def test_a_convolutional_network_stays_below_its_bound() -> None:
    found = spectral.analyze(convnet(0))
    assert 0 < found.lower < found.upper == found.product
    first = found.layers[0]
    assert first.paper == pytest.approx(first.supremum / 2)
    assert first.bounds.upper <= first.supremum * (1 + 1e-6)


def test_a_witness_is_stretched_as_much_as_is_said() -> None:
    model = convnet(1)
    found = spectral.analyze(model)
    a, b = (np.asarray(model(w[None]), np.float64) for w in found.witness)
    stretch = np.linalg.norm(a - b) / np.linalg.norm(found.witness[0] - found.witness[1])
    assert stretch == pytest.approx(found.lower, rel=1e-3)


def subclassed() -> Any:
    class Own(keras.Model):
        def call(self, x: Any) -> Any:
            return x

    return Own()


def attentive() -> keras.Model:
    inputs = keras.Input((4, 3))
    return keras.Model(inputs, L.MultiHeadAttention(2, 2)(inputs, inputs))


def not_a_number(shape: tuple[int, ...], dtype: str | None = None) -> np.ndarray:
    return np.full(shape, np.nan, np.float32)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (subclassed, "layers are found in its graph"),
        (lambda: keras.Sequential([L.Dense(3)]), "layers are found in its graph"),
        (lambda: keras.Sequential([keras.Input((4, 3)), L.LSTM(2)]), r"'lstm.*' of class LSTM.*register"),
        (
            lambda: keras.Sequential([keras.Input((None, None, 3)), L.Conv2D(2, 3)]),
            r"input \(None, None, 3\) of .* has unknown sizes.*Sequential\(\[keras\.Input\(\(224, 224, 3\)\), model\]\)",
        ),
        (
            attentive,
            "class MultiHeadAttention",
        ),
        (
            lambda: keras.Sequential([keras.Input((4,)), L.Dense(2, dtype="float16")]),
            "of type float16",
        ),
        (
            lambda: keras.Sequential([keras.Input((4,)), L.Dense(2, kernel_initializer=not_a_number)]),
            "is not finite",
        ),
        (
            lambda: keras.Sequential([keras.Input((4,)), L.LayerNormalization()]),
            "spread of its input",
        ),
        (
            lambda: keras.Sequential([keras.Input((4,)), L.Dense(2, activation="exponential")]),
            "slope is unbounded",
        ),
    ],
)
def test_a_network_without_a_bound_is_refused(model: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        spectral.analyze(model())


def of_size(size: int | None, is_nested: bool) -> keras.Model:
    """A small network with a branch, in one model or in models within models."""
    image = keras.Input((size, size, 3))
    maps = L.Conv2D(4, 3, padding="same", activation="relu")(image)
    inner = keras.Model(image, L.Add()([L.Conv2D(4, 3, padding="same")(maps), keras.ops.relu(maps)]))
    pooled = [L.AveragePooling2D(2), L.ReLU()]
    x = keras.Input((size, size, 3)) if is_nested else image
    hidden = keras.Sequential([inner, *pooled])(x) if is_nested else pooled[1](pooled[0](inner.output))
    return keras.Model(x, L.Dense(3)(L.GlobalAveragePooling2D()(hidden)))


def test_the_advice_for_inputs_of_any_size_works() -> None:
    """For models within models, too: bounds and proofs are those of a model that was built for that size."""
    keras.utils.set_random_seed(0)
    model, fixed = of_size(None, is_nested=True), of_size(8, is_nested=False)
    fixed.set_weights(model.get_weights())
    x = np.random.default_rng(0).uniform(size=(1, 8, 8, 3)).astype(np.float32)
    with pytest.raises(ValueError, match="has unknown sizes") as raised:
        spectral.analyze(model)
    advice = str(raised.value).partition("for example ")[2].partition(", which")[0]
    assert eval(advice, {"keras": keras, "model": model}).input_shape == (None, 224, 224, 3)
    own = eval(advice.replace("224", "8"), {"keras": keras, "model": model})
    np.testing.assert_array_equal(own(x), fixed(x))
    one, other = (spectral.analyze(net) for net in (own, fixed))
    assert [layer.input_shape for layer in one.layers] == [layer.input_shape for layer in other.layers]
    assert one.upper == pytest.approx(other.upper, rel=1e-12)
    one, other = (ki.verify(net, x, 0.01) for net in (own, fixed))
    np.testing.assert_allclose(one.margin, other.margin, rtol=1e-6)


def test_a_model_of_any_size_inside_one_of_a_given_size() -> None:
    """As a pretrained network without its top."""
    base = keras.Sequential([keras.Input((None, None, 3)), L.Conv2D(2, 3), L.MaxPooling2D(2)])
    model = keras.Sequential([keras.Input((8, 8, 3)), base, L.Flatten(), L.Dense(3)])
    shapes = {layer.kind: layer.input_shape for layer in spectral.analyze(model).layers}
    assert shapes["Conv2D"] == (8, 8, 3)
    assert shapes["MaxPooling2D"] == (6, 6, 2)
    assert shapes["Dense"] == (18,)


def test_the_advice_for_a_changed_layer_works() -> None:
    """In a model within the model, too."""
    base = keras.Sequential([keras.Input((8, 8, 3)), L.Conv2D(2, 3)])
    model = keras.Sequential([keras.Input((8, 8, 3)), base, L.GlobalAveragePooling2D(), L.Dense(3)])
    base.layers[-1].strides = (2, 2)
    with pytest.raises(
        ValueError, match=r"was changed .* for example by keras\.models\.clone_model and set_weights"
    ):
        spectral.analyze(model)
    anew = keras.models.clone_model(model)
    anew.set_weights(model.get_weights())
    x = np.random.default_rng(0).uniform(size=(2, 8, 8, 3)).astype(np.float32)
    np.testing.assert_allclose(anew(x), model(x), rtol=1e-6)
    assert (3, 3, 2) in [layer.input_shape for layer in spectral.analyze(anew).layers]


def test_a_product_of_tensors_is_refused() -> None:
    inputs = keras.Input((3,))
    with pytest.raises(ValueError, match="class Multiply joins 2 tensors"):
        spectral.analyze(keras.Model(inputs, L.Multiply()([inputs, inputs])))


def test_the_path_of_a_saved_model(tmp_path: Path) -> None:
    model = keras.Sequential(
        [keras.Input((3,)), L.Dense(2, kernel_initializer=keras.initializers.Constant(2))]
    )
    model.save(tmp_path / "own.keras")
    assert spectral.analyze(tmp_path / "own.keras").upper == pytest.approx(2 * 6**0.5)
    with pytest.raises(FileNotFoundError, match=r"no model file nowhere\.keras"):
        spectral.analyze("nowhere.keras")


@pytest.mark.parametrize("kind", AUGMENTATIONS)
def test_augmentation_changes_no_image_in_inference(kind: type[keras.layers.Layer]) -> None:
    settings = {L.RandomTranslation: (0.2, 0.2), L.RandomZoom: (0.2, 0.2), L.RandomPosterization: (4,)}
    try:
        layer = kind(*settings.get(kind, ()))
    except TypeError:  # most have a strength of which there is no default
        layer = kind(0.2)
    x = np.random.default_rng(0).uniform(size=(2, 6, 7, 3)).astype(np.float32)
    np.testing.assert_array_equal(layer(x, training=False), x)


def test_augmentation_changes_neither_norms_nor_certificates() -> None:
    layers = [L.Flatten(), L.Dense(4, "relu"), L.Dense(3)]
    plain = keras.Sequential([keras.Input((6, 6, 1)), *layers])
    augmented = keras.Sequential([keras.Input((6, 6, 1)), L.RandomFlip(), L.RandomRotation(0.1), *layers])
    assert ki.spectral.analyze(augmented).upper == ki.spectral.analyze(plain).upper
    x = np.random.default_rng(0).uniform(size=(2, 6, 6, 1)).astype(np.float32)
    found, expected = (ki.certified_distortion(model, x).distortion for model in (augmented, plain))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    mistaken = keras.layers.RandomCrop(6, 6)(keras.Input((8, 8, 1)))
    with pytest.raises(ValueError, match="for which there is no rule"):
        ki.spectral.analyze(keras.Model(mistaken._keras_history[0].input, L.Flatten()(mistaken)))


def test_the_search_in_the_whole_network_tells_how_far_it_is():
    told = []
    spectral.analyze(ki.models.FC10(), on_step=lambda done, total: told.append((done, total)))
    assert [done for done, _ in told] == list(range(1, len(told) + 1))
    assert {total for _, total in told} == {len(told)}
