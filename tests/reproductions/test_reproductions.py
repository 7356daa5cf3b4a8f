"""The main job on real digits, and what its verdicts say of planted numbers."""

import dataclasses
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

import keras_intriguing as ki
from keras_intriguing.attack import programs
from keras_intriguing.report import Claim
from reproductions import __main__ as reproductions
from reproductions import chapters
from reproductions.chapters import figure7, table1, table2, table3, table4
from reproductions.coherence import measure
from reproductions.measurements import asymmetry, examples
from reproductions.measurements.asymmetry import Asymmetry, Difference
from reproductions.measurements.certified import Certified, CertifiedDistortion
from reproductions.measurements.distortions import Distortions
from reproductions.measurements.errors import Errors
from reproductions.measurements.examples import DIRECT, NEAREST, PENALTY, RANDOM, Attack
from reproductions.measurements.transfer import Adversarial, Change, Perturbed, Transfer, TransferRow
from reproductions.presentation import asymmetry as asymmetry_table
from reproductions.presentation import verdicts
from reproductions.presentation.averages import average
from reproductions.shared import code, intervals, records
from reproductions.shared.intervals import Number
from reproductions.shared.measurement import Measurement, Values, measured
from reproductions.shared.paper import PAPER
from reproductions.shared.run import Run

pytestmark = pytest.mark.usefixtures("small_figures")


def test_wilson_interval_agrees_with_scipy() -> None:
    for hits, count in ((0, 256), (1, 10), (128, 256), (256, 256)):
        ours = intervals.share([hits / count], count)
        theirs = stats.binomtest(hits, count).proportion_ci(method="wilson")
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_mean_interval_is_the_normal_one() -> None:
    values = np.random.default_rng(0).normal(3, 2, 1000)
    low, high = stats.norm.interval(0.95, values.mean(), stats.sem(values))
    ours = intervals.mean(values[None])
    assert (ours.value, ours.low, ours.high) == pytest.approx((values.mean(), low, high))


def test_runs_are_averaged_and_their_interval_is_that_of_the_images() -> None:
    values = np.array([[1.0, 2.0, 3.0, np.nan], [3.0, 4.0, 5.0, np.nan]])
    ours = intervals.mean(values)
    assert ours.runs == [2.0, 4.0]
    assert (ours.value, ours.n) == (3.0, 3)
    assert ours.high - ours.low == pytest.approx(2 * 1.96 / np.sqrt(3), rel=1e-3)


def test_a_share_over_runs_leaves_out_what_does_not_exist() -> None:
    ours = intervals.share_of(np.array([[1.0, 0.0, np.nan], [1.0, 1.0, 0.0]]))
    assert ours.runs == pytest.approx([1 / 2, 2 / 3])
    assert (ours.value, ours.n) == (pytest.approx(7 / 12), 2)
    low, high = intervals.runs_range(intervals.share([0.0, 1.0], 10))
    assert low == pytest.approx(stats.binomtest(0, 10).proportion_ci(method="wilson").low, abs=1e-12)
    assert high == pytest.approx(stats.binomtest(10, 10).proportion_ci(method="wilson").high)


def test_an_average_has_the_average_of_the_ends() -> None:
    ours = average([Number(0.1, 0.0, 0.2, 16, [0.1]), Number(0.3, 0.2, 0.6, 16, [0.3])])
    assert (ours.value, ours.low, ours.high, ours.n) == (pytest.approx(0.2), 0.1, 0.4, 16)
    assert ours.runs == []


def test_luck_is_the_deviation_of_a_single_difference() -> None:
    """Planted: deviations of A's runs, of B's and of the images, in three runs of either, many times over."""
    random = np.random.default_rng(0)
    variances, of_images = [], 0.8
    for _ in range(400):
        runs = random.normal(0.1, 0.05, size=(3, 1)) + random.normal(0, 0.03, size=3)
        difference = runs[..., None] + random.normal(0, of_images, size=1000)
        ours = asymmetry.summary(difference)
        variances.append(ours.deviation**2)
    assert np.sqrt(np.mean(variances)) == pytest.approx(
        np.sqrt(0.05**2 + 0.03**2 + of_images**2 / 256), rel=0.05
    )
    assert np.isnan(asymmetry.summary(difference[:1]).deviation)


def test_whether_a_difference_has_the_papers_sign_goes_by_its_corrected_interval() -> None:
    """Planted: of a's examples b gets so many of 100 images wrong, of b's examples a gets 10 wrong."""

    def said(wrong: int) -> list[str]:
        outcomes = {count: (np.arange(100) < count).astype(np.float16)[None, None] for count in (10, wrong)}
        rows = {
            a: dataclasses.replace(row({a: number(1.0)}), wrong={b: outcomes[count]})
            for a, b, count in (
                ("fc10_mnist_decay1", "ae400_10_mnist", wrong),
                ("ae400_10_mnist", "fc10_mnist_decay1", 10),
            )
        }
        papers = {
            "fc10_mnist_decay1": {"ae400_10_mnist": 30.0},
            "ae400_10_mnist": {"fc10_mnist_decay1": 20.0},
        }
        measured = Difference(**vars(number((wrong - 10) / 100)), deviation=0.02)
        table = asymmetry_table.table(
            "Table 2", {asymmetry.pair("fc10_mnist_decay1", "ae400_10_mnist"): measured}, rows, papers
        )
        ((_, cells),) = table.rows
        return [cells[3].value, cells[4].value]

    assert [said(wrong) for wrong in (30, 12, 0)] == [["yes", "yes"], ["yes", "undecided"], ["yes", "no"]]


class Planted(NamedTuple):
    """A model that gets wrong what was made for model a: b all of its run 2, a each run its own."""

    preset: str


class PlantedRun:
    """A run of two models with three training runs each."""

    attacked = (np.zeros((4, 2)), np.zeros(4, int))

    def trained(self, preset: str) -> list[str]:
        return [f"{preset}{seed}" for seed in range(3)]

    def model(self, preset: str) -> Planted:
        return Planted(preset)


def planted_labels(model: Planted, images: np.ndarray) -> np.ndarray:
    """Images carry the model and the run they were made for."""
    made_for_a, made_for_run = images[0]
    own = made_for_a == model.preset.startswith("a") and made_for_run == int(model.preset[-1])
    wrong = own or (model.preset.startswith("b") and made_for_a == 1 and made_for_run == 2)
    return np.full(4, int(wrong))


def planted_examples(source: Adversarial, run: Run) -> Perturbed:
    images = np.stack([np.tile([source.preset == "a", seed], (4, 1)).astype(float) for seed in range(3)])
    return Perturbed(images, np.ones((3, 4), bool), run.trained(source.preset))


@pytest.fixture
def planted_run(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(ki.evaluation, "labels", planted_labels)
    monkeypatch.setattr(Adversarial, "perturbed", planted_examples)
    return PlantedRun()


def test_a_cell_averages_the_pairs_of_training_runs(planted_run: Any) -> None:
    row = Transfer("row", Adversarial("a", DIRECT), ("a", "b")).measure(planted_run)
    assert row.errors["a"].runs == [1.0, 1.0, 1.0]
    assert row.other_run.runs == [0.0] * 6
    assert row.errors["b"].runs == [0.0] * 6 + [1.0] * 3
    assert row.errors["b"].value == pytest.approx(1 / 3)


def test_an_asymmetry_compares_the_same_two_training_runs(planted_run: Any) -> None:
    pair = Asymmetry("asymmetry", ("a", "b")).measure(planted_run)["a → b"]
    assert sorted(pair.runs) == [0.0] * 6 + [1.0] * 3


def planted_certificate(self: CertifiedDistortion, run: Run) -> Certified:
    each, label = np.full(run.by_penalty, 0.01), run.attacked[1][: run.by_penalty]
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
    original, calls = records.keep, []
    patch = pytest.MonkeyPatch()
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
    patch.undo()


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
    assert "The paper's distortions are those to random target classes" not in strip  # our question
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


def number(value: float, width: float = 0.01) -> Number:
    return Number(value, value - width, value + width, 256, [value])


def planted_table1(success: float, distortions: list[float], images: int = 256) -> Values:
    """Normal distortions, those to the nearest class half as large."""
    random = np.random.default_rng(0)
    sizes = dict(zip(table1.PRESETS, distortions, strict=False))
    found = {}
    for preset in table1.PRESETS:
        for method, targets in table1.ATTACKS:
            size = sizes.get(preset, 0.05) / (2 if targets == NEAREST else 1)
            each = random.normal(size, 0.1 * size, (1, images)).astype(np.float16)
            each[:, : round((1 - success) * images)] = np.nan
            planted = Distortions(number(size, 0.001), number(success), number(0.5), each)
            found[table1.distortion(preset, method, targets)] = planted
    return Values(found)


def test_verdicts_of_table1_can_go_either_way(run: Run) -> None:
    every, decay, _ = table1.claims(run, planted_table1(1.0, [0.05, 0.08, 0.11]))
    assert (every.verdict, decay.verdict) == ("holds", "holds")
    every, decay, _ = table1.claims(run, planted_table1(0.99, [0.11, 0.08, 0.05]))
    assert (every.verdict, decay.verdict) == ("does not hold", "does not hold")
    _, decay, _ = table1.claims(run, planted_table1(1.0, [0.08, 0.0805, 0.081]))
    assert decay.verdict == "undecided"
    assert re.search(r"About [\d,]+ images would decide it\.", decay.evidence)
    _, decay, _ = table1.claims(run, planted_table1(1.0, [0.08, 0.0801, 0.0802], images=20_000))
    assert decay.verdict == "does not hold"  # alike to less than the margin
    every, *_ = table1.claims(run, planted_table1(1.0, [0.15]))
    assert every.verdict == "does not hold"


def test_verdict_on_the_papers_targets_can_go_either_way(run: Run) -> None:
    papers = [row["distortion"] for row in PAPER["table1"].values()]
    assert table1.claims(run, planted_table1(1.0, papers))[2].verdict == "holds"
    assert table1.claims(run, planted_table1(1.0, [2 * p for p in papers]))[2].verdict == "does not hold"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run("mnist5k", 4, 4, 0, 1, tmp_path, None, "")


def row(errors: dict[str, Number], images: int = 2048) -> TransferRow:
    """Outcomes of one training run; whoever has a larger error gets the others' images wrong too."""
    places = np.linspace(0, 1, images, endpoint=False)
    wrong = {p: (places < error.value)[None, None].astype(np.float16) for p, error in errors.items()}
    return TransferRow(errors, number(0.1), 1.0, wrong)


def flat(models: Sequence[str], error: float, own: str = "") -> TransferRow:
    return row({p: number(1.0 if p == own else error) for p in models})


def planted_table2(on_others: float, on_noise: float) -> dict[Transfer, TransferRow]:
    models = table2.PRESETS
    rows = {table2.examples_of(p, "penalty"): flat(models, on_others, own=p) for p in models}
    noise = {table2.noisy(stddev): flat(models, on_noise) for stddev in table2.STDDEVS}
    return {**rows, **noise, table2.CLEAN: flat(models, 0.02)}


def test_verdicts_of_table2_can_go_either_way(run: Run) -> None:
    planted = Values(planted_table2(on_others=0.3, on_noise=0.05))
    transfer, noise, *_ = table2.claims(run, planted)
    assert (transfer.verdict, noise.verdict) == ("holds", "holds")
    planted = Values(planted_table2(on_others=0.02, on_noise=0.05))
    transfer, noise, *_ = table2.claims(run, planted)
    assert (transfer.verdict, noise.verdict) == ("does not hold", "does not hold")


def test_verdict_on_the_autoencoder_can_go_either_way(run: Run) -> None:
    def verdict_with(error: float) -> str:
        rows = planted_table2(on_others=0.3, on_noise=0.05)
        for source in table2.PRESETS:
            errors = {p: number(error if p == "ae400_10_mnist" else 0.3) for p in table2.PRESETS}
            rows[table2.examples_of(source, "penalty")] = row(errors)
        return table2.claims(run, Values(rows))[2].verdict

    assert [verdict_with(error) for error in (0.2, 0.297, 0.4)] == ["holds", "undecided", "does not hold"]


def test_the_papers_own_table_agrees_with_itself(run: Run) -> None:
    rows = planted_table2(on_others=0.3, on_noise=0.05)
    noise = {f"noise{stddev:g}": table2.noisy(stddev) for stddev in table2.STDDEVS}
    for name, cells in PAPER["table2"]["rows"].items():
        of = noise.get(name) or table2.examples_of(name, "penalty")
        rows[of] = row({p: number(c / 100) for p, c in zip(table2.PRESETS, cells, strict=True)})
    assert "Of the paper's 42 figures off the diagonal 42 lie within" in table2._text(Values(rows))
    text = table2._text(Values(planted_table2(on_others=0.9, on_noise=0.9)))
    assert "42 figures off the diagonal 1 lie within" in text
    assert "of the other ones ours are above in 41, below in 0" in text


def test_verdict_of_table3_can_go_either_way(run: Run) -> None:
    def runs(percent: float) -> Number:
        return intervals.share([max(percent + step, 0) / 100 for step in (-0.02, 0.0, 0.02)], 30_000)

    def planted(off_by: float) -> Values:
        found = {}
        for preset, paper in PAPER["table3"].items():
            errors = {split: runs(paper[split]) for split in ("p1", "p2", "test")}
            found[table3.errors(preset)] = {"test": runs(paper["test"] + off_by)} if off_by else errors
        return Values(found)

    assert table3.claims(run, planted(0.0))[0].verdict == "holds"
    assert table3.claims(run, planted(0.2))[0].verdict == "holds"
    assert table3.claims(run, planted(0.55))[0].verdict == "undecided"
    (claim,) = table3.claims(run, planted(-0.8))
    assert claim.verdict == "does not hold"
    assert claim.number.value == "-0.80 points"


def planted_table4(across: float, amplified: float) -> Values:
    models = table4.PRESETS
    errors = {Change.NONE: across, Change.NOISE: 0.02, Change.AMPLIFIED: amplified}
    rows = {
        table4.examples_of(p, change): flat(models, error) for change, error in errors.items() for p in models
    }
    return Values({**rows, table4.CLEAN: flat(models, 0.02), table4.noisy(0.1): flat(models, 0.02)})


def test_verdicts_of_table4_can_go_either_way(run: Run) -> None:
    disjoint, amplified = table4.claims(run, planted_table4(0.08, 0.4))
    assert "Newly wrong / newly right, summed over training runs: 123 / 0, " in disjoint.evidence
    assert (disjoint.verdict, amplified.verdict) == ("holds", "holds")
    disjoint, amplified = table4.claims(run, planted_table4(0.02, 0.02))
    assert (disjoint.verdict, amplified.verdict) == ("does not hold", "does not hold")


def test_across_disjoint_sets_few_images_leave_open_what_many_show(run: Run) -> None:
    """Planted: what was seen on all 10,000 test images, 500 of them newly wrong and 27 newly right."""

    def disjoint(images: int) -> Claim:
        places = np.arange(images) / images
        before, after = (places >= 0.9973).astype(np.float16), (places < 0.05).astype(np.float16)
        found: dict[Transfer, TransferRow] = {}
        for of, wrong in [
            (table4.CLEAN, before),
            *((table4.examples_of(p, change), after) for p in table4.PRESETS for change in Change),
            (table4.noisy(0.1), before),
        ]:
            planted = flat(table4.PRESETS, 0.05)
            outcomes = dict.fromkeys(table4.PRESETS, wrong[None, None])
            found[of] = dataclasses.replace(planted, wrong=outcomes)
        return table4.claims(run, Values(found))[0]

    many, few = disjoint(10_000), disjoint(80)
    assert many.verdict == "holds"
    assert "→ FC100-100-10′ +4.73 points" in many.evidence
    assert "500 / 27, 500 / 27" in many.evidence
    assert few.verdict == "undecided"
    assert re.search(r"About \d+ images would decide it", few.evidence)


def test_outcomes_are_paired_where_one_method_has_fewer_images() -> None:
    ours, theirs = np.array([[[1.0, 1]], [[0, 1]]]), np.array([[[0.0, 1, 1]]])
    np.testing.assert_array_equal(verdicts.difference(ours, theirs), [[[1, 0]], [[0, 0]]])
    apart = verdicts.between_models(np.ones((2, 4)), np.zeros((3, 5)))
    assert apart.shape == (2, 3, 4)
    means = verdicts.average([np.ones((3, 1, 4)), np.zeros((2, 1, 4))])
    np.testing.assert_array_equal(means, np.full((2, 1, 4), 0.5))


def test_verdict_of_figure7_can_go_either_way(run: Run) -> None:
    def planted(at_one: float) -> Values:
        own = {figure7.own_examples(p): row({p: number(1.0, 0.0)}) for p in figure7.PRESETS}
        return Values({figure7.noisy(1): flat(figure7.PRESETS, 1 - at_one), **own})

    assert figure7.claims(run, planted(0.5))[0].verdict == "holds"
    assert figure7.claims(run, planted(0.0))[0].verdict == "does not hold"


def test_the_second_preset_of_a_class_compiles_nothing(run: Run) -> None:
    def traces() -> int:
        steps = [step for program in programs._KEPT.values() for step in vars(program).values()]
        return sum(f.experimental_get_tracing_count() for f in steps if isinstance(f, type(tf.function(len))))

    x, _ = run.attacked
    counts = []
    for preset in ("fc10_mnist_decay1", "fc10_mnist_decay1e-4"):
        model = run.model(preset)
        np.testing.assert_array_equal(model(x), ki.from_preset(preset)(x))
        assert ki.minimal_distortion(model, x).success.all()
        counts.append(traces())
    assert counts[0] == counts[1] > 0
    assert run.model(preset) is model


def test_a_net_before_its_training_is_not_the_runs_model(run: Run) -> None:
    model, expected = run.model("fc10_mnist_decay1"), ki.from_preset("fc10_mnist_decay1").get_weights()
    untrained = measure.model(run, measure.Layer("fc10_mnist_decay1", "logits", trained=False))
    assert not np.array_equal(untrained.get_weights()[0], expected[0])
    np.testing.assert_array_equal(model.get_weights()[0], expected[0])


def test_splits_are_part_of_a_records_key(run: Run) -> None:
    keys = [Errors("errors", "fc10_mnist_decay1", splits).key(run) for splits in (("train", "p1"), ("p1",))]
    assert keys[0] != keys[1]


@dataclasses.dataclass
class Result:
    adversarial: np.ndarray

    def arrays(self) -> dict[str, np.ndarray]:
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class PlantedAttack(Attack):
    pixels: float

    def attacked(self, run: Run) -> np.ndarray:
        return np.full((2, 28, 28, 1), self.pixels)

    def target(self, run: Run) -> None:
        return None


def test_examples_of_other_images_are_made_anew(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def attack(model: Any, x: np.ndarray, **settings: Any) -> Result:
        return Result(x + 1)

    monkeypatch.setattr(ki, "minimal_distortion", attack)
    monkeypatch.setattr(code.CODE, "hash", lambda *modules: "")  # of the test's module there is none
    for pixels in (0.0, 1.0, 0.0):
        planted = PlantedAttack("examples/kind", "fc10_mnist_decay1", DIRECT, pixels)
        made = examples.load(run, planted)
        np.testing.assert_array_equal(made.arrays["adversarial"], planted.attacked(run) + 1)
    assert made.file.peak_mib > 100
