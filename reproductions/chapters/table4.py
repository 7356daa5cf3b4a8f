"""Table 4: examples of models of one half of the training set, given to models of the other."""

import itertools

from keras_intriguing.report import Cell, Claim, Section, Table
from reproductions.measurements.asymmetry import Asymmetry
from reproductions.measurements.examples import PENALTY
from reproductions.measurements.transfer import AMPLIFIED, Adversarial, Change, Clean, Noise, Transfer
from reproductions.shared import asymmetry_table, cells, descriptions
from reproductions.shared.chapter import Chapter
from reproductions.shared.intervals import Number
from reproductions.shared.measurement import Measurement, Values
from reproductions.shared.paper import PAPER
from reproductions.shared.run import Run

PRESETS = tuple(PAPER["table3"])
STDDEVS = (0.06, AMPLIFIED)
CLEAN = Transfer("table4/clean", Clean(), PRESETS)
ASYMMETRY = Asymmetry("table4/asymmetry", PRESETS)


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
            rows.append((name.format(cells.source_name(preset, row, run.images)), found))
        return rows

    def noise(stddev: float) -> tuple[str, list[Cell]]:
        found = cells.transfer(values[noisy(stddev)], PRESETS, papers[f"noise{stddev:g}"], f"{stddev:g}")
        return f"Gaussian noise, stddev {stddev:g}", found

    rows = [
        *block(Change.NONE, "{}"),
        noise(0.06),
        *block(Change.NOISE, "noise of the distortion of {}'s examples"),
        *block(Change.AMPLIFIED, "{}, amplified to 0.1"),
        noise(AMPLIFIED),
        ("nothing (clean images)", cells.transfer(values[CLEAN], PRESETS, None, "")),
    ]
    note = (
        f"Error of the column's model, against the true labels, on {descriptions.attacked(run)}, distorted by the penalty "
        f"method for the row's model towards random wrong classes. {descriptions.pairs(run)} Amplified: the difference from "
        "the original rescaled to a root mean square of 0.1, not clipped to [0, 1], like the noise."
    )
    literal = (
        "The paper prints x + 0.1 (x′ − x)/‖x′ − x‖₂ for the amplified rows. Taken literally, the change has an L2 norm, not "
        "a root mean square, of 0.1, far less than the smallest that changes the label: these rows. What its table "
        "shows is the rescaling to a root mean square of 0.1."
    )
    printed = block(Change.LITERAL, "{}, literally")
    tables = [
        Table("Error on distorted images", "examples of", columns, rows, note),
        Table("The formula as printed", "examples of", columns, printed, literal),
    ]
    if ASYMMETRY in values:
        published = {p: dict(zip(PRESETS, papers["as made"][p], strict=True)) for p in PRESETS}
        tables.append(asymmetry_table.table(values[ASYMMETRY], published))
    return Section("Table 4: cross-training-set generalization", tables)


def claims(run: Run, values: Values) -> list[Claim]:
    """What the table says of the paper's claims."""
    return [_disjoint_sets(values), _amplified(values)]


def _disjoint_sets(values: Values) -> Claim:
    first, second, other = PRESETS  # trained on P1, P1, P2
    across = [(first, other), (second, other), (other, first), (other, second)]
    same = [(first, second), (second, first)]

    def error(source: str, model: str) -> Number:
        return values[examples_of(source, Change.NONE)].errors[model]

    harder = sum(error(a, b).low > values[CLEAN].errors[b].high for a, b in across)
    listed = ", ".join(f"{100 * error(a, b).value:.1f}%" for a, b in across)
    on_same = ", ".join(f"{100 * error(a, b).value:.1f}%" for a, b in same)
    return Claim(
        "Adversarial examples “remain hard for models trained even on a disjoint training set” (read as: the error is "
        "above the clean error, with the 95% intervals apart, in all four pairs of a model of P1 and one of P2)",
        "holds" if harder == len(across) else "does not hold" if harder == 0 else "undecided",
        f"in {harder} of {len(across)} pairs; errors across the halves {listed}; between models of the same half {on_same}",
    )


def _amplified(values: Values) -> Claim:
    pairs = list(itertools.permutations(PRESETS, 2))
    noise = values[noisy(AMPLIFIED)].errors
    harder = sum(values[examples_of(a, Change.AMPLIFIED)].errors[b].low > noise[b].high for a, b in pairs)
    return Claim(
        "Amplified to a distortion of 0.1, examples of other models are far harder than noise of that size",
        "holds" if harder == len(pairs) else "does not hold" if harder == 0 else "undecided",
        f"in {harder} of {len(pairs)} pairs of models the 95% interval of the error is above that on the noise",
    )


CHAPTER = Chapter("table4", _plan, _section, claims)
