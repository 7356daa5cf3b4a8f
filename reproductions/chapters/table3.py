"""Table 3: models of disjoint halves of the training set."""

from keras_intriguing.report import Claim, Section, Table
from reproductions.measurements.distortions import AverageDistortion
from reproductions.measurements.errors import Errors
from reproductions.measurements.examples import METHODS, RANDOM
from reproductions.shared import cells, descriptions, recorded
from reproductions.shared.chapter import Chapter
from reproductions.shared.measurement import Measurement, Values
from reproductions.shared.paper import PAPER
from reproductions.shared.run import Run

PRESETS = tuple(PAPER["table3"])
_SPLITS = ("p1", "p2", "test")


def errors(preset: str) -> Errors:
    """A model's errors on both halves and the test images."""
    return Errors(f"table3/{preset}-errors", preset, _SPLITS)


def distortion(preset: str, method: str) -> AverageDistortion:
    """A model's average minimum distortion."""
    return AverageDistortion(f"table3/{preset}-{method}", preset, method, RANDOM)


def _plan(run: Run) -> list[Measurement]:
    planned: list[Measurement] = []
    for preset in PRESETS:
        planned += [errors(preset), *(distortion(preset, method) for method in METHODS)]
    return planned


def _section(run: Run, values: Values) -> Section:
    """The table."""
    half = "" if run.dataset == "mnist" else ", of mnist5k"
    methods = [f"min. av. distortion, {method}" for method in METHODS]
    columns = [f"error on P1{half}", f"error on P2{half}", "test error", *methods]
    rows = []
    for preset in PRESETS:
        paper = PAPER["table3"][preset]
        row = [
            recorded.error_cell(run, preset, split, values[errors(preset)], f"{paper[split]:g}%")
            for split in _SPLITS
        ]
        for method in METHODS:
            measured = values[distortion(preset, method)]
            row.append(
                cells.distortion(measured.distortion, f"{paper['distortion']:g}", measured.success.value)
            )
        trained_on = preset.split("_")[-1].upper()
        rows.append((f"{PAPER['presets'][preset]}, trained on {trained_on}", row))
    note = (
        "P1 and P2: disjoint halves of MNIST's training images, 30,000 each. Distortion as in Table 1, "
        f"{descriptions.attacked(run)}, towards random wrong classes."
    )
    return Section(
        "Table 3: models of disjoint training sets",
        [Table("Errors and distortions", "model", columns, rows, note)],
    )


def claims(run: Run, values: Values) -> list[Claim]:
    """What the table says of the paper's figures."""
    off, unclear = 0, 0
    gaps: dict[str, float] = {}
    for preset in PRESETS:
        for split, number in values[errors(preset)].items():
            paper = PAPER["table3"][preset][split]
            gap = 100 * number.value - paper
            gaps[f"{PAPER['presets'][preset]} on {split}"] = gap
            if abs(gap) > 0.5:
                overlaps = 100 * number.low <= paper + 0.5 and 100 * number.high >= paper - 0.5
                off, unclear = off + (not overlaps), unclear + overlaps
    worst = max(gaps, key=lambda name: abs(gaps[name]))
    return [
        Claim(
            "The errors of Table 3 (read as: every one within half a percent point)",
            "does not hold" if off else "undecided" if unclear else "holds",
            f"of {len(gaps)} measured, the largest difference is {gaps[worst]:+.2f} points, {worst}",
        )
    ]


CHAPTER = Chapter("table3", _plan, _section, claims)
