"""Table 4: examples of models of one half of the training set, given to models of the other."""

import itertools
from collections.abc import Sequence

import numpy as np

from keras_intriguing.report import Cell, Claim, Section, Table
from reproductions.measurements.asymmetry import Asymmetry
from reproductions.measurements.examples import PENALTY
from reproductions.measurements.transfer import AMPLIFIED, Adversarial, Change, Clean, Noise, Transfer
from reproductions.presentation import asymmetry, cells, descriptions
from reproductions.presentation.averages import average, error_on_the_images_of
from reproductions.presentation.verdicts import POINTS, claim, difference
from reproductions.shared import verdict
from reproductions.shared.chapter import Chapter
from reproductions.shared.effects import of_outcomes
from reproductions.shared.intervals import Number
from reproductions.shared.measurement import Measurement, Values
from reproductions.shared.paper import PAPER
from reproductions.shared.run import Run
from reproductions.shared.verdict import ERROR_MARGIN

PRESETS = tuple(PAPER["table3"])
STDDEVS = (0.06, AMPLIFIED)
CLEAN = Transfer("table4/clean", Clean(), PRESETS)
ASYMMETRY = Asymmetry("table4/asymmetry", PRESETS)
_FIRST, _SECOND, _OTHER = PRESETS  # trained on P1, P1, P2
# pairs of an attacked model and a model that its examples are given to
_ACROSS = (
    (_FIRST, _OTHER),
    (_SECOND, _OTHER),
    (_OTHER, _FIRST),
    (_OTHER, _SECOND),
)
_WITHIN = ((_FIRST, _SECOND), (_SECOND, _FIRST))


def noisy(stddev: float) -> Transfer:
    """The models' errors under noise."""
    return Transfer(f"table4/noise{stddev:g}", Noise(stddev), PRESETS)


def examples_of(preset: str, change: Change) -> Transfer:
    """The models' errors on the examples of one of them, or on what is made of these."""
    return Transfer(f"table4/{preset}-{change.value}", Adversarial(preset, PENALTY, change), PRESETS)


def _plan(run: Run) -> list[Measurement]:
    planned: list[Measurement] = [CLEAN, *(noisy(stddev) for stddev in STDDEVS)]
    planned += [examples_of(preset, change) for change in Change for preset in PRESETS]
    return [*planned, ASYMMETRY] if run.training_seeds > 1 else planned


def _section(run: Run, values: Values) -> Section:
    """The paper's table with noise beside, and what the printed formula of its lower rows would give."""
    columns = [*(PAPER["presets"][preset] for preset in PRESETS), "average distortion"]
    papers = PAPER["table4"]

    def block(change: Change, name: str) -> list[tuple[str, list[Cell]]]:
        rows = []
        for preset in PRESETS:
            row = values[examples_of(preset, change)]
            rms = {Change.NONE: PAPER["table3"][preset]["distortion"], Change.AMPLIFIED: AMPLIFIED}.get(
                change
            )
            published = {Change.NONE: papers["as made"], Change.AMPLIFIED: papers["amplified"]}.get(change)
            found = cells.transfer(
                row, PRESETS, published[preset] if published else None, f"{rms:g}" if rms else ""
            )
            rows.append((name.format(cells.source_name(preset, row)), found))
        return rows

    def noise(stddev: float) -> tuple[str, list[Cell]]:
        found = cells.transfer(values[noisy(stddev)], PRESETS, papers[f"noise{stddev:g}"], f"{stddev:g}")
        return f"Gaussian noise, stddev {stddev:g}", found

    rows = [
        *block(Change.NONE, "{}"),
        noise(0.06),
        *block(Change.AMPLIFIED, "{}, amplified to 0.1"),
        noise(AMPLIFIED),
        ("nothing (clean images)", cells.transfer(values[CLEAN], PRESETS, None, "")),
    ]
    amplified = (
        "Amplified: the difference from the original is rescaled to a root mean square of 0.1; like the noise, it is not "
        "clipped to [0, 1]."
    )
    literal = (
        "The paper prints x + 0.1 (x′ − x)/‖x′ − x‖₂ for the amplified rows. Taken literally, the change has an L2 norm, not "
        "a root mean square, of 0.1, far less than the smallest that changes the label: these rows. What its table "
        "shows is the rescaling to a root mean square of 0.1."
    )
    printed = block(Change.LITERAL, "{}, literally")
    same_size = block(Change.NOISE, "{}")
    folded = [
        Table(
            "Noise of the same size as the examples",
            "as large as those of",
            columns,
            same_size,
            "For every image noise as large as its adversarial change.",
        ),
        Table("The formula as printed", "examples of", columns, printed, literal),
    ]
    if ASYMMETRY in values:
        published = {p: dict(zip(PRESETS, papers["as made"][p], strict=True)) for p in PRESETS}
        attacked = {p: values[examples_of(p, Change.NONE)] for p in PRESETS}
        folded.append(asymmetry.table("Table 4", values[ASYMMETRY], attacked, published))
    return Section(
        "Table 4: examples across disjoint training sets",
        [Table("Error on changed images", "examples of", columns, rows, amplified)],
        _text(values),
        folded=folded,
        method=[
            "FC100-100-10 and FC123-456-10 were trained on one half of MNIST's training images, FC100-100-10′ on the other.",
            f"A number is the error of the column's model, against the true labels, on {descriptions.attacked(run)}, changed by "
            f"the penalty method for the row's model towards random wrong classes. {descriptions.pairs(run)}".strip(),
        ],
    )


def _mean(values: Values, change: Change, pairs: Sequence[tuple[str, str]]) -> Number:
    """Of the errors over pairs of an attacked model and one that its examples are given to."""
    return average([values[examples_of(a, change)].errors[b] for a, b in pairs])


def _papers(block: str, pairs: Sequence[tuple[str, str]]) -> list[float]:
    """The paper's errors of these pairs, in percent."""
    return [PAPER["table4"][block][a][PRESETS.index(b)] for a, b in pairs]


def _text(values: Values) -> str:
    def shown(number: Number) -> str:
        return f"{100 * number.value:.1f}%"

    def on_the_same(row: Transfer) -> str:
        return f"{error_on_the_images_of(values[examples_of(_FIRST, Change.NONE)], values[row]):.1f}%"

    return (
        "Examples of a model of one half give a model of the other half an error of "
        f"{shown(_mean(values, Change.NONE, _ACROSS))} on average, a model of the same half "
        f"{shown(_mean(values, Change.NONE, _WITHIN))}; on the same images, clean, it is {on_the_same(CLEAN)}. Amplified to 0.1, they give "
        f"{shown(_mean(values, Change.AMPLIFIED, _ACROSS))} across the halves and "
        f"{shown(_mean(values, Change.AMPLIFIED, _WITHIN))} within, where Gaussian noise of that size gives "
        f"{on_the_same(noisy(AMPLIFIED))}."
    )


def claims(run: Run, values: Values) -> list[Claim]:
    """What the table says of the paper's claims."""
    return [_disjoint_sets(values), _amplified(values)]


def _disjoint_sets(values: Values) -> Claim:
    def error(source: str, model: str) -> Number:
        return values[examples_of(source, Change.NONE)].errors[model]

    clean = values[CLEAN]
    rises = {
        f"{PAPER['presets'][a]} → {PAPER['presets'][b]}": difference(
            values[examples_of(a, Change.NONE)].wrong[b], clean.wrong[b]
        )
        for a, b in _ACROSS
    }
    effects = {name: of_outcomes(rise) for name, rise in rises.items()}
    counts = [_counts(rise) for rise in rises.values()]
    on_clean = error_on_the_images_of(values[examples_of(_FIRST, Change.NONE)], clean)
    published = _papers("as made", _ACROSS)
    within = ", ".join(f"{100 * error(a, b).value:.1f}%" for a, b in _WITHIN)
    return claim(
        "Adversarial examples stay hard for models of a disjoint training set",
        verdict.greater(list(effects.values()), ERROR_MARGIN),
        effects,
        POINTS,
        "average error across the halves",
        cells.percent(_mean(values, Change.NONE, _ACROSS), f"{sum(published) / len(published):.1f}%"),
        "They “remain hard for models trained even on a disjoint training set”; read as: in all four pairs of a model of one half "
        f"and one of the other the error is above that on the same clean images, {on_clean:.1f}%. Newly wrong / newly right, summed "
        f"over training runs: {', '.join(counts)}. "
        f"Errors between models of the same half: {within}.",
    )


def _counts(rise: np.ndarray) -> str:
    """How many images are newly wrong and newly right, in all pairs of training runs."""
    return f"{(rise > 0).sum():,} / {(rise < 0).sum():,}"


def _amplified(values: Values) -> Claim:
    pairs = list(itertools.permutations(PRESETS, 2))
    noise = values[noisy(AMPLIFIED)]
    amplified = {pair: values[examples_of(pair[0], Change.AMPLIFIED)] for pair in pairs}
    harder = {
        f"{PAPER['presets'][a]} → {PAPER['presets'][b]}": of_outcomes(
            difference(row.wrong[b], noise.wrong[b])
        )
        for (a, b), row in amplified.items()
    }
    lowest = min((row.errors[b] for (_, b), row in amplified.items()), key=lambda number: number.value)
    return claim(
        "Amplified to a distortion of 0.1, such examples are harder than noise of that size",
        verdict.greater(list(harder.values()), ERROR_MARGIN),
        harder,
        POINTS,
        "lowest error of a pair of models",
        cells.percent(lowest, f"{min(_papers('amplified', pairs)):g}%"),
        f"On noise the error is at most {100 * max(n.value for n in noise.errors.values()):.1f}%. Read as: in all pairs of models, "
        "on the same images.",
    )


CHAPTER = Chapter("table4", _plan, _section, claims)
