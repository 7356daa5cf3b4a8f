"""Mean differences over layers against theory and simulation."""

import numpy as np
import pytest
from scipy import stats

from reproductions.coherence import contrasts
from reproductions.coherence.comparisons import LayerRecord
from reproductions.coherence.contrasts import RAW, Contrast, Estimate, Term
from reproductions.coherence.kinds import RANDOM, UNITS, WHITE


def record(units: np.ndarray, random: np.ndarray, untrained: str | None = None) -> LayerRecord:
    """Of a layer, out of its directions' scores."""
    scores = {
        kind: " ".join("nan" if np.isnan(score) else str(round(1e4 * score)) for score in scores)
        for kind, scores in ((UNITS, units), (RANDOM, random), (WHITE, random))
    }
    return LayerRecord("net", "layer", True, 0, {}, {}, {}, scores, {}, untrained)


@pytest.fixture
def scores() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    return random.normal(0.5, 0.2, 120), random.normal(0.4, 0.1, 900)


def error_of(found: Estimate) -> float:
    return found.deviation


def test_of_one_layer_the_interval_is_welchs(scores) -> None:
    ours, theirs = scores
    found = RAW.estimate({"a": record(ours, theirs)}, ["a"])
    assert found.value == pytest.approx(ours.mean() - theirs.mean(), abs=1e-5)
    welch = stats.ttest_ind(ours, theirs, equal_var=False)
    assert found.value / error_of(found) == pytest.approx(welch.statistic, rel=1e-3)


def test_units_that_are_left_out_do_not_count(scores) -> None:
    ours, theirs = scores
    dead = np.insert(ours, (0, 7, 7), np.nan)
    found, expected = (RAW.estimate({"a": record(units, theirs)}, ["a"]) for units in (dead, ours))
    assert found.value == pytest.approx(expected.value)
    assert error_of(found) == pytest.approx(error_of(expected), rel=1e-3)


def test_the_same_layer_twice_says_no_more_than_once(scores) -> None:
    layer = record(*scores)
    once, twice = (RAW.estimate({"a": layer, "b": layer}, keys) for keys in (["a"], ["a", "b"]))
    assert (twice.low, twice.high) == pytest.approx((once.low, once.high), abs=1e-6)


def test_layers_of_other_widths_are_independent(scores) -> None:
    ours, theirs = scores
    values = {"a": record(ours, theirs), "b": record(np.append(ours, ours[:9]), theirs)}
    errors = [error_of(RAW.estimate(values, [key])) for key in "ab"]
    both = error_of(RAW.estimate(values, ["a", "b"]))
    assert both == pytest.approx(np.hypot(*errors) / 2, rel=1e-3)


def test_what_training_adds_is_that_of_pairs(scores) -> None:
    """Two layers with the same untrained one: its scores weigh as much as those of both together."""
    ours, theirs = scores
    random = np.random.default_rng(1)
    before = record(ours, theirs)
    after = [theirs + 0.3 + random.normal(0, 0.02, 900) for _ in range(2)]
    values = {"before": before, **{str(i): record(ours, a, untrained="before") for i, a in enumerate(after)}}
    found = contrasts.learned(RANDOM).estimate(values, ["0", "1"])
    gains = np.mean(after, axis=0) - theirs
    assert found.value == pytest.approx(gains.mean(), abs=1e-5)
    assert error_of(found) == pytest.approx(gains.std(ddof=1) / 30, rel=0.01)


def test_differences_of_differences_take_all_four(scores) -> None:
    ours, theirs = scores
    values = {
        "before": record(ours, theirs),
        "after": record(ours + 0.25, theirs + 0.1, untrained="before"),
    }
    contrast: Contrast = contrasts.learned_difference(UNITS, RANDOM)
    found = contrast.estimate(values, ["after"])
    assert found.value == pytest.approx(0.15, abs=1e-5)
    assert error_of(found) < 1e-4  # what the layers share is no uncertainty


def test_a_difference_before_training_is_that_of_the_untrained_layer(scores) -> None:
    ours, theirs = scores
    values = {"before": record(ours, theirs), "after": record(ours + 1, theirs, untrained="before")}
    found = contrasts.before(RAW)
    assert found.name == "units − random, untrained"
    assert found.estimate(values, ["after"]) == RAW.estimate(values, ["before"])


def test_scores_that_do_not_vary_have_an_interval_too() -> None:
    flat = record(np.full(20, 0.5), np.full(30, 0.3))
    found = RAW.estimate({"a": flat}, ["a"])
    assert found.low < 0.2 < found.high
    nothing = contrasts.estimate([Term(1, flat, UNITS), Term(-1, flat, UNITS)])
    assert nothing.value == 0
    assert nothing.low < 0 < nothing.high


@pytest.mark.parametrize("correlation", [0.0, 0.9])
def test_intervals_hold_the_truth_as_often_as_they_say(correlation: float) -> None:
    random, held = np.random.default_rng(2), 0
    for _ in range(300):
        shared = random.normal(size=(1, 80))
        noise = random.normal(size=(4, 80))
        layers = 0.2 * (np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * noise)
        rivals = random.normal(0, 0.1, (4, 200))
        values = {str(i): record(a, b) for i, (a, b) in enumerate(zip(layers, rivals, strict=True))}
        found = RAW.estimate(values, list(values))
        held += found.low < 0 < found.high
    assert held / 300 == pytest.approx(0.95, abs=3 * np.sqrt(0.95 * 0.05 / 300))
