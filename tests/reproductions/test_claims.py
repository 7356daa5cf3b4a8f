"""What the claims of Tables 1 to 4 and Figure 7 say of planted numbers."""

import dataclasses
import re
from collections.abc import Sequence

import numpy as np

from keras_intriguing.report import Claim
from reproductions.chapters import figure7, table1, table2, table3, table4
from reproductions.measurements import asymmetry
from reproductions.measurements.asymmetry import Difference
from reproductions.measurements.distortions import Distortions
from reproductions.measurements.examples import NEAREST
from reproductions.measurements.transfer import Change, Transfer, TransferRow
from reproductions.presentation import asymmetry as asymmetry_table
from reproductions.presentation import verdicts
from reproductions.shared import intervals
from reproductions.shared.intervals import Number
from reproductions.shared.measurement import Values
from reproductions.shared.paper import PAPER
from reproductions.shared.run import Run


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
    assert "Of the paper's 42 figures, noise and off the diagonal, 42 lie within" in table2._text(
        Values(rows)
    )
    text = table2._text(Values(planted_table2(on_others=0.9, on_noise=0.9)))
    assert "42 figures, noise and off the diagonal, 1 lie within" in text
    assert "of the other ones ours are above in 41, below in 0" in text


def test_errors_beside_those_on_examples_are_of_the_same_images() -> None:
    """Of twice as many images, of which the first are wrong, the half that was attacked has twice the error."""
    rows = planted_table2(on_others=0.3, on_noise=0.05)
    rows[table2.CLEAN] = row({p: number(0.05) for p in table2.PRESETS}, images=4096)
    assert "On the same images, clean, it is 10.0%" in table2._text(Values(rows))


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
