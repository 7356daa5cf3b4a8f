"""Certificates against answers that are known by other means: exact distances in the plane, CROWN, the Lipschitz bound."""

from collections.abc import Callable

import keras
import numpy as np
import pytest

import keras_intriguing as ki

L = keras.layers
Weights = list[tuple[np.ndarray, np.ndarray]]

FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "relu": lambda z: np.maximum(z, 0),
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": np.tanh,
}


def dense_net(sizes: list[int], activation: str, seed: int) -> tuple[keras.Model, Weights]:
    """A model with random weights, and these in float64: kernels [in, out] and biases [out]."""
    random = np.random.default_rng(seed)
    model = keras.Sequential([keras.Input((sizes[0],))])
    for i, size in enumerate(sizes[1:]):
        layer = L.Dense(size, activation if i < len(sizes) - 2 else None)
        model.add(layer)
        kernel = random.normal(size=layer.kernel.shape) * 1.5 / np.sqrt(layer.kernel.shape[0])
        layer.set_weights([kernel, random.normal(size=size) * 0.3])
    return model, [tuple(np.asarray(w, np.float64) for w in layer.weights) for layer in model.layers]


def logits_of(weights: Weights, activation: str, x: np.ndarray) -> np.ndarray:
    for kernel, bias in weights[:-1]:
        x = FUNCTIONS[activation](x @ kernel + bias)
    return x @ weights[-1][0] + weights[-1][1]


def nearest_in_the_plane(weights: Weights, activation: str, x: np.ndarray) -> float:
    """How far from x [2] the nearest point of the unit square with another label lies; infinite if there is none.

    Along 900 rays, in steps of 1/200, and where the label changes by bisection. A point reaches every value, so it is
    never below the true distance, and where the border is smooth above it by no more than 1 − cos(π/900), 6e-6 of it.
    """
    label = logits_of(weights, activation, x).argmax()
    angles = np.linspace(0, 2 * np.pi, 900, endpoint=False)
    rays = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    steps = np.arange(1, 284) / 200
    points = x + steps[:, None, None] * rays
    is_other = logits_of(weights, activation, points).argmax(axis=-1) != label
    is_other &= ((points >= 0) & (points <= 1)).all(axis=-1)
    is_reached = is_other.any(axis=0)
    if not is_reached.any():
        return np.inf
    rays, beyond = rays[is_reached], steps[is_other.argmax(axis=0)[is_reached]]
    before = beyond - 1 / 200
    for _ in range(30):
        middle = (before + beyond) / 2
        is_other = logits_of(weights, activation, x + middle[:, None] * rays).argmax(axis=-1) != label
        before, beyond = np.where(is_other, before, middle), np.where(is_other, middle, beyond)
    return float(beyond.min())


@pytest.mark.parametrize(("activation", "seed"), [("relu", 3), ("tanh", 2)])
def test_of_one_hidden_layer_in_the_plane_most_of_the_exact_distance_is_certified(
    activation: str, seed: int
) -> None:
    """Measured with tanh: 97 to 99% on nine images of twelve; the others' nearest other label lies across the square."""
    model, weights = dense_net([2, 10, 3], activation, seed=seed)
    x = np.random.default_rng(0).uniform(size=(12, 2)).astype(np.float32)
    certified = ki.certified_distortion(model, x).l2
    exact = np.array([nearest_in_the_plane(weights, activation, image) for image in x.astype(np.float64)])
    known = np.isfinite(exact)
    assert known.sum() >= 6
    assert (certified <= exact).all()
    assert np.median(certified[known] / exact[known]) >= 0.8


def lines(activation: str, lower: np.ndarray, upper: np.ndarray) -> tuple[np.ndarray, ...]:
    """CROWN's lines below and above a function on intervals: slopes and offsets."""
    f = FUNCTIONS[activation]
    chord = (f(upper) - f(lower)) / np.maximum(upper - lower, 1e-12)
    if activation == "relu":
        chord = np.where(lower >= 0, 1.0, np.where(upper <= 0, 0.0, chord))
        below = np.where((lower < 0) & (upper > 0), (upper > -lower).astype(float), chord)
        return below, np.zeros_like(below), chord, f(lower) - chord * lower
    root = np.sqrt(np.maximum(1 - 4 * chord, 0)) / 2
    touching = [
        np.log(s / (1 - s)) for s in (0.5 - root, 0.5 + root)
    ]  # where the sigmoid's slope is the chord's
    apart = [f(z) - chord * z for z in (lower, upper, *(np.clip(z, lower, upper) for z in touching))]
    return chord, np.min(apart, axis=0), chord, np.max(apart, axis=0)


def crown(weights: Weights, activation: str, x: np.ndarray, radius: float, rows: np.ndarray) -> np.ndarray:
    """Lower bounds of rows·logits [m] in the L2 ball around x, layer by layer (Zhang et al. 2018, arXiv:1811.00866)."""
    relaxed: list[tuple[np.ndarray, ...]] = []
    for depth in range(1, len(weights) + 1):
        kernel = weights[depth - 1][0]
        is_last = depth == len(weights)
        a = rows if is_last else np.concatenate([np.eye(kernel.shape[1]), -np.eye(kernel.shape[1])])
        bound = np.zeros(len(a))
        for i in range(depth - 1, -1, -1):
            bound, a = bound + a @ weights[i][1], a @ weights[i][0].T
            if i:
                below, under, above, over = relaxed[i - 1]
                bound = bound + np.maximum(a, 0) @ under + np.minimum(a, 0) @ over
                a = np.maximum(a, 0) * below + np.minimum(a, 0) * above
        bound = bound + a @ x - radius * np.linalg.norm(a, axis=1)  # the L2 norm is its own dual
        if not is_last:
            half = len(bound) // 2
            relaxed.append(lines(activation, bound[:half], -bound[half:]))
    return bound


def crown_distance(weights: Weights, activation: str, x: np.ndarray) -> float:
    """The largest radius at which `crown` proves the label, by bisection."""
    label = int(logits_of(weights, activation, x).argmax())
    one_hot = np.eye(len(weights[-1][1]))
    rows = one_hot[label] - np.delete(one_hot, label, axis=0)
    proved, open_at = 0.0, 4.0
    for _ in range(30):
        middle = (proved + open_at) / 2
        holds = (crown(weights, activation, x, middle, rows) > 0).all()
        proved, open_at = (middle, open_at) if holds else (proved, middle)
    return proved


@pytest.mark.parametrize(
    ("hidden", "activation", "behind"),
    [
        ([12, 12], "sigmoid", 0.01),
        pytest.param([12], "relu", 0.01, marks=pytest.mark.slow),
        pytest.param([10, 10, 10], "relu", 0.25, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_certificates_are_not_below_crowns(hidden: list[int], activation: str, behind: float) -> None:
    """Of three layers of rectifiers CROWN, which has lines of other slopes, was ahead on single images by up to 23%."""
    model, weights = dense_net([6, *hidden, 4], activation, seed=len(hidden))
    x = np.random.default_rng(0).uniform(size=(12, 6)).astype(np.float32)
    certified = ki.certified_distortion(model, x, bounds=(-np.inf, np.inf)).l2
    by_crown = np.array([crown_distance(weights, activation, image) for image in x.astype(np.float64)])
    assert (by_crown > 0).all()
    assert (certified >= (1 - behind) * by_crown).all()
    assert certified.mean() >= (1 - behind / 2) * by_crown.mean()


def plain_radii(model: keras.Model, norms: list[float], x: np.ndarray) -> np.ndarray:
    """Distances [B] by the margin of every pair of classes over the norms' product times ‖w_i − w_j‖ of the last layer."""
    kernel = np.asarray(model.layers[-1].kernel, np.float64)
    logits = np.asarray(model(x), np.float64)
    radii = []
    for of_image in logits:
        label = of_image.argmax()
        pairs = np.linalg.norm(kernel - kernel[:, label : label + 1], axis=0)
        others = np.delete(np.arange(len(of_image)), label)
        radii.append(np.min((of_image[label] - of_image[others]) / pairs[others]) / np.prod(norms))
    return np.array(radii)


def matrix_norm_of(layer: L.Layer, shape: tuple[int, ...]) -> float:
    """Of a layer with an activation that is left out, by its matrix."""
    size = int(np.prod(shape))
    rows = layer.call(np.eye(size, dtype=np.float32).reshape(size, *shape))
    return float(np.linalg.norm(np.asarray(rows, np.float64).reshape(size, -1), 2))


@pytest.mark.parametrize(
    ("kind", "effort"),
    [
        ("dense", "quick"),
        pytest.param("dense", "standard", marks=pytest.mark.slow),
        ("convolutional", "quick"),
        ("convolutional", "standard"),
    ],
)
def test_no_certificate_is_below_the_lipschitz_bound_by_pairs_of_classes(kind: str, effort: str) -> None:
    if kind == "dense":
        model, weights = dense_net([6, 12, 12, 4], "relu", seed=4)
        norms = [np.linalg.norm(kernel, 2) for kernel, _ in weights[:-1]]
    else:
        keras.utils.set_random_seed(0)
        layers = [L.Conv2D(3, 3, use_bias=False), L.Conv2D(4, 2, strides=2, use_bias=False)]
        apart = [keras.Input((6, 6, 1)), layers[0], L.ReLU(), layers[1], L.ReLU(), L.Flatten(), L.Dense(3)]
        model = keras.Sequential(apart)
        shapes = [(6, 6, 1), (4, 4, 3)]
        norms = [matrix_norm_of(layer, shape) for layer, shape in zip(layers, shapes, strict=True)]
    x = np.random.default_rng(0).uniform(size=(8, *model.input_shape[1:])).astype(np.float32)
    certified = ki.certified_distortion(model, x, effort=effort).l2
    plain = plain_radii(model, norms, x)
    assert (certified >= (1 - 1e-4) * plain).all()


@pytest.mark.slow
def test_no_certificate_of_convnet_mnist_is_below_the_lipschitz_bound_by_pairs_of_classes(digits) -> None:
    model, x = ki.from_preset("convnet_mnist"), digits[0][:2]
    norms = [
        ki.spectral.operator_norm(layer, layer.input.shape[1:]).upper
        for layer in model.layers[:-1]
        if not isinstance(layer, L.InputLayer)
    ]
    assert {layer.activation for layer in model.layers if hasattr(layer, "activation")} <= {
        keras.activations.relu,
        keras.activations.linear,
    }
    certified = ki.certified_distortion(model, x, effort="quick").l2
    plain = plain_radii(model, norms, x)
    assert (certified >= (1 - 1e-4) * plain).all()
