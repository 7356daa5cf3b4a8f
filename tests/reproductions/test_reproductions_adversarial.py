"""What the comparison of §4.2 says of planted numbers."""

from typing import Any

import numpy as np
import pytest

from keras_intriguing.training import recipes
from reproductions.chapters import adversarial
from reproductions.chapters.adversarial import (
    DECAY,
    DROPOUT,
    EVERY,
    INPUT,
    PRESETS,
    STEP_EVERY,
    STEP_INPUT,
)
from reproductions.measurements.distortions import Distortions
from reproductions.measurements.errors import ErrorRate
from reproductions.measurements.examples import NEAREST, RANDOM
from reproductions.shared import intervals
from reproductions.shared.intervals import Number
from reproductions.shared.measurement import Values

PAPER = {DECAY: 1.6, DROPOUT: 1.3, INPUT: 1.6, EVERY: 1.1, STEP_INPUT: 1.6, STEP_EVERY: 1.1}


def planted(
    errors: dict[str, float], spread: float = 0.02, distortions: tuple[float, float] = (0.03, 0.05)
) -> Values:
    """The values for these average test errors, in percent, of three runs each."""
    found: dict[Any, Any] = {}
    random = np.random.default_rng(0)
    for preset in PRESETS:
        shares = [(errors[preset] + step) / 100 for step in (-spread, 0, spread)]
        wrong = np.array([np.arange(10_000) < 10_000 * share for share in shares])
        tested = {
            "test": ErrorRate(**vars(intervals.share(shares, 10_000)), wrong=wrong),
            "train": intervals.share([0.0] * 3, 60_000),
        }
        size = distortions[preset not in (DECAY, DROPOUT)]
        number = Number(size, size - 0.002, size + 0.002, 256, [size] * 3)
        each = random.normal(size, 0.01, (3, 256))
        all_of_them = Number(1.0, 1.0, 1.0, 256, [1.0] * 3)
        found[adversarial.errors(preset)] = tested
        for targets in (NEAREST, RANDOM):
            found[adversarial.distortion(preset, targets)] = Distortions(
                number, all_of_them, all_of_them, each
            )
    return Values(found)


def verdicts(values: Values) -> list[str]:
    run: Any = None  # nothing is looked up but the values
    return [claim.verdict for claim in adversarial.claims(run, values)]


def test_every_row_has_a_recipe_for_every_seed() -> None:
    assert all(recipes.seeded(p, seed) in recipes.RECIPES for p in PRESETS for seed in recipes.SEEDS)
    for every, at_input in ((EVERY, INPUT), (STEP_EVERY, STEP_INPUT)):
        assert recipes.get(every).training.adversarial.layers == ("image", "hidden1", "hidden2")
        assert recipes.get(at_input).training.adversarial.layers == ("image",)


def test_rows_differ_in_their_regularizer_alone() -> None:
    def rest(preset: str) -> dict[str, Any]:
        options = recipes.get(preset).record()["training"]
        return {k: v for k, v in options.items() if k not in ("adversarial", "decay", "dropout")}

    shorter = (INPUT, EVERY)  # pools cost several times as much an epoch
    assert rest(INPUT) == rest(EVERY)
    assert all(rest(preset) == rest(DECAY) for preset in PRESETS if preset not in shorter)


def test_the_papers_own_figures_hold() -> None:
    assert verdicts(planted(PAPER)) == ["holds"] * 10


def test_claims_about_examples_from_pools_are_the_papers() -> None:
    run: Any = None
    papers = [claim.statement for claim in adversarial.claims(run, planted(PAPER)) if claim.of_paper]
    assert len(papers) == 3
    assert all("from pools" in statement for statement in papers)


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ({EVERY: 1.9, DROPOUT: 1.5, INPUT: 1.5, DECAY: 1.5}, ["does not hold"] * 3),
        (
            {EVERY: 1.2, DROPOUT: 1.21, INPUT: 1.27, DECAY: 1.5},
            ["undecided"] * 3,
        ),
        ({EVERY: 1.5, DROPOUT: 1.9, INPUT: 1.8, DECAY: 2.0}, ["does not hold", "holds", "holds"]),
    ],
)
def test_verdicts_on_errors_can_go_either_way(errors: dict[str, float], expected: list[str]) -> None:
    found = verdicts(planted({**errors, STEP_EVERY: errors[EVERY], STEP_INPUT: errors[INPUT]}))
    assert found[:3] == found[5:8] == expected


def test_verdict_on_distortions_can_go_either_way() -> None:
    assert verdicts(planted(PAPER, distortions=(0.05, 0.03)))[3:5] == ["does not hold"] * 2
    assert verdicts(planted(PAPER, distortions=(0.03, 0.0305)))[3:5] == ["undecided"] * 2
