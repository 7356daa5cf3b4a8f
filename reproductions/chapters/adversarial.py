"""§4.2: adversarial training, at the input and at every layer, beside weight decay and dropout."""

from keras_intriguing.report import Cell, Claim, Section, Table, Verdict
from reproductions.measurements.distortions import AverageDistortion
from reproductions.measurements.errors import Errors
from reproductions.measurements.examples import DIRECT, NEAREST, RANDOM
from reproductions.shared import cells, descriptions, recorded
from reproductions.shared.chapter import Chapter
from reproductions.shared.intervals import Number
from reproductions.shared.measurement import Measurement, Values
from reproductions.shared.paper import PAPER
from reproductions.shared.run import Run

_PAPER = PAPER["adversarial"]
DECAY, DROPOUT, INPUT, EVERY = PRESETS = tuple(_PAPER)
_TARGETS = {NEAREST: "nearest class", RANDOM: "random targets"}


def errors(preset: str) -> Errors:
    """The errors of a way of training."""
    return Errors(f"adversarial/{preset}-errors", preset, ("train", "test"))


def distortion(preset: str, targets: str) -> AverageDistortion:
    """Its average minimum distortion."""
    return AverageDistortion(f"adversarial/{preset}-{targets}", preset, DIRECT, targets)


def _plan(run: Run) -> list[Measurement]:
    planned: list[Measurement] = []
    for preset in PRESETS:
        planned += [errors(preset), *(distortion(preset, targets) for targets in _TARGETS)]
    return planned


def _section(run: Run, values: Values) -> Section:
    """The table."""
    images = "MNIST" if run.dataset == "mnist" else "5,000 MNIST training images"
    attacks = [f"distortion, {words}, direct" for words in _TARGETS.values()]
    columns = ["test error", f"training error, {images}", *attacks]
    rows = [(_PAPER[preset]["name"], _cells(run, preset, values)) for preset in PRESETS]
    note = (
        "FC100-100-10 by Adam on minibatches, the same epochs and learning rates in all rows; options were chosen on "
        "10,000 of the training images, then all 60,000 trained on, and the test error is the last epoch's. Examples are "
        "trained on with half their change, since with the whole of it the error on those 10,000 was higher. The paper "
        "gives its test errors as “1.6%”, “around 1.3%” and “below 1.2%”, and no figure for examples at the input "
        f"only. Distortion as in Table 1, {descriptions.attacked(run)}."
    )
    table = Table("Errors and average minimum distortion", "trained with", columns, rows, note)
    return Section("§4.2: adversarial training", [table])


def _cells(run: Run, preset: str, values: Values) -> list[Cell]:
    measured = values[errors(preset)]
    found = [
        recorded.error_cell(run, preset, "test", measured, _PAPER[preset]["shown"]),
        cells.percent(measured["train"]),
    ]
    for targets in _TARGETS:
        attacked = values[distortion(preset, targets)]
        found.append(cells.distortion(attacked.distortion, success=attacked.success.value))
    return found


def claims(run: Run, values: Values) -> list[Claim]:
    """What the table says of the paper's claims."""
    tested = {preset: recorded.error(run, preset, "test", values[errors(preset)]) for preset in PRESETS}
    plain, trained = (values[distortion(preset, NEAREST)].distortion for preset in (DECAY, EVERY))
    return [_reaches(tested), _gains(tested), _only_at_layers(tested), _distortion_grows(plain, trained)]


def _percents(number: Number) -> list[float]:
    """The training runs'."""
    return [100 * share for share in number.runs]


def _listed(tested: dict[str, Number], *presets: str) -> str:
    numbers = {_PAPER[p]["name"]: 100 * tested[p].value for p in presets}
    return ", ".join(f"{name} {value:.2f}%" for name, value in numbers.items())


def _reaches(tested: dict[str, Number]) -> Claim:
    runs, below = _percents(tested[EVERY]), _PAPER[EVERY]["test_error"]
    reached = sum(run < below for run in runs)
    return Claim(
        f"With adversarial examples made at every layer a 100-100-10 net has a test error below {below:g}%",
        "holds" if reached == len(runs) else "does not hold" if reached == 0 else "undecided",
        f"{reached} of {len(runs)} training runs; test errors: {_listed(tested, EVERY, INPUT)}",
    )


def _gains(tested: dict[str, Number]) -> Claim:
    baselines = (DECAY, DROPOUT)
    return Claim(
        "That error is lower than with weight decay and than with dropout",
        _lower(_percents(tested[EVERY]), [run for p in baselines for run in _percents(tested[p])]),
        f"test errors: {_listed(tested, EVERY, *baselines)}",
    )


def _only_at_layers(tested: dict[str, Number]) -> Claim:
    return Claim(
        "It takes examples made at the outputs of each layer: with those at the input only, the error is higher",
        _lower(_percents(tested[EVERY]), _percents(tested[INPUT])),
        f"test errors: {_listed(tested, EVERY, INPUT)}",
    )


def _distortion_grows(plain: Number, trained: Number) -> Claim:
    apart = plain.high < trained.low, trained.high < plain.low
    return Claim(
        "Adversarial training makes a net harder to distort (not in the paper, which gives no figure)",
        "holds" if apart[0] else "does not hold" if apart[1] else "undecided",
        f"average minimum distortion to the nearest class {trained.value:.4f}, with weight decay alone "
        f"{plain.value:.4f}",
    )


def _lower(ours: list[float], theirs: list[float]) -> Verdict:
    """Whether every training run of ours is below every one of theirs; the opposite; or neither."""
    if max(ours) < min(theirs):
        return "holds"
    return "does not hold" if min(ours) > max(theirs) else "undecided"


CHAPTER = Chapter("adversarial", _plan, _section, claims)
