"""Adversarial images on a grid of grey levels."""

from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_intriguing as ki
from keras_intriguing.attack.rounding import Grid, Linearized, nearest_on_grid
from keras_intriguing.classifiers.pixels import Bounds


def linear(normals: np.ndarray, offsets: np.ndarray) -> Callable[[np.ndarray], Linearized]:
    """Linearizes max over classes of normals·v + offsets."""

    def at(v: np.ndarray) -> Linearized:
        values = v.astype(np.float64) @ normals.T + offsets
        h = values.max(axis=1)
        return Linearized(v, h, normals[values.argmax(axis=1)], h <= 0)

    return at


def best_by_trying_all(x: np.ndarray, at: Callable, grid: Grid) -> float:
    """The distance to the nearest point of the grid that meets the constraint, of one image with few values."""
    levels = [np.arange(grid.levels)] * len(x)
    points = grid.nearest(
        grid.bounds.lower + grid.step * np.stack(np.meshgrid(*levels), -1).reshape(-1, len(x))
    )
    good = points[at(points).good]
    return float(np.linalg.norm(good - x, axis=1).min())


@pytest.mark.parametrize(("classes", "most"), [(1, 1.1), (2, 1.2)])
def test_near_the_nearest_point_of_the_grid(classes, most):
    random = np.random.default_rng(0)
    grid = Grid(Bounds(0.0, 1.0), 6)
    ratios = []
    for _ in range(20):
        normals = random.normal(size=(classes, 5))
        x = grid.nearest(random.uniform(0.3, 0.7, 5))
        edge = np.clip(x - 0.25 * normals.mean(axis=0) / np.linalg.norm(normals.mean(axis=0)), 0, 1)
        at = linear(normals, -(edge @ normals.T))
        v, found = nearest_on_grid(x[None], edge[None].astype(np.float32), grid, np.zeros(1), at)
        assert found.all()
        assert at(v).good.all()
        np.testing.assert_array_equal(v, grid.nearest(v))
        best = best_by_trying_all(x, at, grid)
        ratios.append(np.linalg.norm(v[0] - x) / best)
    assert np.min(ratios) > 1 - 1e-6
    assert np.mean(ratios) < most


def test_levels_are_those_of_eight_bits():
    eight = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(
        Grid(Bounds(0.0, 1.0), 256).nearest(eight / 255 + 1e-4), eight.astype(np.float32) / 255
    )
    np.testing.assert_array_equal(
        Grid(Bounds(0.0, 255.0), 256).nearest(eight + 0.4), eight.astype(np.float32)
    )


def test_bounds_of_every_value_are_levels_themselves() -> None:
    random = np.random.default_rng(0)
    lower = -random.uniform(1, 3, 2000).astype(np.float32)
    upper = random.uniform(1e-6, 0.3, 2000).astype(np.float32)
    grid = Grid(Bounds(lower, upper), 256)
    np.testing.assert_array_equal(grid.nearest(np.stack([lower, upper])), [lower, upper])
    points = grid.nearest(random.uniform(-4, 1, (50, 2000)))
    assert (points >= lower).all()
    assert (points <= upper).all()
    np.testing.assert_array_equal(grid.nearest(points), points)


@pytest.fixture(scope="module")
def grey_images(net_images) -> np.ndarray:
    return Grid(Bounds(0.0, 1.0), 256).nearest(net_images)


@pytest.mark.parametrize(
    "settings", [{}, {"target": 2}, pytest.param({"method": "penalty"}, marks=pytest.mark.slow)]
)
def test_they_survive_being_saved_as_png(net, grey_images, tmp_path, settings):
    free = ki.minimal_distortion(net, grey_images, **settings)
    result = ki.minimal_distortion(net, grey_images, levels=256, **settings)
    assert result.success.all()
    for i, image in enumerate(result.adversarial):
        tf.io.write_file(str(tmp_path / f"{i}.png"), tf.io.encode_png(np.rint(255 * image).astype(np.uint8)))
    read = [tf.io.decode_png(tf.io.read_file(str(tmp_path / f"{i}.png"))) for i in range(len(grey_images))]
    images = np.stack(read).astype(np.float32) / 255
    np.testing.assert_array_equal(images, result.adversarial)
    np.testing.assert_array_equal(np.argmax(net.predict(images, verbose=0), axis=1), result.label_after)
    change = (images.astype(np.float64) - grey_images).reshape(len(images), -1)
    np.testing.assert_allclose(result.distortion, np.sqrt(np.mean(change**2, axis=1)), rtol=1e-6)
    assert result.survives_rounding.all()
    changed = free.distortion > 0
    assert result.distortion[changed].mean() <= 1.03 * free.distortion[changed].mean()


@pytest.mark.parametrize("levels", [2, 5])
def test_few_levels_and_images_off_the_grid(net, net_images, levels):
    result = ki.minimal_distortion(net, net_images, levels=levels)
    assert result.success.all()
    np.testing.assert_array_equal(
        result.adversarial * np.float32(levels - 1), np.rint(result.adversarial * (levels - 1))
    )
    np.testing.assert_array_equal(np.argmax(net(result.adversarial), axis=1), result.label_after)


@pytest.mark.parametrize("kind", ["bfloat16", pytest.param("float16", marks=pytest.mark.slow)])
def test_models_of_half_precision(kind):
    """Their probabilities are rounded to three or two digits, and those that are nearly tied are no label."""
    layers = [keras.layers.Dense(16, "relu", dtype=kind), keras.layers.Dense(4, "softmax", dtype=kind)]
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((8,)), *layers])
    model.set_weights([4 * weight for weight in model.get_weights()])
    x = np.random.default_rng(0).uniform(size=(8, 8)).astype(np.float32)
    result = ki.minimal_distortion(model, x, levels=256)
    np.testing.assert_array_equal(result.success, ki.minimal_distortion(model, x).success)
    assert result.success.sum() >= 4
    labels = model.predict(result.adversarial, verbose=0).argmax(axis=1)
    np.testing.assert_array_equal(labels, result.label_after)
    assert (labels != result.label_before)[result.success].all()
    wrong = (result.label_before + 1) % 4
    already = ki.minimal_distortion(model, x, label=wrong, levels=256)
    assert already.success.all()
    assert (model.predict(already.adversarial, verbose=0).argmax(axis=1) != wrong).all()


def test_an_image_that_is_adversarial_is_moved_to_the_grid(net, net_images):
    label = (np.argmax(net(net_images), axis=1) + 1) % 4
    result = ki.minimal_distortion(net, net_images, label=label, levels=256)
    assert result.success.all()
    np.testing.assert_array_equal(result.adversarial, Grid(Bounds(0.0, 1.0), 256).nearest(net_images))
    on_it = ki.minimal_distortion(net, result.adversarial, label=label, levels=256)
    np.testing.assert_array_equal(on_it.distortion, 0)


def test_the_budget_holds(net, grey_images):
    result = ki.minimal_distortion(net, grey_images, levels=256, budget=200)
    assert (result.forward_passes + result.backward_passes).max() <= 200
    assert result.success.all()


@pytest.mark.parametrize("levels", [1, 0, -3, 2.5, "256"])
def test_levels_that_are_none_are_refused(net, net_images, levels):
    with pytest.raises(ValueError, match="levels must be a whole number of at least 2, or None, not"):
        ki.minimal_distortion(net, net_images, levels=levels)


def test_a_budget_too_small_for_levels_is_refused(net, net_images):
    with pytest.raises(
        ValueError, match=r"budget must be a whole number of at least .* passes for 256 grey levels"
    ):
        ki.minimal_distortion(net, net_images, levels=256, budget=100)
