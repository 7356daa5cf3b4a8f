"""Branch and bound: against all images of a disk, and what it may divide."""

import time

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_intriguing as ki
from keras_intriguing.certificates import splitting, verification
from keras_intriguing.certificates.kept import classifier_of
from keras_intriguing.certificates.parts import Cut, Part, divided
from keras_intriguing.certificates.search import Interrupted
from keras_intriguing.certificates.splitting import Margins, Splitter
from keras_intriguing.certificates.steps.curves import CURVES
from keras_intriguing.certificates.steps.step import Enclosure
from keras_intriguing.classifiers.pixels import Bounds
from keras_intriguing.classifiers.request import checked
from keras_intriguing.spectral.graph import nodes

EVERYWHERE = (-np.inf, np.inf)


@pytest.fixture(autouse=True)
def _one_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splitting, "_SIZES", (16,))  # one program to trace


def network(activation: str, seed: int = 0, scale: float = 3.0) -> keras.Model:
    random = np.random.default_rng(seed)
    layers = [keras.layers.Dense(size, activation) for size in (12, 12)] + [keras.layers.Dense(3)]
    model = keras.Sequential([keras.Input((2,)), *layers])
    model.set_weights([scale * random.normal(size=w.shape) / w.shape[0] ** 0.5 for w in model.get_weights()])
    return model


def disk(x: np.ndarray, radius: float) -> np.ndarray:
    """Points of it, its edge among them."""
    angle, length = np.meshgrid(np.linspace(0, 2 * np.pi, 400), np.linspace(0, radius, 60))
    points = x + np.stack([length * np.cos(angle), length * np.sin(angle)], axis=-1)
    return points.reshape(-1, 2).astype(np.float32)


def margin_on(model: keras.Model, x: np.ndarray, radius: float) -> float:
    """The least on a disk's points, which is no less than the least on the disk."""
    label = int(model(x[None]).numpy().argmax())
    logits = model(disk(x, radius)).numpy().astype(np.float64)
    return float((logits[:, [label]] - np.delete(logits, label, axis=1)).min())


def smallest_distortion(model: keras.Model, x: np.ndarray) -> float:
    low, high = 0.0, 4.0
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (middle, high) if margin_on(model, x, middle) > 0 else (low, middle)
    return low


@pytest.mark.parametrize(("activation", "share"), [("relu", 0.98), ("tanh", 0.9)])
def test_what_the_bound_leaves_open_is_decided_up_to_nearly_the_distance_itself(
    activation: str, share: float
):
    model, x = network(activation), np.array([[-0.5, 0.4]], np.float32)
    radius = smallest_distortion(model, x[0])
    within, beyond = share * radius, 1.02 * radius
    assert not ki.verify(model, x, within, bounds=EVERYWHERE).verified
    found = ki.verify(model, x, within, bounds=EVERYWHERE, seconds=300)
    assert found.verified
    assert 0 < found.margin[0] <= margin_on(model, x[0], within) + 1e-6
    denied = ki.verify(
        model, x, beyond, bounds=EVERYWHERE, seconds=300
    )  # it ends where it meets another class
    assert not denied.verified
    assert denied.margin[0] <= margin_on(model, x[0], beyond) + 1e-6
    alone, further = (
        ki.certified_distortion(model, x, bounds=EVERYWHERE, seconds=seconds) for seconds in (0, 5)
    )
    assert alone.l2[0] <= further.l2[0] <= radius + 2e-4


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "sigmoid", "gelu", "hard_tanh", "elu"])
def test_no_margin_is_above_the_least_of_a_disk(activation: str, seed: int):
    model = network(activation, seed, scale=2.0 + seed % 3)
    x = np.random.default_rng(seed).normal(size=(4, 2)).astype(np.float32)
    distance = 0.1 * 2.0 ** (seed % 5)
    before = ki.verify(model, x, distance, bounds=EVERYWHERE)
    after = ki.verify(model, x, distance, bounds=EVERYWHERE, seconds=3)
    assert (after.margin >= before.margin).all()
    for image, margin in zip(x, after.margin, strict=True):
        assert margin <= margin_on(model, image, distance) + 1e-5 * (1 + abs(margin))


def splitter_of(model: keras.Model) -> Splitter:
    request = checked(
        model, np.ones((1, 2), np.float32), None, None, EVERYWHERE, None, from_probabilities=None
    )
    programs = classifier_of(nodes(model), request.trace, lambda name: None).programs
    return Splitter(programs, Bounds(*EVERYWHERE))


def test_only_what_an_activation_alone_takes_is_divided():
    x = keras.Input((2,))
    hidden = keras.layers.Dense(4)(x)
    both = keras.layers.Add()([keras.layers.ReLU()(hidden), hidden])
    last = keras.layers.ReLU()(keras.layers.Dense(4)(both))
    model = keras.Model(x, keras.layers.Dense(3)(keras.layers.ReLU()(last)))
    splitter = splitter_of(model)
    places = [splitter._circuit.names[position] for position in splitter._activations.values()]
    assert len(places) == 2  # the last two of three activations
    assert splitter_of(keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)]))._activations == {}


def test_what_nothing_rests_on_is_not_divided():
    x, outer = keras.Input((2,)), keras.Input((2,))
    hidden = keras.layers.Dense(6, "relu")(x)
    inner = keras.Model(x, [keras.layers.Dense(3)(hidden), keras.layers.Dense(5, "relu")(hidden)])
    model = keras.Model(outer, keras.layers.Dense(3)(inner(outer)[0]))
    assert len(splitter_of(model)._activations) == 1
    image = np.ones((1, 2), np.float32)
    alone, divided_too = (ki.verify(model, image, 1.0, bounds=EVERYWHERE, seconds=s) for s in (0, 3))
    assert divided_too.margin >= alone.margin


def test_the_time_of_compiling_is_not_counted(monkeypatch: pytest.MonkeyPatch):
    of_batch, batches = Splitter._evaluated_at_once, []

    def slow_at_first(*given: object) -> tuple[list[Part], bool]:
        batches.append(given)
        if len(batches) == 1:
            time.sleep(3)
        return of_batch(*given)

    monkeypatch.setattr(Splitter, "_evaluated_at_once", slow_at_first)
    model, x = network("tanh"), np.array([[-0.5, 0.4]], np.float32)
    ki.verify(model, x, 0.9 * smallest_distortion(model, x[0]), bounds=EVERYWHERE, seconds=2)
    assert len(batches) > 1


@pytest.mark.parametrize("farthest", [np.inf, 100.0])
@pytest.mark.parametrize("limit", [1.0, 1.07, 3.3, 40.0, 1e9])
def test_a_radius_grows_to_what_can_be_proved(limit: float, farthest: float, monkeypatch: pytest.MonkeyPatch):
    def improve(self: Splitter, x: object, label: int, radius: float, *_: object) -> Margins:
        return Margins(np.array([limit - radius, np.inf]), False)

    monkeypatch.setattr(Splitter, "improve", improve)
    splitter = splitter_of(keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)]))
    given = np.zeros(2), 1, 1.0, farthest, lambda radius: np.zeros((1, 2)), 60.0
    shares: list[float] = []
    *_, last = [1.0, *splitter.extend(*given, shares.append)]
    if limit > farthest:
        assert last == np.inf
    else:
        assert min(limit, 1e3) / 1.005 <= last <= limit


def test_a_time_that_is_over_proves_nothing_and_denies_nothing(monkeypatch: pytest.MonkeyPatch):
    tried = []

    def improve(self: Splitter, x: object, label: int, radius: float, *_: object) -> Margins:
        tried.append(radius)
        return Margins(np.array([-1.0 if len(tried) == 1 else 8 - radius, np.inf]), len(tried) == 1)

    monkeypatch.setattr(Splitter, "improve", improve)
    splitter = splitter_of(keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)]))
    found = splitter.extend(
        np.zeros(2), 1, 1.0, np.inf, lambda radius: np.zeros((1, 2)), 60.0, lambda s: None
    )
    assert 7.9 < list(found)[-1] < 8


def test_without_activations_there_is_nothing_to_divide():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    model.set_weights([np.array([[1.0, -1, 0], [0, 1, 1]]), np.array([1.5, 0.5, -0.1])])
    found = ki.verify(model, np.zeros((1, 2), np.float32), [2.0], bounds=EVERYWHERE, seconds=600)
    assert not found.verified.any()
    assert found.margin == pytest.approx(1 - 2 * 5**0.5, rel=1e-3)
    certified = ki.certified_distortion(model, np.zeros((1, 2), np.float32), bounds=EVERYWHERE, seconds=600)
    assert certified.l2 == pytest.approx(5**-0.5, rel=1e-3)


def test_parts_lie_on_either_side_of_their_cuts():
    whole = [Enclosure(np.zeros((1, 2, 2)), -np.ones((1, 2, 2)), np.ones((1, 2, 2)), np.ones(1))] * 2
    part = Part(1, -1.0, (Cut(1, 2, 0.5, is_above=True),), Cut(1, 2, 0.75), variables=[{}])
    below, above = part.further()
    known = divided(whole, [part, below, above])
    assert known[1].lower[:, 1, 0].tolist() == [0.5, 0.5, 0.75]
    assert known[1].upper[:, 1, 0].tolist() == [1, 0.75, 1]
    for of, name in ((known[0], "lower"), (known[1], "lower")):
        others = np.delete(getattr(of, name).reshape(3, 4), 2, axis=1)
        np.testing.assert_array_equal(others, -1)
    np.testing.assert_array_equal(whole[1].lower, -1)


def test_intervals_are_cut_at_a_knot_inside_or_near_a_value():
    lower, upper, near = np.array([-1.0, 2, -5]), np.array([3.0, 4, 10]), np.array([1.0, 2, 4])
    np.testing.assert_array_equal(CURVES["relu"].cut(lower, upper, near), [0, 2, 0])
    np.testing.assert_array_equal(CURVES["relu6"].cut(lower, upper, near), [0, 2, 6])
    np.testing.assert_allclose(CURVES["tanh"].cut(lower, upper, near), [1, 2.2, 4])


@pytest.mark.parametrize("seconds", [-1, np.inf, np.nan, "all", None, True])
def test_seconds_that_are_none(seconds):
    with pytest.raises(ValueError, match="seconds must be a finite number of at least 0"):
        ki.verify(network("relu"), np.zeros((1, 2), np.float32), 0.1, seconds=seconds)
    with pytest.raises(ValueError, match="seconds must be a finite number of at least 0"):
        ki.certified_distortion(network("relu"), np.zeros((1, 2), np.float32), seconds=seconds)


def test_ctrl_c_keeps_what_was_proved_before(monkeypatch: pytest.MonkeyPatch):
    model, x = network("relu"), np.array([[0.3, -0.2], [-0.5, 0.4]], np.float32)
    before = ki.verify(model, x, 0.5, bounds=EVERYWHERE)
    assert not before.verified.any()

    def interrupted(*_: object) -> np.ndarray:
        raise KeyboardInterrupt

    monkeypatch.setattr(verification.Splitter, "improve", interrupted)
    with pytest.raises(Interrupted) as caught:
        ki.verify(model, x, 0.5, bounds=EVERYWHERE, seconds=10)
    np.testing.assert_array_equal(caught.value.result.margin, before.margin)
    assert caught.value.result.provenance["seconds"] == 10


def test_the_last_values_of_a_circuit_are_the_models_logits():
    model, x = network("tanh"), np.random.default_rng(1).normal(size=(5, 2))
    logits = splitter_of(model)._circuit.values(tf.constant(x, tf.float32))[-1].numpy()
    np.testing.assert_allclose(logits, model(x.astype(np.float32)), atol=1e-5)
