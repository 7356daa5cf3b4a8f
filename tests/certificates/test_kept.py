"""What later calls take from earlier ones: the compiled functions, as long as the model computes the same."""

import functools
from collections import Counter
from collections.abc import Iterator

import keras
import numpy as np
import pytest

import keras_intriguing as ki
from keras_intriguing.certificates import kept, lowering
from keras_intriguing.certificates.programs import Programs

L = keras.layers


@pytest.fixture
def traces(monkeypatch) -> Counter:
    """How often each function was traced: their Python code does not run else."""
    counts: Counter = Counter()
    for name in ("_step", "_enclosed"):
        traced = getattr(Programs, name)

        def counting(self: Programs, *given, name: str = name, traced=traced) -> object:
            counts[name] += 1
            return traced(self, *given)

        monkeypatch.setattr(Programs, name, counting)
    return counts


def model_of(seed: int) -> keras.Model:
    keras.utils.set_random_seed(seed)
    return keras.Sequential([keras.Input((5,)), L.Dense(6, "relu"), L.Identity(), L.Dense(3)])


shared_model = functools.cache(lambda: model_of(0))


def images(count: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(size=(count, 5)).astype(np.float32)


@pytest.fixture
def certified() -> Iterator[tuple[keras.Model, np.ndarray]]:
    """A model, prepared once for the tests that change it or its rules, and the distances that it begins with."""
    model = shared_model()
    weights = model.get_weights()
    yield model, ki.certified_distortion(model, images(3)).l2
    model.set_weights(weights)


def test_a_second_call_traces_nothing(traces: Counter) -> None:
    model = model_of(0)
    first = ki.certified_distortion(model, images(3))
    assert traces == {"_step": 1, "_enclosed": 1}
    again = ki.certified_distortion(model, images(3))
    assert (again.l2 == first.l2).all()
    assert ki.verify(model, images(3), 1.0).verified.sum() < 3
    ki.verify(model, images(3), 1.1 * first.l2, bounds=(0.0, 1.0))
    assert traces == {"_step": 1, "_enclosed": 1}


def test_other_weights_are_certified_anew(certified) -> None:
    model, first = certified
    for kernel in (model.layers[0].kernel, model.layers[-1].kernel):
        kernel.assign(2 * kernel)
    changed = ki.certified_distortion(model, images(3)).l2
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    assert (changed != first).all()
    np.testing.assert_allclose(changed, ki.certified_distortion(copy, images(3)).l2, rtol=1e-6)


def test_a_rule_that_is_registered_later_holds(certified, monkeypatch) -> None:
    monkeypatch.setattr(lowering, "RULES", dict(lowering.RULES))
    model, first = certified
    ki.certificates.register(L.Dense, lowering.fallback)
    assert (ki.certified_distortion(model, images(3)).l2 < first).any()


def test_no_more_than_a_few_models_are_kept() -> None:
    for seed in range(kept.KEPT + 2):
        ki.certified_distortion(model_of(seed), images(1), effort="quick")
    assert len(kept._KEPT) == kept.KEPT
