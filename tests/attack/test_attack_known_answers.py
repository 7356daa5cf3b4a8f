"""The attack against what it cannot argue with: exact optima, and SciPy in float64."""

from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.optimize import minimize

import keras_intriguing as ki

BOUNDS = [(0.0, 1.0), (-1.0, 1.0), (0.0, 255.0)]
COUNT = 16


class Linear:
    """Random logits a·x of ten classes, zero for a grey image, so that random images have all labels."""

    def __init__(self, size: int, seed: int) -> None:
        a = np.random.default_rng(seed).normal(size=(size, 10))
        self.a = (a - a.mean(axis=0)).astype(np.float32)

    def keras(self, shape: tuple[int, ...]) -> keras.Model:
        layer = keras.layers.Dense(10, use_bias=False)
        model = keras.Sequential([keras.Input(shape), keras.layers.Flatten(), layer])
        layer.set_weights([self.a])
        return model

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return x @ self.a

    def logits(self, x: np.ndarray) -> np.ndarray:
        return x.reshape(len(x), -1).astype(np.float64) @ self.a.astype(np.float64)


def images(shape: tuple[int, ...], bounds: tuple[float, float], on_bound: float) -> np.ndarray:
    """Random images of which a share of the pixels lies exactly on a bound."""
    random = np.random.default_rng(7)
    lower, upper = bounds
    x = random.uniform(lower, upper, size=(COUNT, *shape))
    ends = random.choice(bounds, size=x.shape)
    return np.where(random.uniform(size=x.shape) < on_bound, ends, x).astype(np.float32)


def one_rival(x: np.ndarray, a: np.ndarray, bounds: tuple[float, float]) -> float:
    """min ‖u − x‖ s.t. a·u ≤ 0, u in the box: u = clip(x − λa), and a·u falls with λ ≥ 0."""

    def u(multiplier: float) -> np.ndarray:
        return np.clip(x - multiplier * a, *bounds)

    low, high = 0.0, np.max(np.where(np.isfinite(bounds[1]), bounds[1] - bounds[0], 1e3)) / np.min(np.abs(a))
    assert a @ u(low) > 0 >= a @ u(high)
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if a @ u(middle) > 0 else (low, middle)
    return float(np.linalg.norm(u(high) - x))


def all_rivals(x: np.ndarray, a: np.ndarray, bounds: tuple[float, float]) -> float:
    """min ‖u − x‖ s.t. Au ≤ 0, u in the box, by its dual over multipliers λ ≥ 0, one per row of A."""
    reach = bounds[1] - bounds[0]
    x, box = x / reach, (bounds[0] / reach, bounds[1] / reach)
    a = a / np.linalg.norm(a, axis=1, keepdims=True)

    def negative_dual(multipliers: np.ndarray) -> tuple[float, np.ndarray]:
        u = np.clip(x - multipliers @ a, *box)
        violation = a @ u
        return -(0.5 * np.sum((u - x) ** 2) + multipliers @ violation), -violation

    multipliers, precise = np.zeros(len(a)), {"ftol": 1e-16, "gtol": 1e-12, "maxiter": 5000, "maxcor": 20}
    for _ in range(5):
        multipliers = minimize(
            negative_dual,
            multipliers,
            jac=True,
            method="L-BFGS-B",
            bounds=[(0, None)] * len(a),
            options=precise,
        ).x
    u = np.clip(x - multipliers @ a, *box)
    assert (a @ u).max() < 1e-7, "the oracle's own answer is not feasible"
    assert 0.5 * np.sum((u - x) ** 2) == pytest.approx(-negative_dual(multipliers)[0], rel=1e-6, abs=1e-9)
    return reach * float(np.linalg.norm(u - x))


def optimum(
    linear: Linear, x: np.ndarray, bounds: tuple[float, float], target: np.ndarray | None
) -> np.ndarray:
    """The exact root mean square distortion of every image."""
    rows, a = x.reshape(len(x), -1).astype(np.float64), linear.a.T.astype(np.float64)
    found = []
    for i, (row, label) in enumerate(zip(rows, linear.logits(x).argmax(axis=1), strict=True)):
        if target is None:
            others = [j for j in range(10) if j != label]
            found.append(min(one_rival(row, a[label] - a[j], bounds) for j in others))
        else:
            rivals = np.arange(10) != target[i]
            found.append(all_rivals(row, a[rivals] - a[target[i]], bounds))
    return np.array(found) / np.sqrt(rows.shape[1])


@pytest.fixture(scope="module")
def linear_nhwc() -> tuple[Linear, Callable]:
    linear = Linear(192, seed=0)
    return linear, linear.keras((8, 8, 3))


@pytest.fixture(scope="module")
def linear_flat() -> tuple[Linear, Callable]:
    linear = Linear(150, seed=1)
    return linear, linear


@pytest.mark.parametrize("bounds", BOUNDS, ids=str)
@pytest.mark.parametrize(
    ("form", "targeted"),
    [
        ("linear_nhwc", False),
        pytest.param("linear_nhwc", True, marks=pytest.mark.slow),
        ("linear_flat", False),
        ("linear_flat", True),
    ],
)
def test_direct_finds_the_optimum_of_a_linear_model(request, form, bounds, targeted: bool):
    linear, model = request.getfixturevalue(form)
    shape, on_bound = ((8, 8, 3), 0.6) if form == "linear_nhwc" else ((150,), 0.1)
    x = images(shape, bounds, on_bound)
    target = (linear.logits(x).argmax(axis=1) + 1 + np.arange(COUNT) % 9) % 10 if targeted else None
    result = ki.minimal_distortion(model, x, target=target, bounds=bounds)
    exact = optimum(linear, x, bounds, target)
    assert result.success.all()
    ratio = result.distortion / exact
    assert ratio.min() > 1 - 1e-5
    assert ratio.mean() < 1.0005
    assert ratio.max() < 1.01


SIZE = 150
UPPER = np.geomspace(0.5, 50, SIZE).astype(np.float32)
OF_FEATURES = {
    "each its own": (-UPPER / 3, UPPER),
    "from below": (np.float32(0), np.where(np.arange(SIZE) % 2, UPPER, np.float32(np.inf))),
    "none": (-np.inf, np.inf),
}


@pytest.mark.parametrize(
    ("kind", "method"),
    [
        *((kind, "direct") for kind in OF_FEATURES),
        *(pytest.param(kind, "penalty", marks=pytest.mark.slow) for kind in OF_FEATURES),
    ],
)
def test_bounds_of_every_value_and_none(kind: str, method: str) -> None:
    """Tabular data: the optimum of a linear model in the box, or the distance of a plane, margin/‖a‖."""
    linear, bounds = Linear(SIZE, seed=1), OF_FEATURES[kind]
    lower, upper = (
        np.broadcast_to(b, (SIZE,)) for b in OF_FEATURES["each its own" if kind == "none" else kind]
    )
    random = np.random.default_rng(3)
    x = random.uniform(lower, np.minimum(upper, 40), size=(COUNT, SIZE))
    x = np.where(random.uniform(size=x.shape) < 0.3, lower, x).astype(np.float32)
    result = ki.minimal_distortion(linear, x, bounds=bounds, method=method)
    exact = []
    for row, z in zip(x.astype(np.float64), linear.logits(x), strict=True):
        label = z.argmax()
        apart = [(linear.a[:, label] - linear.a[:, j]).astype(np.float64) for j in range(10) if j != label]
        if kind == "none":
            exact.append(min(a @ row / np.linalg.norm(a) for a in apart))
        else:
            exact.append(min(one_rival(row, a, (lower, upper)) for a in apart))
    assert result.success.all()
    assert (result.adversarial >= bounds[0]).all()
    assert (result.adversarial <= bounds[1]).all()
    ratio = result.l2 / exact
    assert ratio.min() > 1 - 1e-5
    assert ratio.mean() < (1.0005 if method == "direct" else 1.02)
    assert kind == "each its own" or not result.survives_rounding.any()


def test_direct_finds_the_nearest_point_of_a_sphere():
    """The logits' difference ‖v − c‖² − R² is zero on the sphere, which the ray from c through x meets."""
    random = np.random.default_rng(3)
    centre, radius = np.full(20, 0.5, np.float32), 0.6

    def model(v: tf.Tensor) -> tf.Tensor:
        outside = tf.reduce_sum((v - centre) ** 2, axis=-1) - radius**2
        return tf.stack([tf.zeros_like(outside), outside], axis=-1)

    directions = random.normal(size=(COUNT, 20))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    lengths = np.linspace(0.1, 0.9, COUNT)[:, None]
    x = (centre + lengths * directions).astype(np.float32)
    boundary = centre + radius * directions
    assert x.min() > 0 and x.max() < 1 and boundary.min() > 0 and boundary.max() < 1  # noqa: PT018
    result = ki.minimal_distortion(model, x)
    exact = np.abs(radius - np.linalg.norm(x.astype(np.float64) - centre, axis=1)) / np.sqrt(20)
    assert result.success.all()
    assert np.array_equal(result.label_before, (lengths[:, 0] > radius).astype(int))
    np.testing.assert_allclose(result.distortion, exact, rtol=1e-3)
    assert (result.distortion / exact).min() > 1 - 1e-4


def penalty_by_scipy(
    logits: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]], x: np.ndarray, target: int
) -> tuple[float, float]:
    """The paper's c‖r‖² + cross-entropy in [0, 1] by L-BFGS-B, with the search for c that `penalty` states.

    Args:
        logits: v [n] to logits [K] and their Jacobian [K, n].
        x: the image [n].
        target: the class to reach.

    Returns:
        The root mean square distortion and its c.
    """
    one = np.eye(len(logits(x)[0]))[target]

    def objective(v: np.ndarray, c: float) -> tuple[float, np.ndarray]:
        z, jacobian = logits(v)
        log_sum = z.max() + np.log(np.sum(np.exp(z - z.max())))
        slope = (np.exp(z - log_sum) - one) @ jacobian
        return c * np.sum((v - x) ** 2) + log_sum - z[target], 2 * c * (v - x) + slope

    best, c, succeeded, failed = x, 1.0, None, None
    for _ in range(16):
        v = minimize(
            objective, best, (c,), jac=True, method="L-BFGS-B", bounds=[(0, 1)] * len(x), tol=1e-11
        ).x
        if logits(v)[0].argmax() == target:
            best, succeeded = v, c
        else:
            failed = c
        if succeeded is None or failed is None:
            c = c * 8 if failed is None else c / 8
        else:
            c = np.sqrt(succeeded * failed)
    assert succeeded is not None
    return float(np.sqrt(np.mean((best - x) ** 2))), succeeded


def check_penalty(model: Callable, x: np.ndarray, target: np.ndarray, logits: Callable) -> None:
    result = ki.minimal_distortion(model, x, target=target, method="penalty")
    rows = x.reshape(len(x), -1).astype(np.float64)
    distortion, c = np.transpose([penalty_by_scipy(logits, *row) for row in zip(rows, target, strict=True)])
    assert result.success.all()
    assert result.distortion.mean() == pytest.approx(distortion.mean(), rel=5e-3)
    np.testing.assert_allclose(np.median(result.c / c), 1, rtol=0.05)


@pytest.mark.slow  # compiles once more
def test_penalty_agrees_with_scipy_on_a_linear_model(linear_flat):
    linear, model = linear_flat
    x = images((150,), (0, 1), 0.1)
    a = linear.a.T.astype(np.float64)
    check_penalty(model, x, (linear.logits(x).argmax(axis=1) + 3) % 10, lambda v: (a @ v, a))


def test_penalty_agrees_with_scipy_on_a_tanh_net(net, net_images):
    w1, b1, w2, b2 = (w.astype(np.float64) for w in net.get_weights())

    def logits(v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        hidden = np.tanh(v @ w1 + b1)
        return hidden @ w2 + b2, (w1 * (1 - hidden**2) @ w2).T

    target = (np.argmax(net(net_images), axis=1) + 1) % 4
    check_penalty(net, net_images, target, logits)


@pytest.mark.slow  # compiles once more
def test_penalty_is_never_nearer_than_the_optimum(linear_flat):
    linear, model = linear_flat
    x = images((150,), (0, 1), 0.1)
    target = (linear.logits(x).argmax(axis=1) + 3) % 10
    result = ki.minimal_distortion(model, x, target=target, method="penalty")
    ratio = result.distortion / optimum(linear, x, (0, 1), target)
    assert ratio.min() > 1 - 1e-5
    assert ratio.mean() < 1.1
