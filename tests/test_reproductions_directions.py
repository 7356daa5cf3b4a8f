"""Figures 1 and 2 and the measurement on real digits, small; and what verdicts say of planted numbers."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import keras_intriguing as ki
from keras_intriguing import files
from keras_intriguing.directions import MEASURES, Coherence, Moments, Reference
from reproductions import __main__ as reproductions
from reproductions import coherence, directions_claims
from reproductions.coherence import (
    CENTRED,
    KINDS,
    OVERALL,
    PAIRS,
    RANDOM,
    SCORES,
    UNITS,
    WHITE,
    WHITE_UNITS,
    Layer,
    Measured,
)
from reproductions.run import Run

SMALL = ["fc10_mnist_decay1", "fc100_100_10_mnist", "fc100_100_10_mnist_p1"]


@pytest.fixture(scope="module")
def out(digits, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The three sections on few images, presets, directions and exchanges."""
    folder = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ki.data, "load", lambda *_: digits)
        patch.setattr(coherence, "PRESETS", SMALL)
        for name, value in (("RANDOM_COUNT", 150), ("DRAWS", 200), ("PERMUTATIONS", 400)):
            patch.setattr(coherence, name, value)
        assert reproductions.main(["figure1", "figure2", "directions", "--out", str(folder)]) == 0
    return folder


def test_the_report_has_figures_tables_and_verdicts(out: Path) -> None:
    text = (out / "REPORT.md").read_text(encoding="utf-8")
    for part in (
        "Figure 1: images that maximize a unit",
        "Figure 2: images that maximize a random direction",
        "figures/figure1-units.png",
        "figures/figure2-random-directions.png",
        "figures/directions-coherence.png",
        "fc100_100_10_mnist_p1, hidden2 (100)",
        "no distinction between individual high level units",
        "all 417 MNIST training images",
        "similarity of features",
    ):
        assert part in text, part
    assert "256 MNIST" not in text  # the images that other sections attack


def test_every_layer_is_measured_once_and_starting_weights_are_shared(out: Path) -> None:
    keys = {path.stem for path in (out / "records" / "directions").iterdir()}
    nets = ("fc100_100_10_mnist", "fc100_100_10_mnist_p1", "untrained-FC100_100_10")
    assert keys == {f"{net}-hidden{i}" for net in nets for i in (1, 2)}
    record = files.read_json(out / "records" / "directions" / "fc100_100_10_mnist-hidden1.json")
    values = record["values"]
    assert record["key"]["images"] == 417
    assert set(values["kinds"]) == set(KINDS)
    assert len(values["comparisons"]) == len(PAIRS) + 2
    for comparison in values["comparisons"].values():
        for score in SCORES:
            found = comparison[score]
            assert found["low"] <= found["difference"] <= found["high"]
            assert 1 / 401 <= found["p"] <= 1
            assert -1 <= found["delta"] <= 1


def test_figure_1_shows_the_units_that_it_names(out: Path, digits) -> None:
    (path,) = (out / "records" / "figure1").iterdir()
    values = files.read_json(path)["values"]
    model, x = ki.from_preset("convnet_mnist"), digits[0]
    order = np.random.default_rng(0).permutation(len(x))
    activations = ki.directions.activations(model, values["layer"], x[order])
    assert len(values["names"]) == 4
    for unit, indices in zip(values["names"], values["indices"], strict=True):
        largest = np.sort(activations[:, unit])[::-1][:10]
        np.testing.assert_allclose(activations[indices, unit], largest, rtol=1e-5)


def test_images_are_in_random_order_and_all_there(
    tmp_path: Path, mnist5k, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ki.data, "load", lambda *_: mnist5k)
    run = Run("mnist5k", 256, 0, 1, tmp_path, None, "")
    x, y = coherence.images(run)
    assert np.array_equal(np.sort(y), np.sort(mnist5k[1]))
    assert len(set(y[:50])) == 10
    np.testing.assert_allclose(x.mean(), mnist5k[0].mean(), rtol=1e-5)


def test_untrained_nets_have_their_recipes_starting_weights(tmp_path: Path) -> None:
    run = Run("mnist5k", 256, 0, 1, tmp_path, None, "")
    start = ki.models.FC100_100_10()
    ki.training.initialize(start, 0)
    net = coherence.model(run, Layer("fc100_100_10_mnist_p2", "hidden1", trained=False))
    assert all(np.array_equal(a, b) for a, b in zip(net.get_weights(), start.get_weights(), strict=True))
    trained = run.model("fc100_100_10_mnist_p2").get_weights()
    assert not np.array_equal(trained[0], start.get_weights()[0])


def test_kinds_of_directions_leave_out_dead_units() -> None:
    covariance = np.diag([4.0, 1, 0, 2])
    found = coherence.directions_of(Moments(np.array([1.0, 0, 5, 0]), covariance), seed=0)
    assert set(found) == set(KINDS)
    assert np.array_equal(found[UNITS], np.eye(4)[[0, 1, 3]])
    np.testing.assert_allclose(found[WHITE_UNITS], np.diag([0.5, 1, 0, 0.5**0.5])[[0, 1, 3]], atol=1e-6)
    assert {len(found[kind]) for kind in (RANDOM, CENTRED, WHITE, coherence.ROTATED)} == {1000}
    assert len(found[coherence.PRINCIPAL]) == 3


def planted_coherence(level: dict[str, float], kinds: tuple[str, ...], seed: int = 0) -> Measured:
    random = np.random.default_rng(seed)
    references = {m: Reference(0.0, 1.0, 1.0) for m in MEASURES}
    found = {
        kind: Coherence(
            {m: random.normal(level.get(kind, 0.3), 0.1, 60 if kind == UNITS else 200) for m in MEASURES},
            references,
        )
        for kind in kinds
    }
    return Measured(found, dict.fromkeys(kinds, 0.0), 0)


def test_comparisons_find_planted_differences() -> None:
    found = planted_coherence({UNITS: 0.5, CENTRED: 0.8}, KINDS)
    groups = {f"{a} − {b}": (found.scores(a), found.scores(b)) for a, b in PAIRS}
    results = coherence.compared(groups, seed=0)
    assert list(results) == list(groups)
    for rival, expected in ((RANDOM, 0.2), (CENTRED, -0.3), (WHITE, 0.2)):
        for score in SCORES:
            one = results[f"{UNITS} − {rival}"][score]
            assert one["difference"] == pytest.approx(expected, abs=0.05)
            assert one["low"] < one["difference"] < one["high"]
            assert one["delta"] * np.sign(expected) > 0.5
            assert one["p"] < 1e-3
    assert results[f"{WHITE_UNITS} − {WHITE}"][OVERALL]["p"] > 1e-3
    assert found.scores(UNITS)[:, -1] == pytest.approx(found.scores(UNITS)[:, :4].mean(axis=1))


def planted(differences: dict[str, float], half: float, p: float, layers: int = 4) -> dict[str, Any]:
    """Records of as many trained layers, and of untrained ones."""

    def one(name: str, layer: int) -> dict[str, float]:
        value = differences.get(name, 0.0) + 0.001 * layer
        return {
            "difference": value,
            "low": value - half,
            "high": value + half,
            "delta": np.sign(value),
            "p": p,
        }

    names = [f"{a} − {b}" for a, b in PAIRS] + [coherence.learned(kind) for kind in (UNITS, RANDOM)]
    return {
        f"{trained}{i}": {
            "trained": trained,
            "preset": "convnet_mnist" if i == 0 else "fc100_100_10_mnist",
            "comparisons": {name: {score: one(name, i) for score in SCORES} for name in names},
        }
        for trained, i in itertools.product((True, False), range(layers))
    }


RAW, WHITENED = f"{UNITS} − {RANDOM}", f"{WHITE_UNITS} − {WHITE}"


@pytest.mark.parametrize(
    ("differences", "half", "expected"),
    [
        ({}, 0.02, ["holds"] * 5 + ["does not hold"]),
        ({RAW: -0.2}, 0.02, ["holds"] * 5 + ["does not hold"]),
        ({RAW: 0.2}, 0.02, ["does not hold"] * 2 + ["holds"] * 2 + ["does not hold"] * 2),
        ({WHITENED: 0.2}, 0.02, ["holds"] * 3 + ["does not hold", "holds", "does not hold"]),
        ({RAW: 0.1, coherence.learned(RANDOM): 0.4}, 0.3, ["undecided"] * 5 + ["holds"]),
    ],
)
def test_verdicts_can_go_either_way(differences: dict[str, float], half: float, expected: list[str]) -> None:
    claims = directions_claims.claims_of(planted(differences, half, p=1e-6))
    assert [claim.verdict for claim in claims] == expected


@pytest.mark.parametrize(
    ("value", "half", "p", "expected"),
    [
        (0.01, 0.02, 1e-9, "alike"),  # real but too small to matter
        (0.1, 0.02, 1e-3, "more"),
        (-0.1, 0.02, 1e-3, "less"),
        (0.1, 0.09, 0.2, "undecided"),
        (0.0, 0.2, 1.0, "undecided"),
    ],
)
def test_a_layers_verdict(value: float, half: float, p: float, expected: str) -> None:
    assert directions_claims.Difference(value, value - half, value + half, 0.0, p).verdict == expected


def test_p_values_are_corrected_for_all_tests() -> None:
    values = planted({}, 0.1, p=1e-4)
    tests = 8 * len(SCORES) * 8
    found = directions_claims.Differences(values)
    assert found.tests == tests
    assert found.of("True0", RAW).p == pytest.approx(tests * 1e-4)


def test_the_mean_over_layers_has_the_interval_of_independent_means() -> None:
    layers = [directions_claims.Difference(v, v - 0.1, v + 0.1, 0.0, 1.0) for v in (0.1, 0.2, 0.3, 0.4)]
    overall = directions_claims.mean_difference(layers)
    assert overall.value == pytest.approx(0.25)
    assert overall.high - overall.value == pytest.approx(0.1 / np.sqrt(4))
    assert overall.p < 1e-5
