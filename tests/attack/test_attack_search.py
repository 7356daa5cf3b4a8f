"""The search of `direct`: passes, budgets, awkward logits, and starts that leave local minima."""

import types

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_intriguing as ki
from keras_intriguing.attack import descent, direct
from keras_intriguing.attack.problem import Box
from keras_intriguing.attack.projection import project, project_onto_all


def passes(result: ki.Result) -> np.ndarray:
    return result.forward_passes + result.backward_passes


def linear(scale: float = 1.0, offset: float = 0.0) -> keras.Model:
    """Logits a·x of four classes; all of them share one compiled program."""
    a = np.random.default_rng(0).normal(size=(60, 4))
    model = keras.Sequential([keras.Input((60,)), keras.layers.Dense(4)])
    model.set_weights([scale * (a - a.mean(axis=0)), np.full(4, offset)])
    return model


def images(count: int = 12) -> np.ndarray:
    return np.random.default_rng(1).uniform(0.2, 0.8, size=(count, 60)).astype(np.float32)


@pytest.mark.parametrize("guess", [0.0, 0.3, 1e6])
def test_projection_onto_a_half_space_and_a_box_meets_the_conditions_of_optimality(guess: float):
    random = np.random.default_rng(2)
    p, v = random.uniform(-0.5, 1.5, (8, 30)), random.uniform(0, 1, (8, 30))
    a, h = random.normal(size=(8, 30)), random.uniform(-1, 2, 8)
    box = Box(tf.constant(0.0), tf.constant(1.0), reach=tf.constant(1.0))
    u, lam = (
        t.numpy()
        for t in project(*(tf.constant(t, tf.float32) for t in (p, v, h, a, np.full(8, guess))), box)
    )
    residual = h + np.sum(a * (u - v), axis=1)
    assert np.all(lam >= 0)
    assert np.all(residual < 1e-4)
    assert np.abs(lam * residual).max() < 1e-4
    np.testing.assert_allclose(u, np.clip(p - lam[:, None] * a, 0, 1), atol=1e-6)


@pytest.mark.parametrize("budget", [100, 300, 1000])
def test_a_budget_is_kept_and_more_of_it_is_no_worse(budget: int, net, net_images):
    small = ki.minimal_distortion(net, net_images, budget=budget)
    assert small.success.all()
    assert passes(small).max() <= budget
    large = ki.minimal_distortion(net, net_images)
    assert passes(large).max() <= 2000
    assert large.distortion.mean() <= small.distortion.mean() * (1 + 1e-4)


@pytest.mark.parametrize("budget", [99, 0, -5, 300.0, None])
def test_a_budget_too_small_or_no_number_is_refused(budget, net, net_images):
    with pytest.raises(ValueError, match="budget must be a whole number of at least 100 passes"):
        ki.minimal_distortion(net, net_images, budget=budget)


class Counting:
    """A small net with a convolution, for which nothing is compiled into one program, that counts the images it sees."""

    def __init__(self) -> None:
        keras.utils.set_random_seed(0)
        self.rows = tf.Variable(0, dtype=tf.int64)
        self._convolution = keras.Sequential(
            [keras.Input((8, 8, 1)), keras.layers.Conv2D(3, 3, activation="tanh"), keras.layers.Flatten()]
        )
        self._head = keras.layers.Dense(3)
        self._head.build((None, 108))

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        self.rows.assign_add(tf.shape(x, tf.int64)[0])
        return self._head(self._convolution(x))


@pytest.fixture(scope="module")
def counting() -> Counting:
    return Counting()


def test_passes_are_those_that_a_model_counts(counting):
    """Called without compilation, as for convolutions, the network sees as many rows as the results say."""
    model, x = counting, np.random.default_rng(3).uniform(size=(5, 8, 8, 1)).astype(np.float32)
    ki.minimal_distortion(model, x)
    model.rows.assign(0)
    result = ki.minimal_distortion(model, x)
    assert result.success.all()
    assert result.backward_passes.sum() <= result.forward_passes.sum() <= model.rows.numpy()
    # besides: the checks of the input, the labels before, the rounding to 256 levels, and whether the trace is stale
    assert model.rows.numpy() <= result.forward_passes.sum() + 12 * len(x)


@pytest.mark.parametrize("budget", [100, 300])
def test_a_model_never_sees_an_image_more_often_than_the_budget_allows(budget: int, counting):
    model, x = counting, np.random.default_rng(3).uniform(size=(1, 8, 8, 1)).astype(np.float32)
    ki.minimal_distortion(model, x)
    model.rows.assign(0)
    result = ki.minimal_distortion(model, x, budget=budget)
    assert result.success.all()
    assert passes(result).max() <= budget
    checks_of_the_input = 4
    assert model.rows.numpy() <= result.forward_passes[0] + checks_of_the_input


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_a_scale_of_the_logits_changes_nothing(scale: float):
    x = images()
    plain, scaled = ki.minimal_distortion(linear(), x), ki.minimal_distortion(linear(scale), x)
    assert scaled.success.all()
    np.testing.assert_allclose(scaled.distortion, plain.distortion, rtol=1e-4)


def test_an_offset_of_all_logits_costs_no_more_than_their_rounding():
    x = images()
    plain, offset = ki.minimal_distortion(linear(10.0), x), ki.minimal_distortion(linear(10.0, 1e6), x)
    assert offset.success.all()
    assert np.median(offset.distortion / plain.distortion) < 1.05


def test_images_whose_gradients_are_zero_start_from_other_images():
    """Two plateaus, with a steep way between them that no gradient at the images tells of."""

    def model(x: tf.Tensor) -> tf.Tensor:
        level = tf.tanh(200 * (tf.reduce_mean(x, axis=-1, keepdims=True) - 0.5))
        return tf.concat([level, -level], axis=-1)

    random = np.random.default_rng(4)
    x = np.concatenate([random.uniform(0, 0.5, (6, 40)), random.uniform(0.5, 1, (6, 40))]).astype(np.float32)
    result = ki.minimal_distortion(model, x)
    assert result.success.all()
    # the mean has to become ½, and the shortest way changes every pixel by as much
    np.testing.assert_allclose(result.distortion, np.abs(x.mean(axis=1) - 0.5), rtol=1e-3, atol=1e-4)


def test_the_nearer_of_two_minima_is_found():
    """Two spheres of one class: the gradient of the logits points to the larger one, which is farther."""
    centres = np.full((2, 10), 0.5, np.float32)
    centres[0, 0], centres[1, 0] = 0.05, 0.95
    radii, weights = np.array([0.1, 0.3], np.float32), np.array([1.0, 4.0], np.float32)

    def model(x: tf.Tensor) -> tf.Tensor:
        squares = tf.reduce_sum((x[:, None] - centres) ** 2, axis=-1)
        inside = tf.reduce_max(weights * (radii**2 - squares), axis=-1)
        return tf.stack([tf.zeros_like(inside), inside], axis=-1)

    x = np.full((3, 10), 0.5, np.float32)
    x[:, 0] = [0.30, 0.33, 0.36]
    result = ki.minimal_distortion(model, x)
    distances = np.abs(x[:, :1] - centres[:, 0]) - radii
    assert result.success.all()
    np.testing.assert_allclose(result.distortion, distances.min(axis=1) / np.sqrt(10), rtol=1e-3)


def test_projection_onto_several_half_spaces_and_a_box_meets_the_conditions_of_optimality():
    random = np.random.default_rng(5)
    p, a = random.uniform(-0.5, 1.5, (8, 40)), random.normal(size=(8, 3, 40))
    c = random.uniform(0, 2, (8, 3)) - np.einsum("bmn,n->bm", a, np.full(40, 0.5))
    first = np.zeros((8, 3))
    first[0, 1] = -1  # a place without a half-space
    box = Box(tf.constant(0.0), tf.constant(1.0), reach=tf.constant(1.0))
    u, lam = (
        t.numpy() for t in project_onto_all(*(tf.constant(t, tf.float32) for t in (p, a, c, first)), box)
    )
    assert lam[0, 1] == -1
    assert np.all(np.delete(lam.ravel(), 1) >= 0)
    lam[0, 1] = 0
    residual = np.einsum("bmn,bn->bm", a, u) + c
    residual[0, 1] = 0
    assert residual.max() < 1e-3
    assert np.abs(lam * residual).max() < 1e-3
    np.testing.assert_allclose(u, np.clip(p - np.einsum("bm,bmn->bn", lam, a), 0, 1), atol=1e-5)


@pytest.mark.parametrize("seed", range(14))
def test_every_image_has_its_last_descent(seed: int) -> None:
    """Rows are given out among images whose descents take times at random, fewer rows than descents that wait."""
    random = np.random.default_rng(seed)
    count, budget, least = random.choice([4, 16, 32, 64]), random.choice([100, 300, 1000, 2000]), 12

    class Starts:
        def __len__(self) -> int:
            return least

        def propose(self, *_: object) -> direct.Proposal:
            return direct.Proposal(np.zeros(1, np.float32), descent.PROJECT, -1, 1.0)

    x = np.zeros((count, 1), np.float32)
    progress = direct._Progress(x, np.zeros(count, bool), np.full(count, budget))
    rows = direct._Rows(max(count, 16), 1)
    size = len(rows.image)
    mean, length = random.uniform(5, 60, count), np.zeros(size, int)
    last = np.zeros(count, int)
    while True:
        waited = progress.is_last.copy()
        fresh = direct._launch(rows, progress, Starts(), x)  # type: ignore[arg-type]
        used = rows.image != direct.FREE
        if not used.any():
            break
        for row in np.flatnonzero(fresh):
            image = rows.image[row]
            last[image] += progress.is_last[image] and not waited[image]
            length[row] = max(1, min(rows.left[row], int(random.exponential(mean[image])) + 4))
        left, distance = rows.left.copy(), np.full(size, np.inf, np.float32)
        spent = np.where(used, np.minimum(8, length), 0)
        left, length = left - spent, length - spent
        hits = used & (random.random(size) < 0.5)
        distance[hits] = 1 + random.exponential(0.1, hits.sum())
        mode = np.where(used & ((length == 0) | (left <= 0)), descent.DONE, descent.PROJECT)
        values = {
            "left": left,
            "mode": mode,
            "distance": distance,
            "best_merit": distance,
            "found": np.zeros((size, 1)),
        }
        state = types.SimpleNamespace(**{n: tf.constant(v) for n, v in values.items()})
        direct._take_over(state, rows, progress)  # type: ignore[arg-type]
    assert progress.done.all()
    assert (last == 1).all()
    assert (progress.gradients <= budget // 2).all()
    assert not progress.reserved.any()
