import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import optimize as scipy_optimize

from keras_intriguing import data, models, optimize, presets
from keras_intriguing.classifiers import evaluation
from keras_intriguing.training import full_batch, initialize, preset, recipes, train_preset
from keras_intriguing.training.recipes import FullBatchRecipe
from keras_intriguing.training.settings import FullBatchTraining, SparseAutoencoder

CONVEX = FullBatchTraining(decay=(5e-3,), tolerance=1e-7, max_iterations=1000)
LONG = FullBatchTraining(decay=(1e-4,) * 3, tolerance=0.0, max_iterations=210)
SPARSE = SparseAutoencoder(activity=0.1, weight=0.5, decay=1e-3, max_iterations=105)
TWO_STAGES = FullBatchTraining(decay=(1e-4,), tolerance=0.0, max_iterations=105, autoencoder=SPARSE)

Weights = list[np.ndarray]


class Interrupted(Exception):
    pass


def net(training: FullBatchTraining) -> keras.Model:
    """The model that settings are for."""
    if training.autoencoder:
        return models.AE400_10()
    return models.FC10() if len(training.decay) == 1 else models.FC100_100_10()


def fit(
    training: FullBatchTraining, digits, path: Path, until: int | None = None, seed: int = 0
) -> tuple[Weights, list[dict]]:
    """Trains from the start, or up to an interruption after `until` rounds in all."""
    model = net(training)
    initialize(model, seed)
    rounds = 0

    def interrupt(stage: str, progress: optimize.Progress, most: int) -> None:
        nonlocal rounds
        rounds += 1
        if rounds == until:
            raise Interrupted

    x, y = (array[:: 8 if training.autoencoder else 2] for array in digits)
    stages = full_batch.fit(model, x, y, training, seed=seed, checkpoint=path, on_progress=interrupt)
    return model.get_weights(), stages


@pytest.mark.parametrize(
    ("training", "until"),
    [
        pytest.param(LONG, 1, id="round 1"),
        pytest.param(LONG, 2, id="round 2", marks=pytest.mark.slow),
        pytest.param(LONG, 3, id="last round", marks=pytest.mark.slow),
        pytest.param(TWO_STAGES, 1, id="first stage", marks=pytest.mark.slow),
        pytest.param(TWO_STAGES, 3, id="second stage", marks=pytest.mark.slow),
    ],
)
def test_an_interrupted_run_goes_on_to_the_same_weights(uncut, training, until, digits, tmp_path: Path):
    with pytest.raises(Interrupted):
        fit(training, digits, tmp_path / "checkpoint.npz", until)
    weights, stages = fit(training, digits, tmp_path / "checkpoint.npz")
    expected_weights, expected_stages = uncut(training)
    assert same(weights, expected_weights)
    assert stages == expected_stages


def test_a_run_interrupted_in_the_round_that_converged_goes_on_to_the_same_weights(digits, tmp_path: Path):
    training = dataclasses.replace(CONVEX, tolerance=0.5)
    expected, stages = fit(training, digits, tmp_path / "uncut.npz")
    assert stages[0]["converged"]
    assert stages[0]["iterations"] < training.max_iterations
    with pytest.raises(Interrupted):
        fit(training, digits, tmp_path / "cut.npz", stages[0]["iterations"] // optimize.ROUND)
    weights, same_stages = fit(training, digits, tmp_path / "cut.npz")
    assert same_stages == stages
    assert same(weights, expected)


@pytest.fixture(scope="module")
def uncut(digits, tmp_path_factory: pytest.TempPathFactory):
    known: dict[FullBatchTraining, tuple[Weights, list[dict]]] = {}

    def run(training: FullBatchTraining) -> tuple[Weights, list[dict]]:
        if training not in known:
            known[training] = fit(training, digits, tmp_path_factory.mktemp("uncut") / "checkpoint.npz")
        return known[training]

    return run


def test_the_checkpoint_of_a_finished_run_is_its_end(digits, tmp_path: Path):
    path = tmp_path / "checkpoint.npz"
    training = dataclasses.replace(LONG, max_iterations=100)
    weights, stages = fit(training, digits, path)
    again, same_stages = fit(training, digits, path, until=1)
    assert same(again, weights)
    assert same_stages == stages


@pytest.fixture(scope="module")
def checkpoint(digits, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("checkpoint") / "checkpoint.npz"
    with pytest.raises(Interrupted):
        fit(LONG, digits, path, until=1)
    return path.read_bytes()


@pytest.mark.parametrize("change", [{"decay": (1e-5,) * 3}, {"max_iterations": 200}])
def test_the_checkpoint_of_another_training_is_refused(checkpoint, change, digits, tmp_path: Path):
    path = tmp_path / "checkpoint.npz"
    path.write_bytes(checkpoint)
    with pytest.raises(ValueError, match=r"checkpoint\.npz belongs to another model, recipe"):
        fit(dataclasses.replace(LONG, **change), digits, path)


def test_the_checkpoint_of_another_seed_is_refused(checkpoint, digits, tmp_path: Path):
    path = tmp_path / "checkpoint.npz"
    path.write_bytes(checkpoint)
    with pytest.raises(ValueError, match=r"checkpoint\.npz belongs to another model, recipe"):
        fit(LONG, digits, path, seed=1)


def test_the_checkpoint_of_other_data_is_refused(checkpoint, digits, tmp_path: Path):
    path = tmp_path / "checkpoint.npz"
    path.write_bytes(checkpoint)
    with pytest.raises(
        ValueError, match=r"checkpoint\.npz belongs to another model, recipe, seed or data set"
    ):
        fit(LONG, (digits[0] * np.float32(0.5), digits[1]), path)


@pytest.mark.parametrize("size", [0, 100, -100])
def test_a_truncated_checkpoint_is_named(checkpoint, size: int, digits, tmp_path: Path):
    path = tmp_path / "checkpoint.npz"
    path.write_bytes(checkpoint[:size])
    with pytest.raises(ValueError, match=r"checkpoint\.npz cannot be read .*Remove it"):
        fit(LONG, digits, path)


def test_softmax_regression_ends_at_the_convex_optimum(digits, tmp_path: Path):
    _, (stage,) = fit(CONVEX, digits, tmp_path / "checkpoint.npz")
    x, y = (array[::2] for array in digits)

    def objective(position: np.ndarray) -> tuple[float, np.ndarray]:
        kernel, bias = position[:7840].reshape(784, 10), position[7840:]
        value, (by_kernel, by_bias) = cross_entropy(flat(x), y, kernel, bias)
        value += 5e-3 * np.sum(kernel**2)
        return value, np.concatenate([np.ravel(by_kernel + 1e-2 * kernel), by_bias])

    best = scipy_optimize.minimize(objective, np.zeros(7850), jac=True, method="L-BFGS-B", tol=1e-12)
    assert stage["converged"]
    assert stage["objective"] == pytest.approx(best.fun, rel=1e-4)


def test_the_classifiers_objective_and_gradient_are_those_of_the_formula(digits):
    model = models.FC100_100_10()
    initialize(model, 0)
    x, y = (array[::40] for array in digits)
    decay = (1e-2, 2e-2, 3e-2)

    def formula(values: Weights) -> float:
        w1, b1, w2, b2, w3, b3 = values
        code = sigmoid(sigmoid(flat(x) @ w1 + b1) @ w2 + b2)
        squares = sum(d * np.sum(w**2) for d, w in zip(decay, (w1, w2, w3), strict=True))
        return cross_entropy(code, y, w3, b3)[0] + squares

    check_objective(full_batch._classifier_objective(model, x, y, training_with(decay)), formula)


def test_the_objective_over_a_frozen_autoencoder_is_that_of_the_formula(digits):
    model = models.AE400_10()
    initialize(model, 0)
    x, y = (array[::40] for array in digits)
    w, b = (v.astype(np.float64) for v in model.encoder.get_weights())

    def formula(values: Weights) -> float:
        kernel, bias = values
        return cross_entropy(sigmoid(flat(x) @ w + b), y, kernel, bias)[0] + 1e-2 * np.sum(kernel**2)

    training = training_with((1e-2,), autoencoder=SPARSE)
    check_objective(full_batch._classifier_objective(model, x, y, training), formula)


def test_the_autoencoders_objective_and_gradient_are_those_of_the_formula(digits):
    model = models.AE400_10()
    initialize(model, 0)
    x = digits[0][::40]

    def formula(values: Weights) -> float:
        w1, b1, w2, b2 = values
        code = sigmoid(flat(x) @ w1 + b1)
        errors = sigmoid(code @ w2 + b2) - flat(x)
        mean, rho = code.mean(axis=0), SPARSE.activity
        divergence = rho * np.log(rho / mean) + (1 - rho) * np.log((1 - rho) / (1 - mean))
        return (
            0.5 * np.mean(np.sum(errors**2, axis=1))
            + SPARSE.decay * (np.sum(w1**2) + np.sum(w2**2))
            + SPARSE.weight * np.sum(divergence)
        )

    check_objective(full_batch._autoencoder_objective(model, x, SPARSE), formula)


SHORT = FullBatchRecipe(
    model="FC100_100_10",
    training=dataclasses.replace(LONG, max_iterations=100),
    paper=(0, 0),
    note="",
    dataset="mnist5k",
)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch, digits) -> None:
    """A preset "short" that is made in one round from few images."""
    monkeypatch.setitem(recipes.RECIPES, "short", SHORT)
    monkeypatch.setattr(data, "load", lambda *_: digits)


@pytest.mark.usefixtures("short")
def test_a_trained_preset_is_found_measured_and_the_same_again(digits, tmp_path: Path):
    first, second = (train_preset("short", tmp_path / name, seed=3) for name in ("first", "second"))
    metrics = presets.load_metrics(first)
    assert metrics["test_error"] == evaluation.error(presets.from_preset(first), *digits)
    assert metrics["test_images"] == len(digits[0])
    assert (metrics["seed"], metrics["recipe"]["seed"]) == (3, 3)
    assert metrics["sha256"] == presets.load_metrics(second)["sha256"]
    assert not (first / preset.CHECKPOINT).exists()
    assert f"{100 * metrics['test_error']:.2f}%" in (first / presets.CARD).read_text()


@pytest.mark.usefixtures("short")
def test_a_finished_preset_is_not_trained_over(tmp_path: Path):
    (tmp_path / presets.METRICS).touch()
    with pytest.raises(FileExistsError, match="already holds a finished preset"):
        train_preset("short", tmp_path)


def test_a_preset_without_recipe_lists_those_with_one(tmp_path: Path):
    with pytest.raises(ValueError, match=r"No recipe for a preset 'fc11'\. Known: fc10_mnist_decay1e-4, "):
        train_preset("fc11", tmp_path)


def training_with(decay: tuple[float, ...], **settings: object) -> FullBatchTraining:
    return dataclasses.replace(LONG, decay=decay, **settings)


def check_objective(made: tuple, formula) -> None:
    """Compares value and slopes of an objective with a formula in float64 and its central differences."""
    objective, variables = made
    tensors = [v.value for v in variables]
    with tf.GradientTape() as tape:
        value = objective(tensors)
    gradient = tape.gradient(value, tensors)
    start = [np.asarray(v, np.float64) for v in variables]
    assert float(value) == pytest.approx(formula(start), rel=1e-5)
    random = np.random.default_rng(0)
    for weight in range(len(start)):  # one random direction in every weight, so that none can be forgotten
        direction = [random.normal(size=v.shape) if i == weight else 0 * v for i, v in enumerate(start)]
        ahead, behind = (
            formula([v + step * d for v, d in zip(start, direction, strict=True)]) for step in (1e-5, -1e-5)
        )
        slope = sum(np.sum(np.asarray(g) * d) for g, d in zip(gradient, direction, strict=True))
        scale = float(np.linalg.norm(gradient[weight])) + 1e-3
        assert slope == pytest.approx((ahead - behind) / 2e-5, abs=1e-3 * scale)


def cross_entropy(inputs, y, kernel, bias) -> tuple[float, tuple[np.ndarray, np.ndarray]]:
    """Mean cross-entropy of a softmax layer and its gradients."""
    z = inputs @ kernel + bias
    logs = z - z.max(axis=1, keepdims=True)
    logs -= np.log(np.sum(np.exp(logs), axis=1, keepdims=True))
    slope = (np.exp(logs) - np.eye(10)[y]) / len(y)
    return -np.mean(logs[np.arange(len(y)), y]), (inputs.T @ slope, slope.sum(axis=0))


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def flat(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), -1).astype(np.float64)


def same(one: Weights, other: Weights) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
