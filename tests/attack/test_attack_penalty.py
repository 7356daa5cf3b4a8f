"""Which images of a batch the penalty method computes."""

import keras
import numpy as np
import pytest

import keras_intriguing as ki
from keras_intriguing.attack import penalty


@pytest.fixture(scope="module")
def convolutional() -> keras.Model:
    keras.utils.set_random_seed(3)
    weights = keras.initializers.RandomNormal(stddev=1.0)
    layers = [keras.layers.Conv2D(8, 3, activation="tanh"), keras.layers.Flatten()]
    return keras.Sequential(
        [keras.Input((6, 6, 1)), *layers, keras.layers.Dense(4, kernel_initializer=weights)]
    )


@pytest.fixture(scope="module")
def counted(convolutional, net_images) -> tuple[ki.Result, np.ndarray]:
    """An attack, and how many values of c it took of each image."""
    update, values = penalty.WeightSearch.update, np.zeros(5, int)

    def counting(self, turn, *arguments):
        values[turn] += 1
        update(self, turn, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(penalty.WeightSearch, "update", counting)
        return ki.minimal_distortion(convolutional, net_images[:5], method="penalty"), values


@pytest.fixture(scope="module")
def expected(counted) -> ki.Result:
    return counted[0]


@pytest.fixture(scope="module")
def far_away() -> tuple[keras.Model, np.ndarray]:
    """A small ReLU net and images of which two are lost by a search from the boundary point alone."""
    random = np.random.default_rng(5)
    layers = [keras.layers.Dense(16, "relu"), keras.layers.Dense(16, "relu"), keras.layers.Dense(5)]
    model = keras.Sequential([keras.Input((20,)), *layers])
    model.set_weights(
        [
            random.normal(size=w.shape) * (np.sqrt(2 / w.shape[0]) if len(w.shape) == 2 else 0.3)
            for w in model.weights
        ]
    )
    return model, np.random.default_rng(1).uniform(size=(16, 20)).astype(np.float32)


def searched(excess, length, steps: int, count: int) -> tuple[penalty.WeightSearch, np.ndarray]:
    """A search by functions of c and the image's number, and how many values each image took."""
    search, values = penalty.WeightSearch(np.ones(count), np.full(count, 1.1)), np.zeros(count, int)
    for _ in range(steps):
        turn = np.flatnonzero(~search.done)
        search.update(turn, excess(search.c[turn], turn), length(search.c[turn], turn))
        values[turn] += 1
    return search, values


def test_the_largest_c_is_found_where_minima_follow_it():
    """At minima of c‖r‖² + softplus(−gap) the length is a power of c; the logits need not be linear in it."""
    random, count = np.random.default_rng(0), 500
    gap, largest = random.uniform(2, 20, count), random.uniform(0.7, 1.4, count)

    def length(c: np.ndarray, i: np.ndarray) -> np.ndarray:
        return (c / largest[i]) ** (-1 / (1 + gap[i] / 2))

    def excess(c: np.ndarray, i: np.ndarray) -> np.ndarray:
        g = gap[i] * (1 - length(c, i))
        return g + 0.3 * g * np.abs(g)

    search, values = searched(excess, length, 10, count)
    assert search.done.all()
    assert (search.largest <= largest).all()
    assert (length(search.largest, np.arange(count)) < 1.0002).all()
    assert values.mean() < 6


def test_the_largest_c_is_found_where_minima_jump():
    random, count = np.random.default_rng(0), 500
    largest = random.uniform(0.7, 1.4, count)
    search, _ = searched(
        lambda c, i: np.where(c <= largest[i], -0.5 - 0.2 * np.log(largest[i] / c), 6.0),
        lambda c, i: np.where(c <= largest[i], (c / largest[i]) ** -0.2, 0.3),
        penalty.WeightSearch.STEPS,
        count,
    )
    assert (search.largest <= largest).all()
    assert (search.largest > 0.999 * largest).all()


def test_the_first_values_of_c_are_factors_apart_until_there_is_a_bracket():
    search, tried = penalty.WeightSearch(np.ones(2), np.full(2, 2.0)), []
    for _ in range(5):
        tried.append(search.c.copy())
        search.update(np.arange(2), np.array([-1.0, 1.0]), np.ones(2))
    np.testing.assert_allclose(np.array(tried)[:, 0], [1, 2, 8, 64, 512])
    np.testing.assert_allclose(np.array(tried)[:, 1], 1 / np.array([1, 2, 8, 64, 512]))
    assert np.isnan(search.largest[1])
    assert search.largest[0] == pytest.approx(512)


def test_passes_are_the_images_own(counted):
    result, values = counted
    assert len(np.unique(values)) > 1
    order = np.argsort(values)
    assert (np.diff(result.backward_passes[order])[np.diff(values[order]) > 0] > 0).all()
    assert (np.diff(result.backward_passes[order])[np.diff(values[order]) == 0] == 0).all()


@pytest.mark.slow
def test_no_image_is_lost_by_beginning_at_the_boundary(far_away):
    model, images = far_away
    result = ki.minimal_distortion(model, images, method="penalty")
    assert list(np.flatnonzero(~result.success)) == [11]  # which nothing was found for before, either
    # of 16 values of c upward from x, by long minimizations
    earlier = [0.2072, 0.6438, 0.2048, 0.4437, 0.5287, 0.3397, 0.5402, 0.1559]
    earlier += [0.6082, 0.2304, 0.1707, np.inf, 0.1777, 0.1399, 0.3297, 0.6192]
    assert (result.distortion < 1.2 * np.array(earlier))[result.success].all()
    assert np.isfinite(result.c[result.success]).all()


def test_the_point_of_the_walks_is_the_result_where_no_c_succeeds(convolutional, net_images, monkeypatch):
    images, search = net_images[:5], penalty._search
    monkeypatch.setattr(
        penalty, "_search", lambda *a: (f := search(*a))._replace(distance=np.full_like(f.distance, np.inf))
    )
    result = ki.minimal_distortion(convolutional, images, method="penalty")
    assert result.success.all()
    assert np.isnan(result.c).all()
    shortest = ki.minimal_distortion(convolutional, images)
    assert (result.distortion < 1.3 * shortest.distortion).all()
    np.testing.assert_array_equal(
        convolutional(result.adversarial).numpy().argmax(axis=1), result.label_after
    )


def test_images_farther_than_the_point_of_the_walks_are_searched_again(
    convolutional, expected, net_images, monkeypatch
):
    images, search, beginnings = net_images[:5], penalty._search, []

    def far_at_first(*arguments):
        found = search(*arguments)
        beginnings.append(arguments[3].v.numpy())
        if len(beginnings) == 1:
            found.distance[2] *= 2
        return found

    monkeypatch.setattr(penalty, "_search", far_at_first)
    result = ki.minimal_distortion(convolutional, images, method="penalty")
    np.testing.assert_array_equal(beginnings[1], images[2].reshape(1, -1))  # from x
    np.testing.assert_allclose(result.distortion, expected.distortion, rtol=0.02)


def test_images_that_failed_are_searched_again_alone(convolutional, expected, net_images, monkeypatch):
    images = net_images[:5]
    assert expected.success.all()
    search, sizes = penalty._search, []

    def failing_at_first(*arguments):
        found = search(*arguments)
        sizes.append(len(found.distance))
        if len(sizes) == 1:
            found.distance[[1, 4]] = np.inf
        return found

    monkeypatch.setattr(penalty, "_search", failing_at_first)
    result = ki.minimal_distortion(convolutional, images, method="penalty")
    assert sizes == [5, 2]  # without XLA no image is computed that is not asked for
    assert result.success.all()
    np.testing.assert_allclose(result.distortion, expected.distortion, rtol=0.02)
    np.testing.assert_array_equal(result.adversarial[[0, 2, 3]], expected.adversarial[[0, 2, 3]])
    more = result.backward_passes > expected.backward_passes
    np.testing.assert_array_equal(more, [False, True, False, False, True])
