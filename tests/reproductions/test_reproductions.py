"""The main job on real digits: its records, its report, and bad input."""

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import keras_intriguing as ki
from reproductions import __main__ as reproductions
from reproductions import chapters
from reproductions.chapters import deviations, table1
from reproductions.measurements import examples
from reproductions.measurements.certified import Certified, CertifiedDistortion
from reproductions.measurements.examples import DIRECT, NEAREST, PENALTY, RANDOM
from reproductions.shared import intervals, records
from reproductions.shared.measurement import Measurement, measured
from reproductions.shared.run import Run

pytestmark = pytest.mark.usefixtures("small_figures")


def planted_certificate(self: CertifiedDistortion, run: Run) -> Certified:
    each, label = np.full(run.by_penalty, 1e-4), run.attacked[1][: run.by_penalty]
    arrays = {"distortion": each, "l2": 28 * each, "label": label, "network": each, "relaxation": each}
    return Certified(intervals.mean(each[None]), {**arrays, "loosest": np.full(len(each), "")})


def between_two_images(
    model: keras.Model, x: np.ndarray, *, target: np.ndarray | None, method: str
) -> ki.Result:
    """Examples on the line from every image to one that the model gives the target: quick, and too far away."""
    others = ki.data.load("mnist5k", "train")[0][::50]
    known, before = ki.evaluation.labels(model, others), ki.evaluation.labels(model, x)
    target = (before + 1) % 10 if target is None else target
    ends = others[[int(np.argmax(known == t)) for t in target]]

    def at(part: np.ndarray) -> np.ndarray:
        return x + part.astype(np.float32)[:, None, None, None] * (ends - x)

    below, above = np.zeros(len(x)), np.ones(len(x))
    for _ in range(10 if method == DIRECT else 6):
        middle = (below + above) / 2
        good = ki.evaluation.labels(model, at(middle)) == target
        below, above = np.where(good, below, middle), np.where(good, middle, above)
    adversarial = at(above)
    after = ki.evaluation.labels(model, adversarial)
    rounded = np.rint(255 * adversarial) / np.float32(255)
    passes = np.full(len(x), 12, np.int32)
    return ki.Result(
        adversarial=adversarial,
        success=after == target,
        distortion=ki.transfer.distortion(x, adversarial),
        target=target,
        label_before=before,
        label_after=after,
        c=np.full(len(x), np.nan),
        survives_rounding=ki.evaluation.labels(model, rounded) == target,
        forward_passes=passes,
        backward_passes=0 * passes,
        reason=np.full(len(x), ""),
        provenance={},
    )


IMAGES = ("--attacked", "16", "--by-penalty", "12")
ATTACKING = ("table1", "table2", "table3", "table4", "figure7", "adversarial")


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The main job, small: all that attacks images, on 16 of mnist5k, by the penalty method on 12, first interrupted.

    Softmax regression is attacked by `direct`; of the other networks, which take a minute and a half to compile, and of
    `penalty`, which takes ten seconds, examples are planted.
    """
    folder = tmp_path_factory.mktemp("report")
    arguments = [*ATTACKING, *IMAGES, "--out", str(folder)]
    with pytest.MonkeyPatch.context() as patch:
        original, calls = records.keep, []
        patch.setattr(CertifiedDistortion, "measure", planted_certificate)  # they take half of the time
        attack = ki.minimal_distortion

        def quick(model: keras.Model, x: np.ndarray, *, method: str = DIRECT, **options: Any) -> ki.Result:
            if isinstance(model, ki.models.FC10) and method == DIRECT:
                return attack(model, x, budget=300, **options)
            return between_two_images(model, x, method=method, **options)

        patch.setattr(ki, "minimal_distortion", quick)

        def interrupting(path: Path, *args: Any) -> dict[str, Any]:
            calls.append(path)
            if len(calls) == 6:
                raise KeyboardInterrupt
            return original(path, *args)

        with pytest.MonkeyPatch.context() as interrupted:
            interrupted.setattr(records, "keep", interrupting)
            assert reproductions.main(arguments) == 130
        assert (folder / "records").is_dir()
        assert not (folder / "report.html").exists()
        assert reproductions.main(arguments) == 0
        yield folder


def test_table_1_certifies_less_than_it_finds(tmp_path: Path) -> None:
    run = Run("mnist5k", 16, 16, 0, 1, tmp_path, None, "")
    certified = measured(run, table1.certified("fc10_mnist_decay1")).distortion
    found = measured(run, table1.distortion("fc10_mnist_decay1", DIRECT, NEAREST)).distortion
    assert certified.n == 16
    assert 0 < certified.value <= found.value * (1 + 1e-5)


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
        "undecided",  # of so few images
        "mnist5k",
        "†",
        "--attacked 16",
    ):
        assert part in text, part
    assert "paper 0.062" in text
    assert (out / "report.html").stat().st_size > 50_000


def test_the_page_starts_with_what_was_measured_and_the_papers_claims(out: Path) -> None:
    text = (out / "report.html").read_text(encoding="utf-8")
    parts = (
        "arXiv:1312.6199",
        "training images, which the networks have seen",
        'id="claims"',
        'id="table-1"',
    )
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    strip = text[places[2] : places[3]]
    assert strip.count('class="statement"') == 11
    assert "The paper's distortions are those to random target classes" not in strip
    assert "The paper&#39;s distortions are those to random target classes" in text[places[3] :]
    assert len(re.findall(r'alt="[^"]{40,}"', text)) == text.count("<img") == 5
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', text)) == set(ids)
    assert len(text) < 5_000_000


def test_the_report_speaks_of_no_chapter_that_it_lacks(out: Path) -> None:
    text = (out / "REPORT.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    titles = re.findall(r"<summary>(.+?)</summary>|^\*\*(.+)\*\*$", text, re.MULTILINE)
    folded = [title for pair in titles for title in pair if title and title != "How this was measured"]
    assert len({*headings, *folded}) == len(headings) + len(folded)
    there = {heading.split(":")[0] for heading in headings}
    mentioned = set(re.findall(r"(?<!paper's )(?<!of its )((?:Table|Figure) \d)", text))
    assert mentioned <= there
    assert not re.search(r"rightly|held against|[Ss]ee the section|below this|tables? below", text)


def test_deviations_are_those_of_the_reports_chapters() -> None:
    told = {name: " ".join(deviations.of([name])) for name in chapters.NAMES}
    for words, names in (
        ("amplified rows", {"table4"}),
        ("AlexNet without groups", {"table5"}),
        ("P1 and P2", {"table3", "table4", "directions"}),
        ("“the minimum c > 0”", {*(f"table{k}" for k in range(1, 5)), *(f"figure{k}" for k in range(5, 8))}),
    ):
        assert {name for name, said in told.items() if words in said} == names
    assert not told["imagenet"]


def test_table_1_shows_no_image_that_was_its_target_before(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = run.attacked
    labels = {"label_before": y, "label_after": np.where(np.arange(4) == 1, (y + 1) % 10, y)}
    arrays = {"success": np.ones(4, bool), "adversarial": x, **labels}
    planted = examples.Examples(arrays, examples.ExamplesFile("", "", 0))
    monkeypatch.setattr(examples, "load", lambda run, attack: planted)
    rows: list = []
    monkeypatch.setattr(table1.figures, "triples", lambda path, drawn: rows.extend(drawn))
    table1._figure(run)
    assert len(rows) == len(table1.PRESETS)
    for _, (triple,) in rows:
        assert (triple.label_before, triple.label_after) == (str(y[1]), str((y[1] + 1) % 10))


def test_records_say_what_they_rest_on(out: Path) -> None:
    record = json.loads((out / "records/table1/fc100_100_10_mnist-direct-random.json").read_text())
    assert record["values"]["success"]["value"] == 1
    assert record["values"]["each"]["shape"] == [1, 16]
    assert set(record["values"]["distortion"]) == {"value", "low", "high", "n", "runs"}
    assert record["values"]["distortion"]["runs"] == [record["values"]["distortion"]["value"]]
    assert {"dataset", "images", "fields", "seed", "sha256", "versions", "code"} <= set(record["key"])
    assert record["command"].startswith("python -m reproductions")


def test_exactly_what_was_planned_is_recorded(out: Path) -> None:
    run = Run("mnist5k", 16, 16, 0, 1, out, None, "")
    planned = {one.name for name in ATTACKING for one in chapters.load(name).measurements(run)}
    folder = out / "records"
    assert {path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.json")} == planned


def test_a_second_run_measures_nothing_again_and_keeps_the_other_sections(out: Path) -> None:
    before = {p: p.read_bytes() for p in (out / "records").rglob("*.json")}
    assert reproductions.main(["table1", *IMAGES, "--out", str(out)]) == 0
    assert "Figure 7" in (out / "REPORT.md").read_text(encoding="utf-8")
    assert before == {p: p.read_bytes() for p in (out / "records").rglob("*.json")}


def test_records_of_other_code_are_named(out: Path, capsys: pytest.CaptureFixture) -> None:
    assert reproductions.main(["--stale", "--out", str(out)]) == 0
    path = out / "records" / "table3" / "fc100_100_10_mnist_p1-errors.json"
    kept = path.read_text(encoding="utf-8")
    record = json.loads(kept)
    record["key"]["code"] = "of another tree"
    path.write_text(json.dumps(record), encoding="utf-8")
    assert reproductions.main(["--stale", "--out", str(out)]) == 1
    assert "table3/fc100_100_10_mnist_p1-errors: code\n1 records of" in capsys.readouterr().out
    path.write_text(kept, encoding="utf-8")


def test_records_of_presets_that_are_not_at_hand_are_passed_over(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a machine without the package whose weights some committed records rest on."""

    def without_one(self: Measurement[Any], run: Run) -> dict[str, Any]:
        if "fc100_100_10_mnist_p1" in self.presets(run):
            raise FileNotFoundError("There is no such preset here.")
        return of_all(self, run)

    of_all = Measurement.of_tree
    monkeypatch.setattr(Measurement, "of_tree", without_one)
    with pytest.warns(UserWarning, match="is not compared") as told:
        assert reproductions.main(["--stale", "--out", str(out)]) == 0
    passed_over = {str(one.message).partition(" ")[0] for one in told}
    assert "table3/fc100_100_10_mnist_p1-errors" in passed_over
    assert len(passed_over) < len(list((out / "records").rglob("*.json")))


@pytest.mark.slow
def test_the_committed_records_are_of_this_tree() -> None:
    folder = Path(reproductions.__file__).parent / "results"
    assert reproductions.main(["--stale", "--out", str(folder)]) == 0


def test_a_section_of_another_version_is_named_before_work_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "sections").mkdir()
    (tmp_path / "sections" / "table2.json").write_text('{"heading": "of another version", "tables": []}')
    assert reproductions.main(["table3", "--attacked", "16", "--out", str(tmp_path)]) == 2
    assert "table2.json is no section of a report" in capsys.readouterr().err
    assert not (tmp_path / "records").exists()


@pytest.mark.parametrize("count", ["1", "17"])
def test_the_slower_method_has_as_many_images_at_most(count: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        reproductions.main(["--attacked", "16", "--by-penalty", count])
    assert "--by-penalty must be at least 2, and no more than --attacked" in capsys.readouterr().err


def test_the_slower_method_attacks_the_first_of_the_images(run: Run) -> None:
    few = dataclasses.replace(run, by_penalty=3)
    penalty, direct = (examples.on_digits("fc10_mnist_decay1", m, RANDOM) for m in (PENALTY, DIRECT))
    assert np.array_equal(penalty.attacked(few), few.attacked[0][:3])
    assert np.array_equal(penalty.target(few), few.targets[:3])
    assert np.array_equal(direct.attacked(few), few.attacked[0])
    assert penalty.key(few) != penalty.key(run)


def test_examples_that_are_missing_are_made_again(out: Path) -> None:
    path = out / "examples" / "fc10_mnist_decay1-direct-random.npz"
    path.unlink()
    assert reproductions.main(["table1", *IMAGES, "--out", str(out)]) == 0
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
    assert not (tmp_path / "out" / "records").exists()
