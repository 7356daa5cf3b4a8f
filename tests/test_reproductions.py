"""The main job on real digits, and what its verdicts say of planted numbers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from reproductions import __main__ as reproductions
from reproductions import claims, statistics, table1, table2
from reproductions.run import PAPER, Run


def test_wilson_interval_agrees_with_scipy() -> None:
    for hits, count in ((0, 256), (1, 10), (128, 256), (256, 256)):
        ours = statistics.share(hits / count, count)
        theirs = stats.binomtest(hits, count).proportion_ci(method="wilson")
        assert (ours["low"], ours["high"]) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_mean_interval_is_the_normal_one() -> None:
    values = np.random.default_rng(0).normal(3, 2, 1000)
    low, high = stats.norm.interval(0.95, values.mean(), stats.sem(values))
    ours = statistics.mean(values)
    assert (ours["value"], ours["low"], ours["high"]) == pytest.approx((values.mean(), low, high))


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The main job, small: both tables of 16 images of mnist5k, first interrupted."""
    folder = tmp_path_factory.mktemp("report")
    arguments = ["--images", "16", "--out", str(folder)]
    original, calls = Run.record, []

    def interrupting(self: Run, name: str, *args: Any, **settings: Any) -> dict[str, Any]:
        calls.append(name)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return original(self, name, *args, **settings)

    Run.record = interrupting
    try:
        assert reproductions.main(arguments) == 130
    finally:
        Run.record = original
    assert (folder / "records").is_dir()
    assert not (folder / "report.html").exists()
    assert reproductions.main(arguments) == 0
    return folder


def test_report_has_both_tables_and_names_the_way_here(out: Path) -> None:
    text = (out / "REPORT.md").read_text(encoding="utf-8")
    for part in (
        "Table 1",
        "Table 2",
        "FC10(1e-4)",
        "AE400-10",
        "does not hold",
        "mnist5k",
        "†",
        "--images 16",
    ):
        assert part in text, part
    assert "(0.062)" in text
    assert (out / "report.html").stat().st_size > 50_000


def test_records_say_what_they_rest_on(out: Path) -> None:
    record = json.loads((out / "records/table1/fc100_100_10_mnist-direct-random.json").read_text())
    assert record["values"]["success"]["value"] == 1
    assert set(record["values"]["distortion"]) == {"value", "low", "high", "n"}
    assert {"dataset", "images", "seed", "sha256", "versions", "code"} <= set(record["key"])
    assert record["command"].startswith("python -m reproductions")


def test_a_second_run_measures_nothing_again(out: Path) -> None:
    before = {p: p.read_bytes() for p in (out / "records").rglob("*.json")}
    assert reproductions.main(["table1", "--images", "16", "--out", str(out)]) == 0
    assert before == {p: p.read_bytes() for p in (out / "records").rglob("*.json")}


def test_examples_that_are_missing_are_made_again(out: Path) -> None:
    path = out / "examples" / "fc10_mnist_decay1-direct-random.npz"
    path.unlink()
    assert reproductions.main(["table1", "--images", "16", "--out", str(out)]) == 0
    assert path.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--images", "5001"], "--images 5001, but mnist5k has 5000 images"),
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
    return {"value": value, "low": value - width, "high": value + width, "n": 256}


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
