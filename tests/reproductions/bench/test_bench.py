"""The parts of the comparison with other tools that have known answers; the tools themselves are not needed."""

import functools
import json
import os
import pickle
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from reproductions.bench import cost
from reproductions.bench.attack import __main__ as command
from reproductions.bench.attack import evaluation, exact, measuring, subjects, tables, tensorflow_attacks
from reproductions.bench.attack.measuring import Outcome
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


def test_passes_are_counted_by_the_image_and_change_nothing(brightness):
    counted = tensorflow_attacks.Counted(brightness)
    x = tf.constant(images((0.1, 0.2), (0.3, 0.4), (0.5, 0.6)))
    np.testing.assert_array_equal(counted(x), brightness(x))
    assert (counted.forward, counted.backward) == (3, 0)
    for done in (3, 6):
        with tf.GradientTape() as tape:
            tape.watch(x)
            difference = tf.reduce_sum(counted(x, training=False)[:, 1])
        np.testing.assert_array_equal(tape.gradient(difference, x), np.ones_like(x))
        assert (counted.forward, counted.backward) == (3 + done, done)


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


def outcome(*distance: float | None, seconds: float = 1.0, passes: float = 700.0) -> Outcome:
    return Outcome(list(distance), seconds, seconds, 0.0, 0.0, passes=[passes] * len(distance))


def test_attacks_are_compared_with_the_best_on_every_image():
    with warnings.catch_warnings(action="error"):
        lines = tables.compare(
            {
                "direct": outcome(2.0, 4.08, 1.0),
                "other": outcome(3.0, 4.0, None),
                "hopeless": outcome(None, None, None),
            },
            size=4,
        )
    direct, other = lines["direct"], lines["other"]
    assert direct.success == 1
    assert direct.mean == pytest.approx(3.02 / 3)
    assert direct.worst == pytest.approx(1.02)
    assert direct.behind == pytest.approx(1 / 3)
    assert direct.rms == pytest.approx(7.08 / 3 / 2)
    assert other.success == pytest.approx(2 / 3)
    assert other.worst == pytest.approx(1.5)
    assert other.mean == pytest.approx(1.25)  # where it succeeded
    assert other.behind == pytest.approx(2 / 3)  # a failure counts
    assert (lines["hopeless"].success, lines["hopeless"].optimality) == (0, 0)


def test_optimality_is_the_share_of_the_area_above_the_best_curve():
    best = np.array([1.0, 2.0, 4.0])  # until 4 the best takes 3 + 2 + 0 of the area
    assert tables.optimality(best, best) == 1
    assert tables.optimality(np.full(3, np.inf), best) == 0
    assert tables.optimality(np.array([2.0, np.inf, 9.0]), best) == pytest.approx(2 / 5)
    area = np.trapezoid(
        [np.mean(best > at) - np.mean(np.array([2, 3, 4]) > at) for at in np.linspace(0, 4, 40001)]
    )
    assert tables.optimality(np.array([2.0, 3.0, 4.0]), best) == pytest.approx(
        1 + 3 * area / 1e4 / 5, abs=1e-3
    )


def test_times_and_passes_stand_in_the_tables():
    measured = {"direct": outcome(1.0, seconds=2.0), "foolbox-cw": outcome(2.0, seconds=30.0)}
    lines = tables.compare(measured, size=1)
    titles = {"direct": "direct", "foolbox-cw": "C&W"}
    table = tables.comparison(lines, titles)
    assert "| C&W | 100% | 2.00000 | 2.0000 |" in table
    assert "| 700 | 30.00 | 15.0 |" in table
    assert "| C&W | 2.000 / 2.00 |" in tables.summary({"net": lines}, titles)
    within = {100: {"direct": outcome(1.5, 4.0, passes=99)}, 2000: {"direct": outcome(1.0, 3.0)}}
    assert "| direct | 0.7500 (99) | 1.0000 (700) |" in tables.budgets(within, np.array([1.0, 3.0]), titles)


def test_what_direct_misses_is_said():
    measured = {"direct": outcome(1.1, 1.0, passes=2001), "ddn": outcome(1.0, 1.0)}
    missed = tables.goals(measured, tables.compare(measured, size=1))
    assert missed[0].startswith("met: finds all")
    assert all(goal.startswith("**missed**") for goal in missed[1:-1])
    assert "1.100 ×" in missed[3]
    assert "ddn" in missed[-1]


@pytest.mark.parametrize(("ours", "word"), [(0.9, "met"), (1.0, "undecided"), (1.1, "**missed**")])
def test_the_best_rival_is_told_from_direct_by_a_paired_interval(ours, word):
    theirs = np.random.default_rng(0).uniform(1, 2, size=50)
    change = ours + 0.02 * np.random.default_rng(1).permutation(np.repeat([-1, 1], 25))
    measured = {"direct": outcome(*(theirs * change)), "ddn": outcome(*theirs)}
    assert tables.goals(measured, tables.compare(measured, size=1))[-1].startswith(
        f"{word}: nearer than the best"
    )


def sent_to_this_process(function: Callable, *arguments: Any) -> Any:
    """As `cost.in_a_fresh_process`, whose own tests stand above, without its seconds for another TensorFlow."""
    function, arguments = pickle.loads(pickle.dumps((function, arguments)))
    return pickle.loads(pickle.dumps(function(*arguments)))


def test_a_model_of_ones_own_is_attacked_by_the_command(tmp_path: Path, brightness, monkeypatch, capsys):
    monkeypatch.setattr(measuring, "in_a_fresh_process", sent_to_this_process)
    brightness.save(tmp_path / "net.keras")
    pixels = np.random.default_rng(0).integers(0, 256, size=(12, 2, 1, 1), dtype=np.uint8)
    bright = pixels.astype(int).sum(axis=(1, 2, 3)) > 255
    np.savez(tmp_path / "images.npz", x=pixels, label=bright)
    arguments = ["--models", str(tmp_path), "--images", str(tmp_path / "images.npz"), "--attacks", "direct"]
    monkeypatch.setattr("sys.argv", ["bench", *arguments, "--out", str(tmp_path / "out"), "--count", "5"])
    assert command.main() == 0, capsys.readouterr().err
    stored = json.loads((tmp_path / "out" / "records" / "net" / "untargeted-direct.json").read_text())
    chosen = subjects.correctly_classified(
        brightness, np.float32(pixels) / 255, bright.astype(int), 5, seed=0
    )
    # straight to the line v₀ + v₁ = 1
    expected = np.abs(chosen.x.sum(axis=(1, 2, 3)) - 1) / 2**0.5
    np.testing.assert_allclose(stored["values"]["distance"], expected, rtol=1e-3, atol=1e-6)
    page = (tmp_path / "out" / "TABLES.md").read_text()
    assert "| direct | 1.000 / 1.00 |" in page
    assert (tmp_path / "out" / "curves.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--models", "missing.keras"], "expected a .keras file"),
        (["--models", "."], "expected a .keras file, or a folder that has some"),
        (["no_such_preset"], "Unknown: no_such_preset. Known: "),
        (["--images", "empty.npz"], "expected the arrays x and y"),
        (["--images", "large.npz"], "pixels in \\[0, 1\\]"),
    ],
)
def test_what_cannot_be_attacked_is_said_before_work(tmp_path: Path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    np.savez("empty.npz", x=np.zeros((1, 2)))
    np.savez("large.npz", x=np.full((1, 2), 2.0), y=np.zeros(1))
    monkeypatch.setattr("sys.argv", ["bench", *arguments])
    assert command.main() == 2
    assert re.search(message, capsys.readouterr().err)
