"""What the comparison of §4.2 says of planted numbers."""

from typing import Any

import pytest

from keras_intriguing.training import recipes
from reproductions.chapters import adversarial
from reproductions.chapters.adversarial import DECAY, DROPOUT, EVERY, INPUT, PRESETS
from reproductions.shared import intervals as statistics

PAPER = {DECAY: 1.6, DROPOUT: 1.3, INPUT: 1.6, EVERY: 1.1}


def planted(
    errors: dict[str, float], spread: float = 0.02, distortions: tuple = (0.03, 0.05)
) -> dict[str, Any]:
    """The table for these average test errors, in percent, of three runs each."""

    def row(preset: str) -> dict[str, Any]:
        shares = [(errors[preset] + step) / 100 for step in (-spread, 0, spread)]
        size = distortions[preset == EVERY]
        number = {"value": size, "low": size - 0.002, "high": size + 0.002, "n": 256, "runs": [size] * 3}
        columns = {c: {"distortion": number, "success": {"value": 1.0}} for c in adversarial.DISTORTIONS}
        found = {"test": statistics.share(shares, 10_000), "train": statistics.share([0.0] * 3, 60_000)}
        return {"errors": found, **columns}

    return {preset: row(preset) for preset in PRESETS}


def verdicts(table: dict[str, Any]) -> list[str]:
    return [claim.verdict for claim in adversarial.claims_of(table)]


def test_every_row_has_a_recipe_for_every_seed() -> None:
    assert all(recipes.seeded(p, seed) in recipes.RECIPES for p in PRESETS for seed in recipes.SEEDS)
    assert recipes.get(EVERY).training.layers == ("image", "hidden1", "hidden2")
    assert recipes.get(INPUT).training.layers == ("image",)


def test_rows_differ_in_their_regularizer_alone() -> None:
    def rest(preset: str) -> dict[str, Any]:
        options = recipes.get(preset).record()["training"]
        return {k: v for k, v in options.items() if k not in ("layers", "decay", "dropout")}

    assert all(rest(preset) == rest(DECAY) for preset in PRESETS)


def test_the_papers_own_figures_hold() -> None:
    assert verdicts(planted(PAPER)) == ["holds"] * 4


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ({EVERY: 1.9, DROPOUT: 1.5, INPUT: 1.5, DECAY: 1.5}, ["does not hold"] * 3),
        ({EVERY: 1.2, DROPOUT: 1.21, INPUT: 1.19, DECAY: 1.5}, ["undecided"] * 3),
        ({EVERY: 1.5, DROPOUT: 1.9, INPUT: 1.8, DECAY: 2.0}, ["does not hold", "holds", "holds"]),
    ],
)
def test_verdicts_on_errors_can_go_either_way(errors: dict[str, float], expected: list[str]) -> None:
    assert verdicts(planted(errors))[:3] == expected


def test_verdict_on_distortions_can_go_either_way() -> None:
    assert verdicts(planted(PAPER, distortions=(0.05, 0.03)))[-1] == "does not hold"
    assert verdicts(planted(PAPER, distortions=(0.03, 0.031)))[-1] == "undecided"
