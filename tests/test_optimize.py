import numpy as np
import pytest
import tensorflow as tf

from keras_intriguing import optimize


@pytest.fixture(scope="module")
def quadratics() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Six random convex quadratics ½vᵀAv − bᵀv in ten dimensions, and their minima."""
    random = np.random.default_rng(0)
    factors = random.normal(size=(6, 10, 10))
    a = factors @ factors.transpose(0, 2, 1) / 10 + np.eye(10)
    b = random.normal(size=(6, 10))
    return a, b, np.linalg.solve(a, b[..., None])[..., 0]


@tf.function(autograph=False, input_signature=[tf.TensorSpec([None, 10, 10]), tf.TensorSpec([None, 10])])
def minima(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    def objective(v: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        product = tf.linalg.matvec(a, v)
        return tf.reduce_sum(v * (0.5 * product - b), axis=-1), product - b

    return optimize.minimize_batch(
        objective,
        tf.zeros_like(b),
        max_iterations=100,
        max_line_search_iterations=10,
        tolerance=1e-6,
        relative_tolerance=0.0,
    ).position


def test_a_batch_of_quadratics_ends_at_their_minima(quadratics):
    a, b, solution = quadratics
    found = minima(tf.constant(a, tf.float32), tf.constant(b, tf.float32))
    np.testing.assert_allclose(found, solution, atol=2e-4)


def test_a_batch_of_many_equals_batches_of_one(quadratics):
    a, b, _ = (tf.constant(array, tf.float32) for array in quadratics)
    many = minima(a, b)
    ones = tf.concat([minima(a[i : i + 1], b[i : i + 1]) for i in range(len(a))], axis=0)
    np.testing.assert_allclose(many, ones, atol=2e-4)


@pytest.fixture(scope="module")
def ridge() -> tuple[np.ndarray, np.ndarray, float]:
    random = np.random.default_rng(0)
    return random.normal(size=(40, 6)), random.normal(size=(40, 3)), 0.1


def ridge_objective(ridge):
    x, y = (tf.constant(array, tf.float32) for array in ridge[:2])

    def objective(values):
        kernel, bias = values
        error = tf.reduce_mean(tf.reduce_sum((x @ kernel + bias - y) ** 2, axis=1))
        return error + ridge[2] * tf.reduce_sum(kernel**2)

    return objective


def ridge_variables() -> list[tf.Variable]:
    return [tf.Variable(tf.ones((6, 3))), tf.Variable(tf.ones(3))]


def test_ridge_regression_over_two_variables_ends_at_its_solution(ridge):
    x, y, decay = ridge
    variables = ridge_variables()
    progress = optimize.minimize_variables(
        ridge_objective(ridge), variables, max_iterations=500, tolerance=1e-7
    )
    centred = x - x.mean(axis=0)
    kernel = np.linalg.solve(centred.T @ centred + decay * len(x) * np.eye(6), centred.T @ y)
    bias = y.mean(axis=0) - x.mean(axis=0) @ kernel
    value = np.mean(np.sum((x @ kernel + bias - y) ** 2, axis=1)) + decay * np.sum(kernel**2)
    assert progress.converged
    assert progress.objective == pytest.approx(value, rel=1e-6)
    # where the float32 objective of about 3 no longer tells points apart: √(ε·3 / curvature)
    np.testing.assert_allclose(variables[0], kernel, atol=5e-4)
    np.testing.assert_allclose(variables[1], bias, atol=5e-4)


def rosenbrock(values):
    (v,) = values
    return tf.reduce_sum(100 * (v[1:] - v[:-1] ** 2) ** 2 + (1 - v[:-1]) ** 2)


def rosenbrock_start() -> list[tf.Variable]:
    return [tf.Variable(tf.tile([-1.2, 1.0], [100]))]


def test_a_run_that_was_cut_after_a_round_goes_on_to_the_same_bits():
    uncut, cut = rosenbrock_start(), rosenbrock_start()
    whole = optimize.minimize_variables(rosenbrock, uncut, max_iterations=250, tolerance=0.0)
    first = optimize.minimize_variables(rosenbrock, cut, max_iterations=optimize.ROUND, tolerance=0.0)
    assert not np.array_equal(cut[0], uncut[0])
    both = optimize.minimize_variables(rosenbrock, cut, max_iterations=250, tolerance=0.0, start=first)
    assert np.array_equal(cut[0], uncut[0])
    assert both == whole
    assert whole.iterations == 250


def test_rounds_report_progress_and_a_falling_objective():
    rounds: list[optimize.Progress] = []
    variables = rosenbrock_start()
    last = optimize.minimize_variables(
        rosenbrock, variables, max_iterations=220, tolerance=0.0, on_round=rounds.append
    )
    assert [r.iterations for r in rounds] == [100, 200, 220]
    assert rounds[0].evaluations < rounds[1].evaluations < rounds[2].evaluations
    assert rounds[0].objective > rounds[1].objective > rounds[2].objective
    assert last == rounds[-1]
    assert not last.converged
    assert float(rosenbrock(variables)) == pytest.approx(last.objective, rel=1e-5)


def test_variables_hold_the_round_when_it_is_reported():
    variables = rosenbrock_start()

    def compare(progress: optimize.Progress) -> None:
        assert float(rosenbrock(variables)) == pytest.approx(progress.objective, rel=1e-5)

    optimize.minimize_variables(rosenbrock, variables, max_iterations=100, tolerance=0.0, on_round=compare)


def test_an_objective_that_is_not_finite_is_an_error():
    with pytest.raises(FloatingPointError, match="not finite at the starting point"):
        optimize.minimize_variables(
            lambda values: tf.math.log(values[0]), [tf.Variable(-1.0)], max_iterations=50, tolerance=0.0
        )
