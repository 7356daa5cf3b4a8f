"""Table 3: models of disjoint halves of the training set."""

from keras_intriguing.report import Cell, Claim, Section, Table
from reproductions.measurements.distortions import AverageDistortion
from reproductions.measurements.errors import Errors
from reproductions.measurements.examples import METHODS, PENALTY, RANDOM
from reproductions.presentation import cells, descriptions, recorded
from reproductions.presentation.verdicts import POINTS, claim
from reproductions.shared import verdict
from reproductions.shared.chapter import Chapter
from reproductions.shared.effects import Effect, of_runs, of_share
from reproductions.shared.intervals import Number
from reproductions.shared.measurement import Measurement, Values
from reproductions.shared.paper import PAPER
from reproductions.shared.run import Run

PRESETS = tuple(PAPER["table3"])
_ROUNDING = 0.005
_SPLITS = {"p1": "P1", "p2": "P2", "test": "the test images"}


def errors(preset: str) -> Errors:
    """A model's errors on both halves and the test images."""
    return Errors(f"table3/{preset}-errors", preset, tuple(_SPLITS))


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
    return Section(
        "Table 3: models of disjoint training sets",
        [Table("Errors and average smallest distortions on disjoint halves", "model", columns, rows, "")],
        _text(values),
        method=[
            "P1 and P2 are disjoint halves of MNIST's training images, 30,000 each.",
            "Distortion: root mean square of the change over 784 pixels in [0, 1], average over "
            f"{descriptions.attacked(run)}, towards random wrong classes.",
        ],
    )


def _text(values: Values) -> str:
    gaps = _gaps(values)
    worst = max(gaps, key=lambda name: abs(gaps[name]))
    sizes = [values[distortion(p, PENALTY)].distortion.value for p in PRESETS]
    papers = [PAPER["table3"][p]["distortion"] for p in PRESETS]
    return (
        f"All {len(gaps)} errors that were measured lie within {abs(gaps[worst]):.2f} percentage points of the paper's; the largest "
        f"difference is that of {worst}. The average distortions are {min(sizes):.3f} to {max(sizes):.3f}, {min(papers):g} to "
        f"{max(papers):g} in the paper."
    )


def _gaps(values: Values) -> dict[str, float]:
    """Our errors minus the paper's, in percentage points, by model and images."""
    return {
        f"{PAPER['presets'][preset]} on {_SPLITS[split]}": 100 * number.value - PAPER["table3"][preset][split]
        for preset in PRESETS
        for split, number in values[errors(preset)].items()
    }


def claims(run: Run, values: Values) -> list[Claim]:
    """What the table says of the paper's figures."""
    apart = {
        f"{PAPER['presets'][preset]} on {_SPLITS[split]}": _apart(
            split, number, PAPER["table3"][preset][split]
        )
        for preset in PRESETS
        for split, number in values[errors(preset)].items()
    }
    worst = max(apart, key=lambda name: abs(apart[name].value))
    return [
        claim(
            "The errors are the paper's, to half a percentage point",
            verdict.alike(list(apart.values()), _ROUNDING),
            apart,
            POINTS,
            f"largest difference of {len(apart)} errors: {worst}",
            Cell(f"{100 * apart[worst].value:+.2f} points"),
            "Half a point, since some of the paper's errors are rounded to whole ones. The test images are those of the paper, so that "
            "of test errors only the training run is taken as drawn; the paper's halves were others.",
            of_paper=False,
        )
    ]


def _apart(split: str, number: Number, paper: float) -> Effect:
    """An error minus the paper's, which is in percent."""
    if split == "test":
        return of_runs(number.runs, paper / 100)
    return of_share(number, paper / 100)


CHAPTER = Chapter("table3", _plan, _section, claims)
