"""What records and models of a run rest on."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import keras_intriguing as ki
from keras_intriguing.attack import programs
from reproductions.coherence import measure
from reproductions.measurements import examples
from reproductions.measurements.errors import Errors
from reproductions.measurements.examples import DIRECT, Attack
from reproductions.shared import code
from reproductions.shared.run import Run


def test_the_second_preset_of_a_class_compiles_nothing(run: Run) -> None:
    def traces() -> int:
        steps = [step for program in programs._KEPT.values() for step in vars(program).values()]
        return sum(f.experimental_get_tracing_count() for f in steps if isinstance(f, type(tf.function(len))))

    x, _ = run.attacked
    counts = []
    for preset in ("fc10_mnist_decay1", "fc10_mnist_decay1e-4"):
        model = run.model(preset)
        np.testing.assert_array_equal(model(x), ki.from_preset(preset)(x))
        assert ki.minimal_distortion(model, x).success.all()
        counts.append(traces())
    assert counts[0] == counts[1] > 0
    assert run.model(preset) is model


def test_a_net_before_its_training_is_not_the_runs_model(run: Run) -> None:
    model, expected = run.model("fc10_mnist_decay1"), ki.from_preset("fc10_mnist_decay1").get_weights()
    untrained = measure.model(run, measure.Layer("fc10_mnist_decay1", "logits", trained=False))
    assert not np.array_equal(untrained.get_weights()[0], expected[0])
    np.testing.assert_array_equal(model.get_weights()[0], expected[0])


def test_splits_are_part_of_a_records_key(run: Run) -> None:
    keys = [Errors("errors", "fc10_mnist_decay1", splits).key(run) for splits in (("train", "p1"), ("p1",))]
    assert keys[0] != keys[1]


@dataclasses.dataclass
class Result:
    adversarial: np.ndarray

    def arrays(self) -> dict[str, np.ndarray]:
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class PlantedAttack(Attack):
    pixels: float

    def attacked(self, run: Run) -> np.ndarray:
        return np.full((2, 28, 28, 1), self.pixels)

    def target(self, run: Run) -> None:
        return None


def test_examples_of_other_images_are_made_anew(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def attack(model: Any, x: np.ndarray, **settings: Any) -> Result:
        return Result(x + 1)

    monkeypatch.setattr(ki, "minimal_distortion", attack)
    monkeypatch.setattr(code.CODE, "hash", lambda *modules: "")  # of the test's module there is none
    for pixels in (0.0, 1.0, 0.0):
        planted = PlantedAttack("examples/kind", "fc10_mnist_decay1", DIRECT, pixels)
        made = examples.load(run, planted)
        np.testing.assert_array_equal(made.arrays["adversarial"], planted.attacked(run) + 1)
    assert made.file.peak_mib > 100
