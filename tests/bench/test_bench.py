"""The parts of the comparison with other tools that have known answers; the tools themselves are not needed."""

import functools
import json
import os
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from reproductions.bench import cost
from reproductions.bench.attack import evaluation, exact, tables
from reproductions.bench.attack.attacks import Outcome
from reproductions.shared import records


@pytest.fixture(scope="module")
def brightness() -> keras.Model:
    """Two pixels, two classes: class 1 where the pixels' sum is above one."""
    layer = keras.layers.Dense(2)
    model = keras.Sequential([keras.Input((2, 1, 1)), keras.layers.Flatten(), layer])
    layer.set_weights([np.array([[0.0, 1.0], [0.0, 1.0]]), np.array([0.0, -1.0])])
    return model


def images(*pixels: tuple[float, float]) -> np.ndarray:
    return np.array(pixels, np.float32).reshape(-1, 2, 1, 1)


def distances(model: keras.Model, adversarial: np.ndarray, targets: np.ndarray | None = None) -> np.ndarray:
    x = np.zeros_like(adversarial)
    return evaluation.distances(model, x, np.zeros(len(x), int), adversarial, targets)


def test_an_image_that_leaves_its_class_inside_the_box_has_its_distance(brightness):
    np.testing.assert_allclose(distances(brightness, images((1.0, 0.5))), [1.25**0.5])


def test_an_image_that_keeps_its_class_failed(brightness):
    assert distances(brightness, images((0.25, 0.5))) == [np.inf]


def test_an_image_that_misses_its_target_failed(brightness):
    adversarial = images((1.0, 0.5), (0.25, 0.5))
    assert np.isinf(distances(brightness, adversarial, np.array([0, 1]))).all()
    assert np.isfinite(distances(brightness, adversarial, np.array([1, 0]))).all()


@pytest.mark.parametrize("pixel", [np.nextafter(np.float32(1), np.float32(2)), -1e-7, np.nan])
def test_an_image_outside_the_box_failed(brightness, pixel):
    assert distances(brightness, images((pixel, 0.9), (0.9, 0.9)))[0] == np.inf


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 2.0])
def test_the_exponent_of_a_power_law_is_its_power(power):
    sizes = [10, 100, 300, 1000]
    assert cost.exponent(sizes, [3 * size**power for size in sizes]) == pytest.approx(power, abs=1e-12)


def test_gradients_are_counted_by_the_image_and_change_nothing(brightness):
    counted = evaluation.CountedGradients(brightness)
    x = tf.constant(images((0.1, 0.2), (0.3, 0.4), (0.5, 0.6)))
    np.testing.assert_array_equal(counted(x), brightness(x))
    assert counted.images == 0  # labels alone
    for done in (3, 6):
        with tf.GradientTape() as tape:
            tape.watch(x)
            difference = tf.reduce_sum(counted(x, training=False)[:, 1])
        np.testing.assert_array_equal(tape.gradient(difference, x), np.ones_like(x))
        assert counted.images == done


def test_the_exact_distances_of_a_linear_model_are_the_analytic_ones(brightness):
    kernel, bias = (np.asarray(w, np.float64) for w in brightness.get_weights())
    x = np.array([[0.0, 0.0], [0.25, 0.25], [0.0, 0.75]])
    # (0, ¾): straight to (1/8, 7/8)
    expected = [0.5**0.5, 0.125**0.5, 0.03125**0.5]
    np.testing.assert_allclose(exact.to_nearest(kernel, bias, x, np.zeros(3, int)), expected, rtol=1e-9)
    np.testing.assert_allclose(exact.to_target(kernel, bias, x, np.ones(3, int)), expected, rtol=1e-5)


def test_the_exact_distance_keeps_to_the_box():
    # class 1 where 3v₀ + v₁ > 3.5: from the origin the foot of the perpendicular, (1.05, 0.35), is outside
    kernel, bias = np.array([[0.0, 3.0], [0.0, 1.0]]), np.array([0.0, -3.5])
    x, expected = np.zeros((1, 2)), 1.25**0.5
    assert exact.to_nearest(kernel, bias, x, np.array([0])) == pytest.approx(expected, rel=1e-9)
    assert exact.to_target(kernel, bias, x, np.array([1])) == pytest.approx(expected, rel=1e-4)


def test_errors_in_a_fresh_process_come_back():
    with pytest.raises(ValueError, match="invalid literal"):
        cost.in_a_fresh_process(int, "seven")


def test_a_cost_has_the_memory_that_was_needed_for_a_moment():
    work = functools.partial(exec, "len(b'1' * (300 * 2**20))")
    _, taken = cost.in_a_fresh_process(cost.measured, work)
    assert 200 < taken.peak_mib < 310
    assert 0 < taken.cpu_seconds < taken.seconds * os.cpu_count()


def test_a_record_is_measured_once_for_a_key(tmp_path: Path):
    path, calls = tmp_path / "records" / "direct.json", []

    def work() -> dict[str, int]:
        calls.append(1)
        return {"distance": len(calls)}

    assert records.keep(path, {"seed": 0}, "command", work) == {"distance": 1}
    assert records.keep(path, {"seed": 0}, "command", work) == {"distance": 1}
    assert records.read(path, {"seed": 1}) is None
    assert records.keep(path, {"seed": 1}, "command", work) == {"distance": 2}
    assert json.loads(path.read_text())["key"] == {"seed": 1}
    path.write_text("half of the n")
    assert records.read(path, {"seed": 1}) is None


def outcome(*distance: float | None, seconds: float = 1.0) -> Outcome:
    return Outcome(list(distance), seconds, seconds, 0.0, 0.0, gradients=10.0)


def test_attacks_are_compared_with_the_best_on_every_image():
    with warnings.catch_warnings(action="error"):
        lines = tables.compare(
            {
                "direct": outcome(2.0, 4.04, 1.0),
                "other": outcome(3.0, 4.0, None),
                "hopeless": outcome(None, None, None),
            },
            size=4,
        )
    direct, other = lines["direct"], lines["other"]
    assert direct.success == 1
    assert direct.mean == pytest.approx(7.04 / 7)
    assert direct.worst == pytest.approx(1.01)
    assert direct.rms == pytest.approx(7.04 / 3 / 2)
    assert other.success == pytest.approx(2 / 3)
    assert other.worst == pytest.approx(1.5)
    assert other.mean == pytest.approx(7 / 6)  # where it succeeded
    assert other.further == pytest.approx(2 / 3)  # a failure counts
    assert lines["hopeless"].success == 0


def test_times_are_told_as_multiples_of_direct():
    lines = tables.compare({"direct": outcome(1.0, seconds=2.0), "cw": outcome(2.0, seconds=30.0)}, size=1)
    assert "| C&W | 100% | 2.00000 |" in tables.comparison(lines, {"direct": "direct", "cw": "C&W"})
    assert "| C&W | 2.0000 / 2.000 / 15.0 |" in tables.summary({"net": lines}, {"cw": "C&W"})
    met = tables.goals(lines)
    assert met[0].startswith("met: best mean")
    assert met[-1] == "**missed**: cw takes 15.0 × the time (15.0 × the processor time)"


def test_what_direct_misses_is_said():
    found = {"direct": outcome(1.1, 1.0), "ddn1000": outcome(1.0, 1.0, seconds=0.5)}
    missed = tables.goals(tables.compare(found, size=1))
    assert all(goal.startswith("**missed**") for goal in missed)
    assert "(image 0: 1.1000, ddn1000)" in missed[1]
