"""Table 2: the error of every model on the examples of every other, and on noise."""

import numpy as np

from keras_intriguing.report import Cell, Claim, Figure, Section, Table, figures
from reproductions.measurements.asymmetry import Asymmetry
from reproductions.measurements.examples import DIRECT, METHODS, PENALTY
from reproductions.measurements.transfer import Adversarial, Clean, Noise, Transfer, TransferRow
from reproductions.shared import asymmetry_table, cells, descriptions, intervals
from reproductions.shared.chapter import Chapter
from reproductions.shared.intervals import Number
from reproductions.shared.measurement import Measurement, Values
from reproductions.shared.paper import PAPER
from reproductions.shared.run import Run

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
    """The table by the paper's method and by ours, and a heat map of the first."""
    note = (
        f"Error of the column's model, against the true labels, on {descriptions.attacked(run)}, distorted for the row's "
        f"model towards random wrong classes. {descriptions.pairs(run)}"
    )
    tables = [
        Table("By the paper's method, the penalty", "examples of", *_grid(run, values, PENALTY), note),
        Table(
            "By the direct method",
            "examples of",
            *_grid(run, values, DIRECT),
            note
            + " These lie on the decision boundary of the attacked model, nearer than the paper's examples.",
        ),
    ]
    if ASYMMETRY in values:
        papers = {p: dict(zip(PRESETS, PAPER["table2"]["rows"][p], strict=True)) for p in PRESETS}
        tables.append(asymmetry_table.table(values[ASYMMETRY], papers))
    return Section("Table 2: cross-model generalization", tables, [_heat_map(run, values)])


def _heat_map(run: Run, values: Values) -> Figure:
    names = [PAPER["presets"][p] for p in PRESETS]
    rows = dict(zip(names, (values[examples_of(preset, PENALTY)] for preset in PRESETS), strict=True))
    rows |= {_noise_name(stddev): values[noisy(stddev)] for stddev in STDDEVS}
    rows[_CLEAN_NAME] = values[CLEAN]
    matrix = np.array([[100 * row.errors[p].value for p in PRESETS] for row in rows.values()])
    path = run.out / "figures" / "table2-heat-map.png"
    figures.heat_map(path, matrix, list(rows), names, "error, %")
    caption = "Rows: the attacked model, by the penalty method. Columns: the model whose error is shown."
    return Figure("Heat map of Table 2", path, caption)


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
        rows.append((cells.source_name(preset, row, run.images), found))

    def unattacked(name: str, row: TransferRow, paper: list[float] | None, rms: str) -> None:
        found = cells.transfer(row, PRESETS, paper, rms)
        rows.append((name, [*found, Cell()] if several else found))

    for stddev in STDDEVS:
        unattacked(_noise_name(stddev), values[noisy(stddev)], _papers_noise(stddev), f"{stddev:g}")
    unattacked(_CLEAN_NAME, values[CLEAN], None, "")
    return columns, rows


def _papers_noise(stddev: float) -> list[float] | None:
    return PAPER["table2"]["rows"].get(f"noise{stddev:g}")


_CLEAN_NAME = "nothing (clean images)"


def _noise_name(stddev: float) -> str:
    return f"Gaussian noise, stddev {stddev:g}"


def claims(run: Run, values: Values) -> list[Claim]:
    """What the table says of the paper's claims."""
    return [_transfer(values), _noise(values), _autoencoder(values), _agreement(values)]


def _error(values: Values, source: str, model: str) -> Number:
    """Of a model on the examples of another by the paper's method."""
    return values[examples_of(source, PENALTY)].errors[model]


def _transfer(values: Values) -> Claim:
    pairs = [(source, model) for source in PRESETS for model in PRESETS if source != model]
    above = sum(_error(values, *pair).low > values[CLEAN].errors[pair[1]].high for pair in pairs)
    return Claim(
        "“A relatively large fraction of examples will be misclassified by networks trained from scratch with "
        "different hyper-parameters” (read as: the error rises for most pairs of models)",
        "holds" if above > len(pairs) / 2 else "does not hold",
        f"in {above} of {len(pairs)} pairs of different models the error on the examples is above the clean error, with "
        "their 95% intervals apart",
    )


def _noise(values: Values) -> Claim:
    harder = easier = 0
    for model in PRESETS:
        noise = values[noisy(0.1)].errors[model]
        errors = [_error(values, source, model).value for source in PRESETS if source != model]
        on_others = sum(errors) / len(errors)
        harder += on_others > noise.high
        easier += on_others < noise.low
    verdict = "holds" if harder == len(PRESETS) else "does not hold" if harder == 0 or easier else "undecided"
    return Claim(
        "Examples of other models are harder than Gaussian noise of stddev 0.1",
        verdict,
        f"for {harder} of {len(PRESETS)} models their average error on the others' examples is above the 95% interval of "
        f"that on noise, for {easier} below",
    )


def _autoencoder(values: Values) -> Claim:
    ours = "ae400_10_mnist"
    others = [model for model in PRESETS if model != ours]

    def mean(model: str, rival: str, end: str = "value") -> float:
        """Of the error, or of an end of its interval, over the examples that are foreign to both."""
        foreign = [p for p in PRESETS if p not in (model, rival)]
        return sum(getattr(_error(values, p, model), end) for p in foreign) / len(foreign)

    if all(mean(ours, p, "high") < mean(p, ours, "low") for p in others):
        verdict = "holds"
    elif any(mean(ours, p, "low") > mean(p, ours, "high") for p in others):
        verdict = "does not hold"
    else:
        verdict = "undecided"
    listed = ", ".join(
        f"{100 * mean(ours, p):.1f}% against {100 * mean(p, ours):.1f}% of {PAPER['presets'][p]}"
        for p in others
    )
    return Claim(
        "The autoencoder is the most resilient to examples of other models, though not immune (read as: less error than each "
        "other model on the examples of the models that are neither of the two)",
        verdict,
        f"average errors: {listed}",
    )


def _agreement(values: Values) -> Claim:
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
    return Claim(
        "Table 2 off the diagonal, cell by cell (holds: its figure is within the 95% intervals of our training runs for nine "
        "cells of ten; does not: for fewer than half)",
        "holds" if inside >= 0.9 * total else "does not hold" if inside < total / 2 else "undecided",
        f"{inside} of {total} are, {above} of ours are above, {total - inside - above} below",
    )


CHAPTER = Chapter("table2", _plan, _section, claims)
