"""Constants of layers that are not matrices, the supremum over frequencies, and bad input."""

import itertools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from keras_intriguing import spectral
from keras_intriguing.spectral.numerics import slopes

L = keras.layers


@pytest.mark.parametrize("name", [n for n in slopes.known() if n != "softmax"])
def test_slopes_are_those_of_the_functions(name: str) -> None:
    function = getattr(keras.activations, name)
    ends = np.concatenate([np.linspace(-40, 40, 800_001), np.linspace(1e4, 2e5, 1000)])
    values = np.asarray(function(keras.ops.convert_to_tensor(ends, "float64")), np.float64)
    steepest = np.max(np.abs(np.diff(values)) / np.diff(ends))
    bound = slopes.activation_slope(function, "").bound
    assert steepest <= bound * (1 + 1e-9)
    assert steepest >= bound * (1 - 1e-3)
    increasing = bool((np.diff(values) >= -1e-12).all())
    assert increasing or not slopes.is_increasing(function)


def test_softmax_is_at_most_a_half() -> None:
    random = np.random.default_rng(0)
    p = np.asarray(keras.activations.softmax(keras.ops.convert_to_tensor(4 * random.normal(size=(2000, 5)))))
    jacobians = np.einsum("bi,ij->bij", p, np.eye(5)) - np.einsum("bi,bj->bij", p, p)
    assert np.linalg.norm(jacobians, 2, axis=(1, 2)).max() <= 0.5
    assert spectral.operator_norm(L.Softmax(), (5,)).lower == pytest.approx(0.5, rel=1e-5)


LAYERS = [
    (L.MaxPooling2D(2), (6, 6, 2), 1.0),
    (L.MaxPooling2D(3, 2), (13, 13, 3), 2.0),
    (L.MaxPooling2D(3, 1), (8, 8, 1), 3.0),
    (L.MaxPooling2D(3, 2), (3, 3, 1), 1.0),
    (L.MaxPooling2D(2, 1, "same"), (4, 4, 1), 2.0),
    (L.MaxPooling1D(4, 1), (9, 2), 2.0),
    (L.MaxPooling3D(3, 2), (7, 7, 7, 1), np.sqrt(8)),
    (L.GlobalMaxPooling2D(), (5, 4, 3), 1.0),
    (L.GlobalAveragePooling2D(), (5, 4, 3), 1 / np.sqrt(20)),
    (L.AveragePooling2D(2), (6, 6, 2), 0.5),
    (L.UpSampling2D((2, 3)), (3, 3, 1), np.sqrt(6)),
    (L.RepeatVector(5), (4,), np.sqrt(5)),
    (L.Flatten(), (3, 2), 1.0),
    (L.Reshape((6,)), (3, 2), 1.0),
    (L.Permute((2, 1)), (3, 2), 1.0),
    (L.Dropout(0.5), (4,), 1.0),
    (L.ZeroPadding2D(2), (3, 3, 1), 1.0),
    (L.Cropping2D(1), (5, 5, 1), 1.0),
    (L.Rescaling(1 / 255), (4,), float(np.float32(1 / 255))),
    (L.Rescaling([1.0, -3.0, 2.0], [0.0, 1.0, 0.0]), (2, 2, 3), 3.0),
    (L.ReLU(negative_slope=0.1), (3,), 1.0),
    (L.LeakyReLU(negative_slope=2.0), (3,), 2.0),
    (L.ELU(alpha=3.0), (3,), 3.0),
    (L.Activation("sigmoid"), (3, 2), 0.25),
    (L.Activation("tanh"), (3,), 1.0),
]


@pytest.mark.parametrize(("layer", "shape", "constant"), LAYERS, ids=lambda v: getattr(v, "name", None))
def test_constants_are_known_and_attained(layer: Any, shape: tuple[int, ...], constant: float) -> None:
    bounds = spectral.operator_norm(layer, shape)
    assert bounds.upper == pytest.approx(constant, rel=1e-9)
    assert bounds.gap <= 5e-3  # some slopes are only approached
    a, b = bounds.witness
    images = (np.asarray(layer(w[None].astype(np.float32)), np.float64) for w in bounds.witness)
    assert np.linalg.norm(np.subtract(*images)) / np.linalg.norm(a - b) == pytest.approx(constant, rel=1e-2)


def test_a_prelu_has_its_largest_slope() -> None:
    layer = L.PReLU()
    layer.build((None, 4))
    layer.set_weights([np.array([0.1, -2.5, 0.0, 1.0])])
    bounds = spectral.operator_norm(layer, (4,))
    assert bounds.upper == 2.5
    assert bounds.lower <= 2.5


def test_no_pair_of_images_is_stretched_more_by_max_pooling() -> None:
    random = np.random.default_rng(0)
    layer = L.MaxPooling2D(3, 2)
    a = random.normal(size=(500, 7, 7, 1)).astype(np.float32)
    b = a + random.normal(size=a.shape).astype(np.float32) * (random.uniform(size=a.shape) < 0.05)
    stretched = np.linalg.norm((layer(a) - layer(b)).numpy().reshape(500, -1), axis=1)
    assert (stretched <= 2 * np.linalg.norm((a - b).reshape(500, -1), axis=1) + 1e-6).all()


def test_batch_normalization_scales_by_its_largest_factor() -> None:
    layer = L.BatchNormalization(epsilon=1e-3)
    layer.build((None, 4, 3))
    layer.set_weights([np.array([1.0, -6.0, 2.0]), np.ones(3), np.zeros(3), np.array([1.0, 4.0, 0.0])])
    bounds = spectral.operator_norm(layer, (4, 3))
    expected = max(6 / np.sqrt(4 + float(np.float32(1e-3))), 2 / np.sqrt(float(np.float32(1e-3))))
    assert bounds.upper == pytest.approx(expected, rel=1e-9)
    assert bounds.lower == pytest.approx(expected, rel=1e-9)


def symbol_norm(kernel: np.ndarray, strides: tuple[int, int], frequency: np.ndarray) -> float:
    """σ₁ of the symbol written out tap by tap; dilation 1."""
    rows, columns, inputs, outputs = kernel.shape
    blocks = np.zeros((*strides, inputs, outputs), complex)
    for i, j in itertools.product(range(rows), range(columns)):
        shift = np.array([i // strides[0], j // strides[1]])
        blocks[i % strides[0], j % strides[1]] += kernel[i, j] * np.exp(1j * frequency @ shift)
    return float(np.linalg.svd(blocks.reshape(-1, outputs), compute_uv=False)[0])


@pytest.mark.parametrize("strides", [(1, 1), (2, 2), (1, 2)])
@pytest.mark.parametrize("taps", [(1, 1), (3, 3), (5, 2)])
def test_the_supremum_over_frequencies_is_that_of_a_fine_grid(
    taps: tuple[int, int], strides: tuple[int, int]
) -> None:
    layer = L.Conv2D(4, taps, strides)
    layer.build((None, 9, 9, 3))
    kernel = np.asarray(layer.kernel, np.float64)
    axis = np.linspace(-np.pi, np.pi, 61)
    fine = max(symbol_norm(kernel, strides, np.array(f)) for f in itertools.product(axis, axis))
    bounds = spectral.frequency_supremum(layer)
    assert fine <= bounds.upper * (1 + 1e-12)
    assert bounds.lower <= bounds.upper <= bounds.lower * (1 + 1.1e-6)
    assert bounds.upper <= fine * (1 + 1e-2)


def test_the_supremum_of_a_kernel_alike_at_all_frequencies_ends_and_holds() -> None:
    layer = L.Conv2D(8, 3, padding="same", use_bias=False)
    layer.build((None, 9, 9, 8))
    kernel = np.zeros((3, 3, 8, 8), np.float32)
    kernel[1, 1] = 2 * np.linalg.qr(np.random.default_rng(0).normal(size=(8, 8)))[0]
    layer.set_weights([kernel])
    bounds = spectral.frequency_supremum(layer)
    assert bounds.lower == pytest.approx(2, rel=1e-5)
    assert 2 * (1 - 1e-6) <= bounds.upper <= 2.02


def test_norms_grow_with_the_image_towards_the_supremum() -> None:
    layer = L.Conv2D(2, 3, padding="same")
    layer.build((None, 8, 8, 2))
    norms = [spectral.operator_norm(layer, (n, n, 2)).lower for n in (2, 4, 8, 16, 24)]
    supremum = spectral.frequency_supremum(layer).upper
    assert norms == sorted(norms)
    assert 0.98 * supremum < norms[-1] < supremum


@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("groups", [1, 2])
def test_the_embedding_bound_holds_and_is_tight_on_larger_maps(
    strides: int, groups: int, monkeypatch
) -> None:
    from keras_intriguing.spectral.rules import convolution

    layer = L.Conv2D(8, 3, strides, padding="same", groups=groups)
    layer.build((None, 16, 16, 4))
    exact = spectral.operator_norm(layer, (16, 16, 4))
    assert exact.method == "dense"
    monkeypatch.setattr(convolution, "_DENSE_SIDE", 0)
    found = spectral.operator_norm(layer, (16, 16, 4))
    assert found.method == "embedding"
    assert exact.lower * (1 - 1e-3) <= found.lower <= exact.upper
    assert exact.lower <= found.upper <= exact.upper * 1.02
    monkeypatch.setattr(convolution, "_GRID", 0)
    assert exact.lower <= spectral.operator_norm(layer, (16, 16, 4)).upper <= exact.upper * 1.05


def test_a_zero_kernel_has_norm_zero() -> None:
    layer = L.Conv2D(2, 3, kernel_initializer="zeros")
    layer.build((None, 5, 5, 1))
    bounds = spectral.operator_norm(layer, (5, 5, 1))
    assert (bounds.lower, bounds.upper, bounds.gap) == (0, 0, 0)


class Doubling(keras.layers.Layer):
    def call(self, x: Any) -> Any:
        return 2 * x


def test_a_layer_of_ones_own_is_named_and_can_be_registered() -> None:
    with pytest.raises(ValueError, match=r"class Doubling.*register\(Doubling"):
        spectral.operator_norm(Doubling(), (3,))
    spectral.register(Doubling, lambda layer, input_shape: 2.0)
    bounds = spectral.operator_norm(Doubling(), (3,))
    assert (bounds.lower, bounds.upper, bounds.method) == (0.0, 2.0, "registered")


def built(layer: Any, shape: tuple[int, ...]) -> Any:
    layer.build((None, *shape))
    return layer


def with_nan() -> Any:
    layer = built(L.Dense(2), (3,))
    layer.kernel.assign(np.full((3, 2), np.nan))
    return layer


@pytest.mark.parametrize(
    ("make", "shape", "message"),
    [
        (lambda: L.Dense(3), (4,), "is not built"),
        (lambda: L.Conv2D(3, 3), (8, 8, 1), "is not built"),
        (with_nan, (3,), "kernel of the layer .* is not finite"),
        (lambda: built(L.Dense(2, dtype="float16"), (3,)), (3,), "of type float16"),
        (lambda: built(L.Dense(2), (3,)), (4,), "takes 3 values on its last axis"),
        (lambda: built(L.Dense(2), (3,)), (None, 3), "unknown sizes"),
        (lambda: built(L.Dense(2), (3,)), (), "must be positive sizes"),
        (lambda: built(L.Conv2D(2, 3), (8, 8, 3)), (8, 8, 2), "takes 3 channels"),
        (lambda: built(L.Conv2D(2, 3), (8, 8, 3)), (8, 3), "takes inputs of 3 axes"),
        (lambda: built(L.Conv2D(2, 3), (8, 8, 3)), (2, 8, 3), "kernel of 3 along an axis of 2 values"),
        (lambda: built(L.LayerNormalization(), (3,)), (3,), "divides by the spread"),
        (lambda: built(L.GRU(2), (4, 3)), (4, 3), "class GRU"),
        (lambda: L.MultiHeadAttention(2, 2), (4, 3), "class MultiHeadAttention"),
        (lambda: L.ReLU(threshold=1.0), (3,), "jumps"),
        (lambda: L.UpSampling2D(2, interpolation="bilinear"), (3, 3, 1), "interpolates"),
        (lambda: "Dense", (3,), "takes a Keras layer"),
    ],
)
def test_bad_input_is_named(make: Any, shape: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        spectral.operator_norm(make(), shape)


def convolution_with_nan() -> Any:
    layer = built(L.Conv2D(1, 2), (3, 3, 1))
    layer.kernel.assign(np.full((2, 2, 1, 1), np.nan))
    return layer


@pytest.mark.parametrize(
    "function", [spectral.frequency_supremum, lambda layer: spectral.frequency_norms(layer, 5)]
)
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: built(L.Dense(2), (3,)), "is no convolution"),
        (lambda: L.Conv2D(2, 3), "is not built"),
        (lambda: built(L.Conv2D(2, 3, dtype="float16"), (3, 3, 1)), "of type float16"),
        (convolution_with_nan, "is not finite"),
    ],
)
def test_what_has_no_spectrum_is_refused(function: Any, make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        function(make())


@pytest.mark.parametrize("strides", [1, 2])
def test_norms_over_frequencies_are_those_written_out(strides: int) -> None:
    layer = built(L.Conv2D(4, 3, strides), (9, 9, 3))
    kernel, axis = np.asarray(layer.kernel, np.float64), np.linspace(-np.pi, np.pi, 5)
    written = [[symbol_norm(kernel, (strides, strides), np.array([a, b])) for b in axis] for a in axis]
    np.testing.assert_allclose(spectral.frequency_norms(layer, 5), written, rtol=1e-10)


@pytest.mark.parametrize("shear", [0, 1, 3])
@pytest.mark.parametrize("offsets", [(0.0, 0.0), (0.5, 0.0), (0.5, 0.5)])
def test_a_twisted_sheared_periodic_convolution_has_its_singular_values_on_the_grid(
    shear: int, offsets: tuple[float, float]
) -> None:
    """Against the matrix itself, written out entry by entry: what the embedding bound rests on."""
    from keras_intriguing.spectral.convolutions.layers import linear_map
    from keras_intriguing.spectral.convolutions.symbol import Symbol, grid

    layer = L.Conv2D(2, 2)
    layer.build((None, 5, 4, 3))
    kernel, sizes = np.asarray(layer.kernel, np.float64), (5, 4)
    matrix = np.zeros((*sizes, 2, *sizes, 3), complex)
    for p in itertools.product(*map(range, sizes)):
        for m in itertools.product(range(2), range(2)):
            around = (p[1] + m[1]) // sizes[1]
            first, second = p[0] + m[0] - shear * around, p[1] + m[1] - sizes[1] * around
            turns = first // sizes[0]
            phase = np.exp(2j * np.pi * (offsets[0] * turns + offsets[1] * around))
            matrix[(*p, slice(None), first - sizes[0] * turns, second)] += phase * kernel[m].T
    truth = np.linalg.svd(matrix.reshape(40, 60), compute_uv=False)[0]
    symbol = Symbol(linear_map(layer, (5, 4, 3))[0])
    assert symbol.largest(grid(sizes, offsets, shear)) == pytest.approx(truth, rel=1e-8)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: spectral.operator_norm(L.Dense(3), 64), ValueError, "must be a tuple of sizes"),
        (
            lambda: spectral.operator_norm(keras.Sequential([L.Dense(3)]), (4,)),
            ValueError,
            "use spectral.analyze",
        ),
        (lambda: spectral.register(L.Dense, 2.0), TypeError, "must be a function of a layer"),
        (lambda: spectral.analyze("fc10_mnist_decay1"), TypeError, "A preset is loaded first"),
    ],
)
def test_what_users_mistake_is_told(call: Callable, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("factor", [1e170, 1e-170])
@pytest.mark.parametrize("kind", ["dense", "convolutional"])
def test_weights_whose_squares_are_no_numbers_are_refused(kind: str, factor: float) -> None:
    layer = L.Dense(2, dtype="float64") if kind == "dense" else L.Conv2D(2, 2, dtype="float64")
    shape = (3,) if kind == "dense" else (4, 4, 1)
    model = keras.Sequential([keras.Input(shape, dtype="float64"), layer])
    layer.kernel.assign(factor * layer.kernel)
    with pytest.raises(ValueError, match="leave the range of float64"):
        spectral.analyze(model)
