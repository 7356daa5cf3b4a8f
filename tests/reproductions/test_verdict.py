"""The rule of verdicts on planted effects, and the confidence of its intervals."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from reproductions.shared import effects, intervals, verdict
from reproductions.shared.effects import Effect, Level

HOLDS, DOES_NOT, OPEN = "holds", "does not hold", "undecided"
MARGIN = verdict.ERROR_MARGIN


def outcomes(newly_wrong: int, newly_right: int, images: int) -> np.ndarray:
    """Differences of outcomes."""
    found = np.zeros(images)
    found[:newly_wrong] = 1
    found[newly_wrong : newly_wrong + newly_right] = -1
    return found


def decided(*differences: np.ndarray) -> verdict.Decision:
    return verdict.greater([effects.of_outcomes(one) for one in differences], MARGIN)


@pytest.mark.parametrize(
    ("newly_wrong", "newly_right", "images", "expected"),
    [
        (500, 27, 10_000, HOLDS),  # across disjoint training sets: z = 20.6
        (27, 500, 10_000, DOES_NOT),
        (50, 50, 10_000, DOES_NOT),  # alike, to less than the margin
        (60, 40, 100_000, DOES_NOT),  # more, but not worth speaking of
        (0, 0, 10_000, DOES_NOT),
        (6, 0, 256, HOLDS),  # McNemar's exact p is 0.031
        (5, 0, 256, OPEN),  # 0.063
        (0, 0, 256, OPEN),
        (3, 1, 256, OPEN),
    ],
)
def test_planted_outcomes_are_decided_by_the_rule(
    newly_wrong: int, newly_right: int, images: int, expected: str
) -> None:
    found = decided(outcomes(newly_wrong, newly_right, images))
    assert found.verdict == expected
    assert bool(found.needed) == (expected == OPEN)


@pytest.mark.parametrize(
    ("value", "deviation", "greater", "alike"),
    [
        (0.5, 0.01, HOLDS, DOES_NOT),
        (-0.5, 0.01, DOES_NOT, DOES_NOT),
        (0.0, 0.01, DOES_NOT, HOLDS),
        (0.05, 0.01, DOES_NOT, HOLDS),
        (0.12, 0.03, HOLDS, OPEN),
        (0.0, 0.2, OPEN, OPEN),
    ],
)
def test_effects_are_decided_by_their_intervals(
    value: float, deviation: float, greater: str, alike: str
) -> None:
    effect = Effect(value, (Level(effects.IMAGES, 1000, deviation**2),))
    assert verdict.greater([effect], 0.1).verdict == greater
    assert verdict.alike([effect], 0.1).verdict == alike


def test_a_claim_of_several_effects_takes_all_of_them() -> None:
    yes, no, small = outcomes(500, 27, 10_000), outcomes(27, 500, 10_000), outcomes(8, 4, 256)
    assert decided(yes, yes).verdict == HOLDS
    found = decided(yes, small, yes)
    assert (found.verdict, found.shown, found.refuted) == (OPEN, 2, 0)
    found = decided(yes, small, no)
    assert (found.verdict, found.shown, found.refuted, found.needed) == (DOES_NOT, 1, 1, "")


def test_intervals_are_corrected_for_the_number_of_effects() -> None:
    one = outcomes(6, 0, 256)
    assert decided(one).verdict == HOLDS
    assert decided(*[one] * 4).verdict == OPEN
    effect = effects.of_outcomes(outcomes(50, 20, 1000))
    found = verdict.greater([effect] * 5, MARGIN)
    assert found.intervals[0] == effect.interval(0.99)


def test_a_claim_about_every_case_falls_by_an_exception() -> None:
    assert verdict.without_exception(0, 256) == HOLDS
    assert verdict.without_exception(1, 256) == DOES_NOT
    assert verdict.without_exception(0, 0) == OPEN
    assert verdict.all_of([HOLDS, OPEN]) == OPEN
    assert verdict.all_of([HOLDS, OPEN, DOES_NOT]) == DOES_NOT
    assert verdict.all_of([]) == OPEN


def test_the_images_that_are_said_to_decide_do() -> None:
    """Planted: 4% newly wrong, 2% newly right. With the number that 150 images ask for, four of five are decided."""
    random = np.random.default_rng(0)
    needed = int(decided(outcomes(6, 3, 150)).needed.removeprefix("about ").split()[0].replace(",", ""))
    assert 800 < needed < 1600
    shares = [0.04, 0.02, 0.94]
    holding = [decided(outcomes(*random.multinomial(needed, shares)[:2], needed)).verdict for _ in range(300)]
    assert (
        0.75 < holding.count(HOLDS) / 300 < 0.95
    )  # the number is rounded up, and few images are counted with two more


def test_training_runs_are_asked_for_where_images_cannot_decide() -> None:
    def said(images: float, runs: float) -> str:
        levels = (Level(effects.IMAGES, 256, images), Level(effects.RUNS, 3, runs))
        return verdict.greater([Effect(0.01, levels)], 0.004).needed

    assert said(1e-4, 1e-9) == "about 2,100 images would decide it"
    assert said(1e-9, 4e-5) == "about 21 training runs would decide it"
    assert said(1e-4, 4e-5) == "about 21 training runs and about 4,100 images would decide it"
    at_the_margin = Effect(0.5, (Level(effects.IMAGES, 256, 1e-2),))
    assert verdict.alike([at_the_margin], 0.5).needed == "more than 10,000,000 images would decide it"
    assert verdict.greater([effects.of_runs([1.0], 0.5)], 0).needed == "further training runs would decide it"


@pytest.mark.parametrize(("images", "rate"), [(256, 0.3), (2000, 0.03), (256, 0.02), (64, 0.02)])
def test_where_nothing_differs_a_difference_is_found_in_one_of_twenty_at_most(
    images: int, rate: float
) -> None:
    random, sets = np.random.default_rng(1), 500
    found = 0
    for _ in range(sets):
        differing = random.binomial(images, rate)
        wrong = random.binomial(differing, 0.5)
        low, high = effects.of_outcomes(outcomes(wrong, differing - wrong, images)).interval()
        found += low > 0 or high < 0
    assert found / sets <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / sets)


def test_among_all_pairs_a_false_difference_is_as_rare() -> None:
    random, sets = np.random.default_rng(2), 500
    found = 0
    for _ in range(sets):
        pairs = random.choice([-1, 0, 1], p=[0.05, 0.9, 0.05], size=(12, 500))
        ends = verdict.greater([effects.of_outcomes(pair) for pair in pairs], MARGIN).intervals
        found += any(low > 0 or high < 0 for low, high in ends)
    assert found / sets <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / sets)


Planted = Callable[[np.random.Generator], np.ndarray]


def two_levels(runs: int, of_runs: float, of_images: float, left: float) -> Planted:
    def draw(random: np.random.Generator) -> np.ndarray:
        return (
            0.03
            + random.normal(0, of_runs, (runs, 1))
            + random.normal(0, of_images, 256)
            + random.normal(0, left, (runs, 256))
        )

    return draw


def three_levels(random: np.random.Generator) -> np.ndarray:
    """Of an attacked model's runs, of an evaluated one's, and of images."""
    return (
        0.03
        + random.normal(0, 0.03, (3, 1, 1))
        + random.normal(0, 0.02, (5, 1))
        + random.normal(0, 0.3, 256)
        + random.normal(0, 0.3, (3, 5, 256))
    )


@pytest.mark.parametrize(
    "draw",
    [
        two_levels(3, 0.05, 0.1, 0.1),
        two_levels(3, 0.01, 0.3, 0.3),
        two_levels(3, 0, 0, 0.5),
        two_levels(5, 0.02, 0.2, 0.2),
        two_levels(1, 0, 0.3, 0),
        three_levels,
    ],
    ids=["runs", "both", "neither", "five", "one", "three levels"],
)
def test_intervals_hold_the_truth_as_often_as_they_say(draw: Planted) -> None:
    random, sets = np.random.default_rng(3), 400
    held = 0
    for _ in range(sets):
        low, high = effects.of_values(draw(random)).interval()
        held += low < 0.03 < high
    assert held / sets >= 0.95 - 2.5 * np.sqrt(0.05 * 0.95 / sets)


def test_the_variance_is_that_of_a_bootstrap_that_draws_images_and_runs() -> None:
    """Drawn for itself. That of few runs is larger by 1 / (1 − 1/runs), so there are many here."""
    random = np.random.default_rng(4)
    differences = two_levels(40, 0.05, 0.6, 0.2)(random)
    drawn = [
        differences[random.integers(40, size=40)][:, random.integers(256, size=256)].mean()
        for _ in range(4000)
    ]
    found = effects.of_values(differences)
    assert found.value == pytest.approx(differences.mean())
    assert np.sqrt(sum(level.variance for level in found.levels)) == pytest.approx(np.std(drawn), rel=0.06)


def test_of_one_run_the_interval_is_students() -> None:
    values = np.random.default_rng(5).normal(1, 2, 50)
    expected = stats.ttest_1samp(values, 0).confidence_interval()
    assert effects.of_values(values).interval() == pytest.approx((expected.low, expected.high))


def test_of_outcomes_the_interval_is_bonett_and_prices() -> None:
    found = effects.of_outcomes(outcomes(12, 5, 200))
    wrong, right = 13 / 202, 6 / 202
    deviation = np.sqrt((wrong + right - (wrong - right) ** 2) / 202)
    (level,) = found.levels
    assert np.sqrt(level.variance) == pytest.approx(deviation, rel=1e-3)
    assert found.value == 7 / 200


def test_what_does_not_exist_is_left_out() -> None:
    known = np.random.default_rng(6).normal(size=(3, 40))
    padded = np.concatenate([known, np.full((3, 2), np.nan)], axis=1)
    assert effects.of_values(padded) == effects.of_values(known)
    assert effects.of_values(np.full((2, 1), np.nan)).levels == ()


def test_shares_and_runs_have_their_own_intervals() -> None:
    share = intervals.share([0.02, 0.022, 0.024], 10_000)
    found = effects.of_share(share, expected=0.021)
    assert found.value == pytest.approx(0.001)
    assert [level.unit for level in found.levels] == [effects.IMAGES, effects.RUNS]
    assert np.sqrt(found.levels[0].variance) == pytest.approx(np.sqrt(0.022 * 0.978 / 10_000), rel=0.02)
    expected = stats.ttest_1samp([1.0, 1.2, 1.3], 0).confidence_interval()
    assert effects.of_runs([1.0, 1.2, 1.3], 0).interval() == pytest.approx((expected.low, expected.high))
    both = found.minus(effects.of_share(share, 0.0))
    assert both.value == pytest.approx(-0.021)
    assert len(both.levels) == 4
