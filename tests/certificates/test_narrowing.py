"""Intervals of the units of wide layers: no value lies outside, and certificates with them are never above an exact distance."""

import functools
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_intriguing as ki
from keras_intriguing.certificates import narrowing, propagation
from keras_intriguing.certificates.classifier import Classifier
from keras_intriguing.certificates.region import Region
from keras_intriguing.certificates.steps.activation import Activation
from keras_intriguing.certificates.steps.curves import CURVES
from keras_intriguing.certificates.steps.maximum import Maximum
from keras_intriguing.certificates.steps.step import Enclosure, Step
from keras_intriguing.spectral.graph import nodes

L = keras.layers


def convnet(size: int = 8, activation: str = "relu") -> keras.Model:
    inputs = keras.Input((size, size, 1))
    x = L.Conv2D(3, 3, activation=activation)(inputs)
    x = L.MaxPooling2D(2)(x)
    x = L.Conv2D(4, 2, activation=activation)(x)
    x = L.Dense(6, activation=activation)(L.Flatten()(x))
    model = keras.Model(inputs, L.Dense(3)(x))
    random = np.random.default_rng(0)
    model.set_weights([random.normal(size=w.shape) / np.sqrt(np.prod(w.shape[:-1])) for w in model.weights])
    return model


@functools.cache
def classifier_of(activation: str) -> Classifier:
    """Of `convnet`; its functions are traced once for all tests."""
    return Classifier(nodes(convnet(activation=activation)), lambda name: None)


def region_of(random: np.random.Generator, dtype: tf.DType, radius: tuple[float, float]) -> Region:
    x = random.uniform(size=(2, 8, 8, 1))
    return Region(*(tf.constant(v, dtype) for v in (x, np.array(radius), 0.0, 1.0)))


def changed(random: np.random.Generator, x: np.ndarray, radius: float, count: int) -> np.ndarray:
    """Images of the box at the edge of the ball around x."""
    r = random.normal(size=(count, *x.shape)) * (
        random.uniform(size=(count, *x.shape)) < random.choice([0.1, 1])
    )
    return np.clip(x + radius * r / np.linalg.norm(r.reshape(count, -1), axis=1).reshape(-1, 1, 1, 1), 0, 1)


@pytest.fixture
def traced_again() -> Iterator[None]:
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.parametrize(
    ("dtype", "activation"),
    [
        *((tf.float64, activation) for activation in ("relu", "sigmoid", "gelu", "hard_tanh")),
        *(  # estimates, of which nothing is proved
            pytest.param(tf.float32, activation, marks=pytest.mark.slow)
            for activation in ("relu", "sigmoid", "gelu", "hard_tanh")
        ),
    ],
)
@pytest.mark.usefixtures("traced_again")
def test_all_values_lie_in_narrow_enclosures(activation: str, dtype: tf.DType) -> None:
    classifier, radius = classifier_of(activation), (0.1, 0.6)
    circuit, random = classifier.circuit, np.random.default_rng(1)
    rounding = propagation.rounding_of(circuit) if dtype == tf.float64 else 0.0
    region = region_of(random, dtype, radius)
    x = region.x.numpy()
    # with one activation as it is used, traced; with others the same operations one by one, which takes a fifth
    tf.config.run_functions_eagerly(activation != "relu")
    narrow = narrowing.narrow_enclosures(classifier.programs, region, rounding)
    plain = propagation.enclosures(circuit, region, rounding)
    for image in range(2):
        values = [tf.constant(changed(random, x[image], radius[image], 400), dtype)]
        for position in range(1, len(circuit.steps)):
            step = circuit.step(position)
            values.append(step.value([values[source] for source in step.sources]))
            lower, upper = narrow[position].lower[image], narrow[position].upper[image]
            slack = 0 if rounding else 1e-5
            assert (values[-1] >= lower - slack).numpy().all()
            assert (values[-1] <= upper + slack).numpy().all()
    widths, before = ([(of.upper - of.lower).numpy() for of in found] for found in (narrow, plain))
    assert all((a <= b + 1e-5).all() for a, b in zip(widths, before, strict=True))
    assert sum(a.sum() for a in widths) < 0.97 * sum(b.sum() for b in before)


def enclosure(random: np.random.Generator, shape: tuple[int, ...]) -> Enclosure:
    ends = np.sort(2 * random.normal(size=(2, 1, *shape)), axis=0)
    centre = ends[0] + random.uniform(size=(1, *shape)) * (ends[1] - ends[0])
    return Enclosure(*(tf.constant(v) for v in (centre, ends[0], ends[1], np.array([100.0]))))


def check_lines(step: Step, x: Enclosure, samples: np.ndarray) -> None:
    """The lines hold at samples [N, *shape of x] of an enclosure."""
    result = step.enclose([x], 0.0)
    of = {name: v.numpy() for name, v in step.lines([x], result, 0.0).items()}
    rise = step.value([tf.constant(samples)]).numpy() - result.centre.numpy()
    run = samples - x.centre.numpy()
    several = len(of["below"].shape) > len(of["lost"].shape)

    def along(slope: np.ndarray) -> np.ndarray:
        return (slope * run).sum(axis=-1) if several else slope * run

    assert (rise - along(of["below"]) >= of["least_below"] - 1e-9).all()
    assert (along(of["above"]) - rise >= of["least_above"] - 1e-9).all()


@pytest.mark.parametrize("name", CURVES)
def test_lines_of_activations_hold(name: str) -> None:
    x = enclosure(np.random.default_rng(2), (40,))
    shares = np.linspace(0, 1, 300)[:, None]
    samples = x.lower.numpy() + shares * (x.upper.numpy() - x.lower.numpy())
    check_lines(Activation(0, (40,), CURVES[name]), x, samples)


def test_lines_of_maxima_hold() -> None:
    random = np.random.default_rng(3)
    x = enclosure(random, (50, 3))
    shares = np.concatenate([random.uniform(size=(500, 50, 3)), random.integers(0, 2, size=(500, 50, 3))])
    check_lines(Maximum(0, (50,), 3), x, x.lower.numpy() + shares * (x.upper.numpy() - x.lower.numpy()))


def test_a_line_of_relu_is_the_known_one() -> None:
    x = Enclosure(*(tf.constant([v], tf.float64) for v in ([1.0, -0.5], [-1.0, -3.0], [3.0, 1.0], 9.0)))
    step = Activation(0, (2,), CURVES["relu"])
    of = step.lines([x], step.enclose([x], 0.0), 0.0)
    np.testing.assert_allclose(of["below"], [[1.0, 0.0]])
    np.testing.assert_allclose(of["above"], [[0.75, 0.25]])
    # above: 0.75·(z + 1), which is 1.5 at 1; 0.25·(z + 3), which is 0.625 at −0.5
    np.testing.assert_allclose(of["least_above"], [[-0.5, -0.625]])
    np.testing.assert_allclose(of["least_below"], 0, atol=1e-12)


@pytest.fixture
def narrowing_everywhere(monkeypatch: Any) -> None:
    """Of every layer, eight units at once, whose functions are traced once a layer, and not for every power of two."""
    monkeypatch.setattr(narrowing, "MOST_WORK", -1)
    monkeypatch.setattr(narrowing, "_next_power", lambda count: 8)


@pytest.mark.usefixtures("narrowing_everywhere")
def test_no_certificate_of_a_pooled_convolution_is_above_a_fine_grid() -> None:
    inputs = keras.Input((2, 1, 1))
    x = L.Conv2D(4, (1, 1), activation="relu")(inputs)
    x = L.MaxPooling2D((2, 1))(x)
    x = L.Dense(4, activation="relu")(L.Flatten()(x))
    model = keras.Model(inputs, L.Dense(2)(x))
    random = np.random.default_rng(4)
    model.set_weights([random.normal(size=w.shape) for w in model.weights])
    ticks = np.linspace(0, 1, 401)
    grid = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2, 1, 1).astype(np.float32)
    ahead = np.diff(model.predict(grid, verbose=0, batch_size=2**15))
    middle = (ahead.min() + ahead.max()) / 2
    model.layers[-1].bias.assign_add([middle, 0.0])  # neither class fills the square
    labels = model.predict(grid, verbose=0, batch_size=2**15).argmax(axis=1)
    x = np.concatenate([grid[labels == i][:: max(1, (labels == i).sum() // 6)][:6] for i in range(2)])
    found = ki.certified_distortion(model, x)
    for image, label, l2 in zip(x, found.label, found.l2, strict=True):
        exact = np.linalg.norm((grid[labels != label] - image).reshape(-1, 2), axis=1).min()
        assert l2 <= exact
        assert l2 > 0.3 * exact - 0.01
    attacked = ki.minimal_distortion(model, x)
    assert (found.distortion <= attacked.distortion * (1 + 1e-6))[attacked.success].all()


@pytest.mark.slow
def test_narrow_intervals_certify_more(monkeypatch: Any) -> None:
    model, x = convnet(), np.random.default_rng(5).uniform(size=(3, 8, 8, 1)).astype(np.float32)
    before = ki.certified_distortion(model, x).l2
    monkeypatch.setattr(narrowing, "MOST_WORK", -1)
    after = ki.certified_distortion(model, x).l2
    assert (after >= 0.97 * before).all()


def test_cheap_layers_are_bounded_by_their_own_penalties_too(monkeypatch: Any) -> None:
    classifier = classifier_of("relu")
    region = region_of(np.random.default_rng(7), tf.float64, (0.2, 0.5))
    rounding = propagation.rounding_of(classifier.circuit)
    cheap = sorted(propagation.work(classifier.circuit).values())[-2]
    monkeypatch.setattr(narrowing, "MOST_WORK", cheap)
    both = narrowing.narrow_enclosures(classifier.programs, region, rounding)
    monkeypatch.setattr(narrowing, "MOST_WORK", -1)
    by_lines = narrowing.narrow_enclosures(classifier.programs, region, rounding)
    monkeypatch.setattr(narrowing, "MOST_WORK", cheap)
    monkeypatch.setattr(narrowing, "_narrowed", lambda programs, region, known, *of_lines: known[-1])
    by_penalties = narrowing.narrow_enclosures(classifier.programs, region, rounding)
    for found in (by_lines, by_penalties):
        for a, b in zip(both, found, strict=True):
            # penalties start from the ball's radius, so that narrower intervals can give a hair more
            assert (a.lower >= b.lower - 1e-4).numpy().all()
            assert (a.upper <= b.upper + 1e-4).numpy().all()
        assert (both[9].upper < found[9].upper - 0.05).numpy().any()  # of the hidden layer


def test_no_more_rows_are_carried_than_twice_the_units(monkeypatch: Any) -> None:
    classifier, counts = classifier_of("relu"), []
    bounded = classifier.programs.bounded

    def recorded(
        region: Region, known: list[Enclosure], lines: Any, places: tf.Tensor, *rest: Any
    ) -> tf.Tensor:
        counts.append((int(places.shape[1]), int(np.prod(known[-1].centre.shape[1:]))))
        return bounded(region, known, lines, places, *rest)

    monkeypatch.setattr(classifier.programs, "bounded", recorded)
    region = region_of(np.random.default_rng(8), tf.float32, (0.3, 0.3))
    narrowing.narrow_enclosures(classifier.programs, region)
    assert counts
    assert all(rows < 2 * units for rows, units in counts)


@pytest.mark.usefixtures("narrowing_everywhere")
def test_an_image_of_another_label_without_bounds_is_no_division_by_zero() -> None:
    random = np.random.default_rng(9)
    model = keras.Sequential([keras.Input((5,)), L.Dense(6, "relu"), L.Dense(3)])
    model.set_weights([random.normal(size=w.shape) for w in model.weights])
    x = random.uniform(size=(2, 5)).astype(np.float32)
    label = np.array(model.predict(x, verbose=0).argmax(axis=1))
    label[0] = (label[0] + 1) % 3
    with np.errstate(all="raise", under="ignore"):
        found = ki.certified_distortion(model, x, label=label, bounds=(-np.inf, np.inf))
    assert found.distortion[0] == 0
    assert found.distortion[1] > 0
