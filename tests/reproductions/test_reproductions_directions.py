"""Figures 1 and 2 and the measurement on real digits, small; and what verdicts say of planted numbers."""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_intriguing as ki
from keras_intriguing import files
from keras_intriguing.directions import MEASURES, Coherence, CoherenceScorer, Moments, Reference
from reproductions import __main__ as reproductions
from reproductions.coherence import charts, comparisons, hypothesis, kinds
from reproductions.coherence import measure as coherence
from reproductions.coherence.comparisons import LayerRecord, Nets
from reproductions.coherence.kinds import (
    KINDS,
    LEARNING,
    OFF_MEAN,
    OFF_MEAN_UNITS,
    PAIRS,
    PRINCIPAL,
    RANDOM,
    RANDOM_KINDS,
    ROTATED,
    UNIT_KINDS,
    UNITS,
    WHITE,
    WHITE_UNITS,
    comparison,
)
from reproductions.coherence.measure import OVERALL, SCORES, Layer, Measured
from reproductions.shared.run import Run
from reproductions.shared.serialization import from_json

pytestmark = pytest.mark.usefixtures("small_figures")
SMALL = ["fc10_mnist_decay1", "fc100_100_10_mnist", "fc100_100_10_mnist_p1"]


@pytest.fixture(scope="module")
def out(digits, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The three sections on few images, presets, directions and draws."""
    folder = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ki.data, "load", lambda *_: digits)
        patch.setattr(coherence, "PRESETS", SMALL)
        patch.setattr(kinds, "RANDOM_COUNT", 150)
        patch.setattr(comparisons, "DRAWS", 200)
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
        "figures/directions-scores.png",
        "fc100_100_10_mnist_p1, hidden2 (100)",
        "no distinction between individual high level units",
        "Explanations: the difference by depth",
        "figures/directions-networks.png",
        "all 417 MNIST training images",
        "similarity of features",
        "| last, dense classifiers (2) |",
        "| first of several (2) |",
    ):
        assert part in text, part
    assert "256 MNIST" not in text  # the images that other sections attack


def test_every_layer_is_measured_once_and_starting_weights_are_shared(out: Path) -> None:
    keys = {path.stem for path in (out / "records" / "directions").iterdir()}
    nets = ("fc100_100_10_mnist", "fc100_100_10_mnist_p1", "untrained-FC100_100_10")
    assert keys == {f"{net}-hidden{i}" for net in nets for i in (1, 2)}
    record = files.read_json(out / "records" / "directions" / "fc100_100_10_mnist-hidden1.json")
    values = from_json(LayerRecord, record["values"])
    assert record["key"]["images"] == 417
    assert set(values.kinds) == set(KINDS)
    assert len(values.comparisons) == len(PAIRS) + len(LEARNING)
    assert values.untrained == "untrained-FC100_100_10-hidden1"
    for kind in (*UNIT_KINDS, *RANDOM_KINDS):
        scores = values.scores_of(kind)
        assert len(scores) == values.kinds[kind].count
        assert scores.mean() == pytest.approx(values.kinds[kind].scores[OVERALL], abs=1e-5)
    for scored in values.comparisons.values():
        for score in SCORES:
            found = scored[score]
            assert found.low <= found.difference <= found.high


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
    run = Run("mnist5k", 256, 256, 0, 1, tmp_path, None, "")
    x, y = coherence.images(run)
    assert np.array_equal(np.sort(y), np.sort(mnist5k[1]))
    assert len(set(y[:50])) == 10
    np.testing.assert_allclose(x.mean(), mnist5k[0].mean(), rtol=1e-5)


def test_untrained_nets_have_their_recipes_starting_weights(tmp_path: Path) -> None:
    run = Run("mnist5k", 256, 256, 0, 1, tmp_path, None, "")
    start = ki.models.FC100_100_10()
    ki.training.initialize(start, 0)
    net = coherence.model(run, Layer("fc100_100_10_mnist_p2", "hidden1", trained=False))
    assert all(np.array_equal(a, b) for a, b in zip(net.get_weights(), start.get_weights(), strict=True))
    trained = run.model("fc100_100_10_mnist_p2").get_weights()
    assert not np.array_equal(trained[0], start.get_weights()[0])


def test_kinds_of_directions_are_what_they_say() -> None:
    moments = Moments(np.array([1.0, 0, 5, 0]), np.diag([4.0, 1, 0, 2]))
    found = kinds.directions_of(moments, np.array([True, True, False, True]), seed=0)
    assert set(found) == set(KINDS)
    assert np.array_equal(found[UNITS], np.eye(4)[[0, 1, 3]])
    np.testing.assert_allclose(found[WHITE_UNITS], np.diag([0.5, 1, 0, 0.5**0.5])[[0, 1, 3]], atol=1e-6)
    # only the first component goes along with the mean activation
    np.testing.assert_allclose(found[OFF_MEAN_UNITS][:, 0], 0, atol=1e-6)
    np.testing.assert_allclose(found[OFF_MEAN][:, 0], 0, atol=1e-6)
    np.testing.assert_allclose(found[OFF_MEAN][:, [1, 3]], found[RANDOM][:, [1, 3]])
    assert {len(found[kind]) for kind in (RANDOM, OFF_MEAN, WHITE, ROTATED)} == {1000}
    assert len(found[PRINCIPAL]) == 3


def net_with_rare_units() -> tuple[keras.Model, np.ndarray]:
    """Of six units one is dead, one says the same of all images, one fires for one image in 5,000 and weakly."""
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(6, "relu", name="hidden")(inputs))
    kernel = np.zeros((4, 6), np.float32)
    kernel[0, 0], kernel[1, 1], kernel[2, 2], kernel[3, 5] = 1, 1, -1, 1e-3
    model.get_layer("hidden").set_weights([kernel, np.array([0, 0, -1, 0.7, 0, 0])])
    images = np.random.default_rng(0).random((5000, 4), np.float32)
    images[:, 3] = np.arange(5000) == 77
    return model, images


def test_exactly_the_units_that_are_the_same_for_all_images_are_left_out() -> None:
    model, images = net_with_rare_units()
    found = coherence.directions_of(model, "hidden", images, 0)
    assert found[UNITS].argmax(axis=1).tolist() == [0, 1, 5]
    score = CoherenceScorer(np.arange(5000) % 10, images, None, 3)
    measured = coherence.measure_layer(model, "hidden", images, score, 3, 0)
    assert measured.alive.tolist() == [True, True, False, False, False, True]


def test_a_layer_whose_units_are_all_dead_is_an_error() -> None:
    model, images = net_with_rare_units()
    model.get_layer("hidden").set_weights([np.zeros((4, 6)), np.ones(6)])
    with pytest.raises(ValueError, match="Of the units of 'hidden', 0 differ between images"):
        coherence.directions_of(model, "hidden", images[:50], 0)


def planted_coherence(level: dict[str, float], seed: int = 0) -> Measured:
    """60 units of 62, and 200 directions of every other kind."""
    random = np.random.default_rng(seed)
    references = {m: Reference(0.0, 1.0, 1.0) for m in MEASURES}

    def scores(kind: str) -> np.ndarray:
        return random.normal(level.get(kind, 0.3), 0.1, 60 if kind in UNIT_KINDS else 200)

    found = {kind: Coherence({m: scores(kind) for m in MEASURES}, references) for kind in KINDS}
    return Measured(found, dict.fromkeys(KINDS, 0.0), ~np.isin(np.arange(62), (3, 40)))


def test_comparisons_find_planted_differences() -> None:
    found = planted_coherence({UNITS: 0.5, ROTATED: 0.8})
    groups = {comparison(a, b): (found.scores(a), found.scores(b)) for a, b in PAIRS}
    results = comparisons.compared(groups, seed=0)
    assert list(results) == list(groups)
    for rival, expected in ((RANDOM, 0.2), (ROTATED, -0.3), (PRINCIPAL, 0.2)):
        for score in SCORES:
            one = results[comparison(UNITS, rival)][score]
            assert one.difference == pytest.approx(expected, abs=0.05)
            assert one.low < one.difference < one.high
            assert one.low * one.high > 0
    alike = results[comparison(WHITE_UNITS, WHITE)][OVERALL]
    assert alike.low < 0 < alike.high
    assert found.scores(UNITS)[:, -1] == pytest.approx(found.scores(UNITS)[:, :4].mean(axis=1))


def test_a_record_keeps_every_directions_score() -> None:
    found = planted_coherence({})
    record = comparisons.layer_record(Layer("convnet_mnist", "hidden", trained=False), found, seed=0)
    assert record.dead == 2
    own = record.scores_of(UNITS)
    assert np.flatnonzero(np.isnan(own)).tolist() == [3, 40]
    np.testing.assert_allclose(own[found.alive], found.scores(UNITS)[:, -1], atol=5.1e-5)
    np.testing.assert_allclose(record.scores_of(WHITE), found.scores(WHITE)[:, -1], atol=5.1e-5)


def planted(levels: Sequence[Sequence[float]], spread: float = 0.1, of_random: float = 0.3) -> Nets:
    """Networks with a record for every training run, out of the units' mean scores."""
    random = np.random.default_rng(0)

    def record(mean: float) -> LayerRecord:
        scores = {UNITS: random.normal(mean, spread, 400), RANDOM: random.normal(of_random, spread, 1000)}
        packed = {kind: " ".join(str(round(1e4 * score)) for score in of) for kind, of in scores.items()}
        return LayerRecord("net", "hidden", True, 0, {}, {}, {}, packed, {})

    return {f"net {i}": [record(mean) for mean in runs] for i, runs in enumerate(levels)}


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ([[0.3], [0.31], [0.29], [0.3], [0.3]], "holds"),
        ([[0.45], [0.46], [0.44], [0.47]], "does not hold"),
        ([[0.15], [0.16], [0.14], [0.17]], "does not hold"),
        ([[0.4], [0.2], [0.35], [0.25]], "undecided"),  # some networks one way, others the other way
        ([[0.34, 0.36]] * 4, "undecided"),  # at the margin
        ([[0.3]], "holds"),  # of one network, by its directions
        ([[0.3, 0.31, 0.29]], "holds"),  # of one network, by its training runs
    ],
)
def test_the_hypothesis_is_decided_by_networks(levels: Sequence[Sequence[float]], expected: str) -> None:
    nets = planted(levels)
    claim = hypothesis.decided(nets, "networks")
    assert claim.verdict == expected
    assert ("networks would decide it" in claim.evidence) == (expected == "undecided")


def test_every_network_weighs_the_same_whatever_its_training_runs() -> None:
    found = hypothesis.effect(planted([[0.4] * 5, [0.2], [0.3]], spread=0.001))
    assert found.value == pytest.approx(0, abs=1e-3)
    (networks,) = found.levels
    assert networks.count == 3
    assert networks.variance == pytest.approx(0.1**2 / 3, rel=0.02)


def test_networks_decide_as_often_falsely_as_said() -> None:
    """Planted: networks of which random ones are ahead as far as others are behind; alike in truth."""
    random, refuted = np.random.default_rng(1), 0
    for _ in range(100):
        nets = planted([[0.3 + level] for level in random.normal(0, 0.03, 6)], spread=0.05)
        low, high = hypothesis.effect(nets).interval()
        refuted += not low < 0 < high
    assert refuted <= 10


def test_the_figure_shows_every_network(tmp_path: Path) -> None:
    run = Run("mnist5k", 4, 4, 0, 1, tmp_path, None, "")
    figure = charts.by_network(run, planted([[0.4], [0.2]]))
    assert figure.path.exists()
    assert "2 networks' differences with intervals: 1 above zero, 1 below" in figure.alt
