"""The main job on real digits, and what its verdicts say of planted numbers."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import keras_intriguing as ki
from reproductions import __main__ as reproductions
from reproductions.chapters import claims, table1, table2, table4
from reproductions.shared import asymmetry, cross, examples
from reproductions.shared import intervals as statistics
from reproductions.shared.run import PAPER, Run

certify = table1._certified


def test_wilson_interval_agrees_with_scipy() -> None:
    for hits, count in ((0, 256), (1, 10), (128, 256), (256, 256)):
        ours = statistics.share([hits / count], count)
        theirs = stats.binomtest(hits, count).proportion_ci(method="wilson")
        assert (ours["low"], ours["high"]) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_mean_interval_is_the_normal_one() -> None:
    values = np.random.default_rng(0).normal(3, 2, 1000)
    low, high = stats.norm.interval(0.95, values.mean(), stats.sem(values))
    ours = statistics.mean(values[None])
    assert (ours["value"], ours["low"], ours["high"]) == pytest.approx((values.mean(), low, high))


def test_runs_are_averaged_and_their_interval_is_that_of_the_images() -> None:
    values = np.array([[1.0, 2.0, 3.0, np.nan], [3.0, 4.0, 5.0, np.nan]])
    ours = statistics.mean(values)
    assert ours["runs"] == [2.0, 4.0]
    assert (ours["value"], ours["n"]) == (3.0, 3)
    assert ours["high"] - ours["low"] == pytest.approx(2 * 1.96 / np.sqrt(3), rel=1e-3)


def test_a_share_over_runs_leaves_out_what_does_not_exist() -> None:
    ours = statistics.share_of(np.array([[1.0, 0.0, np.nan], [1.0, 1.0, 0.0]]))
    assert ours["runs"] == pytest.approx([1 / 2, 2 / 3])
    assert (ours["value"], ours["n"]) == (pytest.approx(7 / 12), 2)
    low, high = statistics.runs_range(statistics.share([0.0, 1.0], 10))
    assert low == pytest.approx(stats.binomtest(0, 10).proportion_ci(method="wilson").low, abs=1e-12)
    assert high == pytest.approx(stats.binomtest(10, 10).proportion_ci(method="wilson").high)


def test_luck_is_the_deviation_of_a_single_difference() -> None:
    """Planted: deviations of A's runs, of B's and of the images, in three runs of either, many times over."""
    random = np.random.default_rng(0)
    variances, of_images = [], 0.8
    for _ in range(400):
        runs = random.normal(0.1, 0.05, size=(3, 1)) + random.normal(0, 0.03, size=3)
        difference = runs[..., None] + random.normal(0, of_images, size=1000)
        ours = asymmetry.summary(difference)
        variances.append(ours["deviation"] ** 2)
    assert np.sqrt(np.mean(variances)) == pytest.approx(
        np.sqrt(0.05**2 + 0.03**2 + of_images**2 / 256), rel=0.05
    )
    assert np.isnan(asymmetry.summary(difference[:1])["deviation"])


class Planted:
    """A run of two models with three training runs each, whose errors are planted."""

    training_seeds = 3

    def __init__(self) -> None:
        self.attacked = (np.zeros((4, 2)), np.zeros(4, int))

    def trained(self, preset: str) -> list[str]:
        return [f"{preset}{seed}" for seed in range(3)]

    def misclassified(self, preset: str, images: np.ndarray) -> np.ndarray:
        """Images carry the model and the run they were made for; b gets wrong what was made for a, run 2."""
        made_for_a, made_for_run = images[0]
        own = made_for_a == preset.startswith("a") and made_for_run == int(preset[-1])
        return np.full(4, own or (preset.startswith("b") and made_for_a == 1 and made_for_run == 2))

    def record(self, name: str, presets: list[str], measure: Any, **settings: Any) -> dict[str, Any]:
        return measure()


def planted_examples(preset: str) -> cross.Made:
    images = np.stack([np.tile([preset == "a", seed], (4, 1)).astype(float) for seed in range(3)])
    return cross.Made(images, np.ones((3, 4), bool), [f"{preset}{seed}" for seed in range(3)], ["hash"])


def test_a_cell_averages_the_pairs_of_training_runs() -> None:
    run: Any = Planted()
    row = cross.row(run, "a", planted_examples("a"), ["a", "b"])
    assert row["errors"]["a"]["runs"] == [1.0, 1.0, 1.0]
    assert row["other_run"]["runs"] == [0.0] * 6
    assert row["errors"]["b"]["runs"] == [0.0] * 6 + [1.0] * 3
    assert row["errors"]["b"]["value"] == pytest.approx(1 / 3)


def test_an_asymmetry_compares_the_same_two_training_runs() -> None:
    run: Any = Planted()
    made = {preset: planted_examples(preset) for preset in ("a", "b")}
    pair = asymmetry.measure(run, "asymmetry", made)["a → b"]
    assert sorted(pair["runs"]) == [0.0] * 6 + [1.0] * 3


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The main job, small: all that attacks images, on 16 of mnist5k, first interrupted."""
    folder = tmp_path_factory.mktemp("report")
    planted = {"distortion": statistics.mean(np.full((1, 16), 0.01))}  # certificates take half of the time
    attacking = ["table1", "table2", "table3", "table4", "figure7", "adversarial"]
    arguments = [*attacking, "--attacked", "16", "--out", str(folder)]
    original, calls = Run.record, []
    patch = pytest.MonkeyPatch()
    patch.setattr(table1, "_certified", lambda run, preset: planted)

    def interrupting(self: Run, name: str, *args: Any, **settings: Any) -> dict[str, Any]:
        calls.append(name)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return original(self, name, *args, **settings)

    with pytest.MonkeyPatch.context() as interrupted:
        interrupted.setattr(Run, "record", interrupting)
        assert reproductions.main(arguments) == 130
    assert (folder / "records").is_dir()
    assert not (folder / "report.html").exists()
    assert reproductions.main(arguments) == 0
    yield folder
    patch.undo()


def test_table_1_certifies_less_than_it_finds(tmp_path: Path) -> None:
    run = Run("mnist5k", 16, 0, 1, tmp_path, None, "")
    certified = certify(run, "fc10_mnist_decay1")["distortion"]
    found = table1.distortions(run, "found", "fc10_mnist_decay1", "direct", False)["distortion"]
    assert certified["n"] == 16
    assert 0 < certified["value"] <= found["value"] * (1 + 1e-5)


def test_report_has_everything_and_names_the_way_here(out: Path) -> None:
    text = (out / "REPORT.md").read_text(encoding="utf-8")
    for part in (
        "Table 1",
        "Table 2",
        "Table 3",
        "Table 4",
        "Figure 7",
        "FC123-456-10",
        "FC10(1e-4)",
        "AE400-10",
        "does not hold",
        "mnist5k",
        "†",
        "--attacked 16",
    ):
        assert part in text, part
    assert "(0.062)" in text
    assert (out / "report.html").stat().st_size > 50_000


def test_records_say_what_they_rest_on(out: Path) -> None:
    record = json.loads((out / "records/table1/fc100_100_10_mnist-direct-random.json").read_text())
    assert record["values"]["success"]["value"] == 1
    assert set(record["values"]["distortion"]) == {"value", "low", "high", "n", "runs"}
    assert record["values"]["distortion"]["runs"] == [record["values"]["distortion"]["value"]]
    assert {"dataset", "images", "seed", "sha256", "versions", "code"} <= set(record["key"])
    assert record["command"].startswith("python -m reproductions")


def test_a_second_run_measures_nothing_again_and_keeps_the_other_sections(out: Path) -> None:
    before = {p: p.read_bytes() for p in (out / "records").rglob("*.json")}
    assert reproductions.main(["table1", "--attacked", "16", "--out", str(out)]) == 0
    assert "Figure 7" in (out / "REPORT.md").read_text(encoding="utf-8")
    assert before == {p: p.read_bytes() for p in (out / "records").rglob("*.json")}


def test_examples_that_are_missing_are_made_again(out: Path) -> None:
    path = out / "examples" / "fc10_mnist_decay1-direct-random.npz"
    path.unlink()
    assert reproductions.main(["table1", "--attacked", "16", "--out", str(out)]) == 0
    assert path.exists()


def test_a_training_run_that_cannot_be_had_is_said_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def missing(preset: str) -> Path:
        raise FileNotFoundError(f"The preset {preset!r} cannot be had.")

    monkeypatch.setattr(ki.presets, "find", missing)
    assert reproductions.main(["table3", "--out", str(tmp_path)]) == 2
    assert "'fc100_100_10_mnist_p1' cannot be had" in capsys.readouterr().err
    assert not (tmp_path / "records").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--attacked", "5001"], "--attacked 5001, but mnist5k has 5000 images"),
        (["--dataset", "mnist", "--data-dir", "{empty}"], "--dataset mnist5k"),
        (["--out", "{file}"], "Cannot write"),
    ],
)
def test_bad_input_is_one_clear_line(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    def offline(*args: object, **kwargs: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("socket.create_connection", offline)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    given = [a.format(empty=tmp_path / "empty", file=tmp_path / "file") for a in arguments]
    if "--out" not in given:
        given += ["--out", str(tmp_path / "out")]
    assert reproductions.main(given) == 2
    assert message in capsys.readouterr().err


def number(value: float, width: float = 0.01) -> dict[str, Any]:
    return {"value": value, "low": value - width, "high": value + width, "n": 256, "runs": [value]}


def planted_table1(success: float, distortions: list[float]) -> dict[str, Any]:
    cell = {c: {"success": {"value": success}} for c in table1.DISTORTIONS}
    table = {p: {c: {**v, "distortion": number(0.05)} for c, v in cell.items()} for p in table1.PRESETS}
    for preset, distortion in zip(table1.PRESETS, distortions, strict=False):
        for column in table1.DISTORTIONS:
            table[preset][column]["distortion"] = number(distortion, 0.001)
    return table


def test_verdicts_of_table1_can_go_either_way() -> None:
    every, decay, _ = claims.of_table1(planted_table1(1.0, [0.05, 0.08, 0.11]))
    assert (every.verdict, decay.verdict) == ("holds", "holds")
    every, decay, _ = claims.of_table1(planted_table1(0.99, [0.11, 0.08, 0.05]))
    assert (every.verdict, decay.verdict) == ("does not hold", "does not hold")
    _, decay, _ = claims.of_table1(planted_table1(1.0, [0.08, 0.0805, 0.081]))
    assert decay.verdict == "undecided"


def planted_table2(on_others: float, on_noise: float) -> dict[str, Any]:
    def row(error: float, own: str = "") -> dict[str, Any]:
        return {"errors": {p: number(1.0 if p == own else error) for p in table2.PRESETS}}

    rows = {f"penalty/{p}": row(on_others, own=p) for p in table2.PRESETS}
    return {**rows, "clean": row(0.02), "noise0.1": row(on_noise), "noise0.3": row(on_noise)}


def test_verdicts_of_table2_can_go_either_way() -> None:
    transfer, noise, *_ = claims.of_table2(planted_table2(on_others=0.3, on_noise=0.05))
    assert (transfer.verdict, noise.verdict) == ("holds", "holds")
    transfer, noise, *_ = claims.of_table2(planted_table2(on_others=0.02, on_noise=0.05))
    assert (transfer.verdict, noise.verdict) == ("does not hold", "does not hold")


def test_the_papers_own_table_agrees_with_itself() -> None:
    rows = planted_table2(on_others=0.3, on_noise=0.05)
    for name, cells in PAPER["table2"]["rows"].items():
        row = rows[f"penalty/{name}" if name in table2.PRESETS else name]
        row["errors"] = {p: number(c / 100) for p, c in zip(table2.PRESETS, cells, strict=True)}
    *_, agreement = claims.of_table2(rows)
    assert agreement.verdict == "holds"
    *_, agreement = claims.of_table2(planted_table2(on_others=0.9, on_noise=0.9))
    assert agreement.verdict == "does not hold"


def test_verdict_of_table3_can_go_either_way() -> None:
    def planted(off_by: float) -> dict[str, Any]:
        return {
            preset: {"errors": {split: number(paper[split] / 100, 1e-3) for split in ("p1", "p2", "test")}}
            | ({"errors": {"test": number((paper["test"] + off_by) / 100, 1e-3)}} if off_by else {})
            for preset, paper in PAPER["table3"].items()
        }

    assert claims.of_table3(planted(0.0))[0].verdict == "holds"
    assert claims.of_table3(planted(0.4))[0].verdict == "holds"
    assert claims.of_table3(planted(0.55))[0].verdict == "undecided"
    (claim,) = claims.of_table3(planted(-0.7))
    assert claim.verdict == "does not hold"
    assert "-0.70 points" in claim.evidence


def planted_table4(across: float, amplified: float) -> dict[str, Any]:
    def rows(kind: str, error: float) -> dict[str, Any]:
        return {f"{kind}/{p}": {"errors": {q: number(error) for q in table4.PRESETS}} for p in table4.PRESETS}

    flat = {name: {"errors": {q: number(0.02) for q in table4.PRESETS}} for name in ("clean", "noise0.1")}
    return {**flat, **rows("as made", across), **rows("noise", 0.02), **rows("amplified", amplified)}


def test_verdicts_of_table4_can_go_either_way() -> None:
    disjoint, amplified = claims.of_table4(planted_table4(0.08, 0.4))
    assert (disjoint.verdict, amplified.verdict) == ("holds", "holds")
    disjoint, amplified = claims.of_table4(planted_table4(0.02, 0.02))
    assert (disjoint.verdict, amplified.verdict) == ("does not hold", "does not hold")


def test_verdict_of_figure7_can_go_either_way() -> None:
    def planted(at_one: float) -> dict[str, Any]:
        noise = {"noise1": {"errors": {p: number(1 - at_one) for p in table1.PRESETS}}}
        return noise | {p: {"errors": {p: number(1.0, 0.0)}} for p in table1.PRESETS}

    assert claims.of_figure7(planted(0.5))[0].verdict == "holds"
    assert claims.of_figure7(planted(0.0))[0].verdict == "does not hold"


def test_presets_of_a_class_share_one_model_object(tmp_path: Path) -> None:
    run = Run("mnist5k", 4, 0, 1, tmp_path, None, "")
    x, _ = run.attacked
    for preset in ("fc10_mnist_decay1", "fc10_mnist_decay1e-4", "fc10_mnist_decay1"):
        model = run.model(preset)
        np.testing.assert_array_equal(model(x), ki.from_preset(preset)(x))
    assert model is run.model("fc10_mnist_decay1e-2")


def test_examples_of_other_images_are_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclasses.dataclass
    class Result:
        adversarial: np.ndarray

    def attack(model: Any, x: np.ndarray, **settings: Any) -> Result:
        return Result(x + 1)

    monkeypatch.setattr(ki, "minimal_distortion", attack)
    run = Run("mnist5k", 4, 0, 1, tmp_path, None, "")
    for x in (np.zeros((2, 28, 28, 1)), np.ones((2, 28, 28, 1)), np.zeros((2, 28, 28, 1))):
        made = examples.kept(run, "kind", "fc10_mnist_decay1", x, None, "direct")
        np.testing.assert_array_equal(made.arrays["adversarial"], x + 1)
    assert made.peak_mib > 100
