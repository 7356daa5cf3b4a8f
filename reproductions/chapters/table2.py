"""Table 2: the error of every model on the examples of every other, and on noise."""

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np

from keras_intriguing.report import Cell, Claim, Figure, Section, Table, figures
from reproductions.measurements.asymmetry import Asymmetry
from reproductions.measurements.examples import DIRECT, METHODS, PENALTY
from reproductions.measurements.transfer import Adversarial, Clean, Noise, Transfer, TransferRow
from reproductions.presentation import asymmetry, cells, descriptions, verdicts
from reproductions.presentation.averages import average, error_on_the_images_of
from reproductions.presentation.verdicts import POINTS, between_models, claim, difference
from reproductions.shared import intervals, verdict
from reproductions.shared.chapter import Chapter
from reproductions.shared.effects import of_outcomes
from reproductions.shared.intervals import Number
from reproductions.shared.measurement import Measurement, Values
from reproductions.shared.paper import PAPER
from reproductions.shared.run import Run
from reproductions.shared.verdict import ERROR_MARGIN

PRESETS = tuple(PAPER["table2"]["columns"])
STDDEVS = (0.1, 0.3)
CLEAN = Transfer("table2/clean", Clean(), PRESETS)
ASYMMETRY = Asymmetry("table2/asymmetry", PRESETS)


def noisy(stddev: float) -> Transfer:
    """The models' errors under noise."""
    return Transfer(f"table2/noise{stddev:g}", Noise(stddev), PRESETS)


def examples_of(preset: str, method: str) -> Transfer:
    """The models' errors on the examples of one of them."""
    return Transfer(f"table2/{preset}-{method}", Adversarial(preset, method), PRESETS)


def _plan(run: Run) -> list[Measurement]:
    planned: list[Measurement] = [CLEAN, *(noisy(stddev) for stddev in STDDEVS)]
    planned += [examples_of(preset, method) for method in METHODS for preset in PRESETS]
    return [*planned, ASYMMETRY] if run.training_seeds > 1 else planned


def _section(run: Run, values: Values) -> Section:
    """The heat map beside the paper's; the table by the paper's method and by ours."""
    closer = "These examples lie on the decision boundary of the attacked model, nearer than the paper's."
    folded = [
        Table("Table 2 by the paper's method, the penalty", "examples of", *_grid(run, values, PENALTY), ""),
        Table("Table 2 by the direct method", "examples of", *_grid(run, values, DIRECT), closer),
    ]
    if ASYMMETRY in values:
        papers = {p: dict(zip(PRESETS, PAPER["table2"]["rows"][p], strict=True)) for p in PRESETS}
        attacked = {p: values[examples_of(p, PENALTY)] for p in PRESETS}
        folded.append(asymmetry.table("Table 2", values[ASYMMETRY], attacked, papers))
    return Section(
        "Table 2: one model's examples given to another",
        [_heat_map(run, values)],
        _text(values),
        folded=folded,
        method=[
            f"A number is the error of the column's model, against the true labels, on {descriptions.attacked(run)}, changed "
            f"for the row's model towards random wrong classes. {descriptions.pairs(run)}".strip()
        ],
    )


def _heat_map(run: Run, values: Values) -> Figure:
    names = [PAPER["presets"][p] for p in PRESETS]
    rows = dict(zip(names, (values[examples_of(preset, PENALTY)] for preset in PRESETS), strict=True))
    rows |= {_noise_name(stddev): values[noisy(stddev)] for stddev in STDDEVS}
    rows[_CLEAN_NAME] = values[CLEAN]
    ours = np.array([[100 * row.errors[p].value for p in PRESETS] for row in rows.values()])
    papers = [PAPER["table2"]["rows"][p] for p in PRESETS] + [_papers_noise(stddev) for stddev in STDDEVS]
    papers.append([np.nan] * len(PRESETS))
    path = run.out / "figures" / "table2-heat-map.png"
    maps = [("ours", ours), ("the paper", np.array(papers, float))]
    figures.heat_maps(path, maps, list(rows), names, "error, %")
    caption = (
        "Rows: the attacked model, by the paper's method. Columns: the model whose error is shown. The paper does "
        "not give the error on the clean images."
    )
    alt = (
        f"Two matrices of {len(rows)} rows and {len(names)} columns, ours and the paper's. Both are bright on the diagonal, "
        "where a model is given its own examples, and mostly dark elsewhere."
    )
    return Figure("Heat map of Table 2", path, caption, alt)


def _text(values: Values) -> str:
    def on_others(source: str) -> float:
        errors = [_error(values, source, model).value for model in PRESETS if model != source]
        return 100 * sum(errors) / len(errors)

    def on_the_same(row: Transfer) -> float:
        return error_on_the_images_of(values[examples_of(PRESETS[0], PENALTY)], values[row])

    by_source = {source: on_others(source) for source in PRESETS}
    best, worst = (choose(by_source, key=by_source.__getitem__) for choose in (max, min))
    return (
        f"Examples of one model give another one an error of {sum(by_source.values()) / len(by_source):.1f}% on average, "
        f"{_papers_mean(PRESETS)} in the paper. On the same images, clean, it is {on_the_same(CLEAN):.1f}%, with Gaussian noise of "
        f"standard deviation 0.1 it is {on_the_same(noisy(0.1)):.1f}%. The examples of {PAPER['presets'][best]} fool other models most "
        f"({by_source[best]:.1f}%), those of {PAPER['presets'][worst]} least ({by_source[worst]:.1f}%). {_agreement(values)}"
    )


def _agreement(values: Values) -> str:
    """How many of the paper's cells are within the intervals of our training runs."""
    ours = {preset: values[examples_of(preset, PENALTY)] for preset in PRESETS}
    ours |= {f"noise{stddev:g}": values[noisy(stddev)] for stddev in STDDEVS}
    inside = above = total = 0
    for name, papers in PAPER["table2"]["rows"].items():
        for model, percent in zip(PRESETS, papers, strict=True):
            if name != model:
                total += 1
                low, high = intervals.runs_range(ours[name].errors[model])
                inside += 100 * low <= percent <= 100 * high
                above += 100 * low > percent
    return (
        f"Of the paper's {total} figures, noise and off the diagonal, {inside} lie within the 95% intervals of our training runs; of the "
        f"other ones ours are above in {above}, below in {total - inside - above}."
    )


def _grid(run: Run, values: Values, method: str) -> tuple[list[str], list[tuple[str, list[Cell]]]]:
    columns = [*(PAPER["presets"][preset] for preset in PRESETS), "average distortion"]
    several = run.training_seeds > 1
    if several:
        columns.append("the same model, another training run")
    rows = []
    for preset in PRESETS:
        row = values[examples_of(preset, method)]
        rms = f"{PAPER['table1'][preset]['distortion']:g}"
        found = cells.transfer(row, PRESETS, PAPER["table2"]["rows"][preset], rms)
        if several:
            found.append(cells.percent(row.other_run) if row.other_run else Cell())
        rows.append((cells.source_name(preset, row), found))

    def unattacked(name: str, row: TransferRow, paper: list[float] | None, rms: str) -> None:
        found = cells.transfer(row, PRESETS, paper, rms)
        rows.append((name, [*found, Cell()] if several else found))

    for stddev in STDDEVS:
        unattacked(_noise_name(stddev), values[noisy(stddev)], _papers_noise(stddev), f"{stddev:g}")
    unattacked(_CLEAN_NAME, values[CLEAN], None, "")
    return columns, rows


def _papers_noise(stddev: float) -> list[float]:
    return PAPER["table2"]["rows"][f"noise{stddev:g}"]


_CLEAN_NAME = "nothing (clean images)"


def _noise_name(stddev: float) -> str:
    return f"Gaussian noise, stddev {stddev:g}"


def claims(run: Run, values: Values) -> list[Claim]:
    """What the table says of the paper's claims."""
    return [_transfer(values), _noise(values), _autoencoder(values)]


def _error(values: Values, source: str, model: str) -> Number:
    """Of a model on the examples of another by the paper's method."""
    return values[examples_of(source, PENALTY)].errors[model]


def _on_others(values: Values, model: str) -> Number:
    """The average of a model's errors on the examples of each other one."""
    return average([_error(values, source, model) for source in PRESETS if source != model])


def _papers_mean(models: Sequence[str]) -> str:
    """The paper's errors of these models on the examples of each other one, on average."""
    table = PAPER["table2"]["rows"]
    found = [table[source][PRESETS.index(model)] for model in models for source in PRESETS if source != model]
    return f"{sum(found) / len(found):.1f}%"


def _wrong(values: Values, source: str, model: str) -> np.ndarray:
    """Which of the examples of a model another one misclassifies; see `TransferRow.wrong`."""
    return values[examples_of(source, PENALTY)].wrong[model]


def _transfer(values: Values) -> Claim:
    clean = values[CLEAN].wrong
    rises = {
        pair: difference(_wrong(values, *pair), clean[pair[1]]) for pair in itertools.permutations(PRESETS, 2)
    }
    pairs = verdict.greater([of_outcomes(rise) for rise in rises.values()], ERROR_MARGIN)
    rise = {"Rise of the error:": of_outcomes(verdicts.average(list(rises.values())))}
    found = claim(
        "Examples of one model fool models of other architectures too",
        verdict.greater(list(rise.values()), ERROR_MARGIN),
        rise,
        POINTS,
        "average error on another model's examples",
        cells.percent(average([_on_others(values, model) for model in PRESETS]), _papers_mean(PRESETS)),
        "“A relatively large fraction of examples will be misclassified by networks trained from scratch with different "
        "hyper-parameters”; read as: on average over all pairs of different models more of the images are misclassified than "
        "before.",
    )
    return dataclasses.replace(
        found,
        evidence=f"{found.evidence} Pair by pair, corrected for {len(rises)}: the error certainly rises in {pairs.shown}, in "
        f"{pairs.refuted} it does not.",
    )


def _noise(values: Values) -> Claim:
    noise = values[noisy(0.1)]
    harder = {
        model: of_outcomes(
            difference(
                verdicts.average([_wrong(values, source, model) for source in PRESETS if source != model]),
                noise.wrong[model],
            )
        )
        for model in PRESETS
    }
    least = min(PRESETS, key=lambda model: harder[model].value)
    return claim(
        "Examples of other models are harder than Gaussian noise of standard deviation 0.1",
        verdict.greater(list(harder.values()), ERROR_MARGIN),
        {PAPER["presets"][model]: effect for model, effect in harder.items()},
        POINTS,
        f"error of {PAPER['presets'][least]}, which they affect least",
        cells.percent(_on_others(values, least), _papers_mean([least])),
        "Read as: for every model its average error on the others' examples is above that on the same images with noise.",
    )


def _autoencoder(values: Values) -> Claim:
    ours = "ae400_10_mnist"

    def less(rival: str) -> np.ndarray:
        """What the rival gets wrong of the examples that are foreign to both, minus what ours does."""
        foreign = [p for p in PRESETS if p not in (ours, rival)]
        theirs, own = (verdicts.average([_wrong(values, p, m) for p in foreign]) for m in (rival, ours))
        return between_models(theirs, own)

    rivals = {PAPER["presets"][p]: of_outcomes(less(p)) for p in PRESETS if p != ours}
    return claim(
        "The autoencoder resists other models' examples best, though not always",
        verdict.greater(list(rivals.values()), ERROR_MARGIN),
        rivals,
        POINTS,
        "average error of AE400-10 on other models' examples",
        cells.percent(_on_others(values, ours), _papers_mean([ours])),
        "Read as: less error than each other model on the examples of the models that are neither of the two. Their error minus its own:",
    )


CHAPTER = Chapter("table2", _plan, _section, claims)
