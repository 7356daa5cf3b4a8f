"""Table 5 on networks small enough for a test, and what it says of planted numbers."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import keras_intriguing as ki
from keras_intriguing import presets, report
from keras_intriguing.models.base import PresetModel
from reproductions import __main__ as reproductions
from reproductions.chapters import table5
from reproductions.measurements.norms import LayerNorms, NetworkNorms
from reproductions.shared.measurement import Values
from reproductions.shared.paper import PAPER
from reproductions.shared.run import Run

L = keras.layers


@keras.saving.register_keras_serializable(package="keras_intriguing")
class Small(PresetModel):
    """The first three layers of an AlexNet, on smaller images."""

    __module__ = ki.models.AlexNet.__module__  # a preset of another module is not loaded

    def __init__(self, grouped: bool = True, name: str | None = None, **kwargs: Any) -> None:
        inputs = keras.Input((13, 13, 2))
        x = L.Conv2D(4, 3, 2, activation="relu", groups=1 + grouped, name="conv1")(inputs)
        x = ki.models.LocalResponseNormalization(name="norm1")(x)
        x = L.MaxPooling2D(3, 2, name="pool1")(x)
        super().__init__(inputs=inputs, outputs=x, name=name, **kwargs)
        self.grouped = grouped

    def get_config(self) -> dict[str, Any]:
        return {"grouped": self.grouped, **super().get_config()}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ki.models, "AlexNet", Small)
    monkeypatch.setattr(table5, "LAYERS", ("conv1", "norm1", "pool1"))
    monkeypatch.setattr(table5, "PRESETS", [])


def measure(run: Run) -> Values:
    return table5.CHAPTER.measure(run)


def run(out: Path, weights: Path | None = None) -> Run:
    return Run("mnist5k", 4, 4, 0, 1, out, None, "command", alexnet=weights)


def test_it_has_the_papers_figures_beside_both_formulas_and_the_bracket(
    small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table5, "PRESETS", ["fc10_mnist_decay1"])
    values = measure(run(tmp_path))
    first, norm, pool = (values[table5.layer_norms(name, grouped=True)] for name in table5.LAYERS)
    assert first.paper == pytest.approx(first.supremum / 2)
    assert first.lower <= first.upper <= first.supremum * (1 + 1e-6)
    assert (norm.kind, pool.upper) == ("LocalResponseNormalization", pytest.approx(2))
    plane = np.array(first.spectrum)
    assert plane.shape == (25, 25)
    np.testing.assert_allclose(plane, plane[::-1, ::-1])
    assert 0.95 * first.supremum <= plane.max() <= first.supremum
    dense = values[table5.preset_norms("fc10_mnist_decay1")]
    kernel = np.asarray(ki.from_preset("fc10_mnist_decay1").get_weights()[0], np.float64)
    assert dense.upper == pytest.approx(np.linalg.norm(kernel, 2))

    section = table5.CHAPTER.section(run(tmp_path), values)
    (shown_first,) = section.opening
    assert isinstance(shown_first, report.Table)
    name, cells = shown_first.rows[0]
    shown = [cell.value for cell in cells]
    assert name == "conv1"
    assert shown[:3] == ["1×3×3×4", "2", "2.75"]
    assert [float(v) for v in shown[3:]] == pytest.approx(
        [first.paper, first.supremum, first.lower, first.upper], rel=1e-4
    )
    whole = dict(shown_first.rows)["with normalization and pooling"]
    product = first.upper * norm.upper * pool.upper
    assert float(whole[-1].value) == pytest.approx(product, rel=1e-3)
    assert "not trained: " in shown_first.title
    page = report.write(report.Report("t", "s", "", [section], []), tmp_path)
    assert "table5-spectra.png" in (page.parent / "REPORT.md").read_text()


def test_it_takes_up_its_records(small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = measure(run(tmp_path))

    def fail(*args: Any) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr(ki.spectral, "analyze_layer", fail)
    monkeypatch.setattr(ki.spectral, "analyze", fail)
    monkeypatch.setattr(ki.models, "AlexNet", fail)
    again = measure(run(tmp_path))
    assert all(again[one] == values[one] for one in table5.CHAPTER.plan(run(tmp_path)))


def test_weights_of_ones_own_are_used_and_named(small: None, tmp_path: Path) -> None:
    model = Small(True)
    model.get_layer("conv1").kernel.assign(np.ones((3, 3, 1, 4)))
    presets.save_to_preset(model, tmp_path / "own", {}, "a card")
    values = measure(run(tmp_path, tmp_path / "own"))
    expected = ki.spectral.frequency_supremum(model.get_layer("conv1")).upper
    assert values[table5.layer_norms("conv1", grouped=True)].supremum == pytest.approx(expected)
    own = run(tmp_path, tmp_path / "own")
    section = table5.CHAPTER.section(own, values)
    grouped, ungrouped = section.opening[0], section.folded[0]
    assert "weights: SHA-256 " in grouped.title
    assert "not trained" not in grouped.title
    assert "not trained: initialization, seed 0" in ungrouped.title


def test_a_preset_of_another_net_is_refused(small: None, tmp_path: Path) -> None:
    presets.save_to_preset(Small(False), tmp_path / "ungrouped", {}, "a card")
    with pytest.raises(ValueError, match="an AlexNet without groups"):
        measure(run(tmp_path, tmp_path / "ungrouped"))
    presets.save_to_preset(ki.models.FC10(), tmp_path / "fc10", {}, "a card")
    with pytest.raises(ValueError, match="holds a FC10, not a Small"):
        measure(run(tmp_path, tmp_path / "fc10"))


def test_weights_that_are_missing_are_named_before_work_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    arguments = ["table5", "--out", str(tmp_path), "--alexnet", str(tmp_path / "none")]
    assert reproductions.main(arguments) == 2
    assert "There is no preset folder" in capsys.readouterr().err


def test_it_is_measured_only_when_asked_for() -> None:
    assert "table5" not in reproductions.parse([]).what
    assert "table5" in reproductions.parse(["all"]).what
    assert reproductions.parse(["table5"]).what == ["table5"]


def test_every_layer_of_the_papers_table_is_measured() -> None:
    assert set(PAPER["table5"]) <= set(table5.LAYERS)


def planted(**changed: float) -> Values:
    pool = changed.pop("pool", 2.0)
    bounds = {"paper": 1.0, "supremum": 4.0, "lower": 3.9, "upper": 4.0} | changed
    conv = LayerNorms("conv1", "Conv2D", [9, 9, 1], 1.0, method="planted", **bounds)
    pooling = LayerNorms("pool1", "MaxPooling2D", [9, 9, 1], 1.0, pool, 2.0, "planted")
    nothing = LayerNorms("norm1", "LocalResponseNormalization", [9, 9, 1], 1.0, 1.0, 1.0, "planted")
    rows = {"conv1": conv, "pool1": pooling}
    layers = {table5.layer_norms(name, grouped=True): rows.get(name, nothing) for name in table5.LAYERS}
    return Values({**layers, **{table5.preset_norms(preset): NetworkNorms([]) for preset in table5.PRESETS}})


@pytest.mark.parametrize(
    ("changed", "verdicts"),
    [
        ({}, ["does not hold", "holds", "does not hold"]),
        ({"lower": 0.9}, ["holds", "holds", "does not hold"]),
        ({"lower": 4.1, "pool": 1.0}, ["does not hold", "does not hold", "holds"]),
        ({"paper": 4.0}, ["undecided", "holds", "does not hold"]),
    ],
)
def test_verdicts_can_go_either_way(changed: dict[str, float], verdicts: list[str], tmp_path: Path) -> None:
    claims = table5.claims(run(tmp_path), planted(**changed))
    assert [claim.verdict for claim in claims] == verdicts
    assert ("conv1 of AlexNet: " in claims[0].evidence) == (verdicts[0] == "does not hold")
