"""§4.2: adversarial training, at the input and at every layer, beside weight decay and dropout."""

from keras_intriguing.report import Cell, Claim, Section, Table, Verdict
from reproductions.measurements.distortions import AverageDistortion
from reproductions.measurements.errors import Errors
from reproductions.measurements.examples import DIRECT, NEAREST, RANDOM
from reproductions.presentation import cells, descriptions, recorded
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
    attacks = [f"distortion, {words}" for words in _TARGETS.values()]
    columns = ["test error", f"training error, {images}", *attacks]
    rows = [(_PAPER[preset]["name"], _cells(run, preset, values)) for preset in PRESETS]
    tested = (
        "on MNIST's 10,000 test images"
        if run.dataset == "mnist"
        else "recorded when the networks were trained"
    )
    table = Table(
        "Errors and average smallest distortions by way of training", "trained with", columns, rows, ""
    )
    return Section(
        "Adversarial training (§4.2): does it lower the test error?",
        [table],
        _text(run, values),
        method=[
            "Every row is FC100-100-10, trained by Adam on minibatches with the same epochs and learning rates. Options were "
            f"chosen on 10,000 of the training images; then all 60,000 were trained on. The test errors, {tested}, are those "
            "after the last epoch.",
            "Examples are trained on with half their change, since with the whole of it the error on those 10,000 was higher.",
            "The paper gives its test errors as “1.6%”, “around 1.3%” and “below 1.2%”, and no figure for examples at the "
            "input only.",
            "Distortion: root mean square of the change over 784 pixels in [0, 1], average over "
            f"{descriptions.attacked(run)}, by the direct method.",
        ],
    )


def _text(run: Run, values: Values) -> str:
    tested = {preset: 100 * error.value for preset, error in _tested(run, values).items()}
    best = min(PRESETS, key=tested.__getitem__)
    sizes = {preset: values[distortion(preset, NEAREST)].distortion.value for preset in PRESETS}
    hardest = max(PRESETS, key=sizes.__getitem__)
    return (
        f"The lowest test error is {tested[best]:.2f}%, with {_PAPER[best]['name']}. Adversarial examples at every layer give "
        f"{tested[EVERY]:.2f}%, where the paper has less than {_PAPER[EVERY]['test_error']:g}%. The network that is hardest to change is the one trained with {_PAPER[hardest]['name']}: the "
        f"nearest class lies at a distortion of {sizes[hardest]:.4f} on average."
    )


def _tested(run: Run, values: Values) -> dict[str, Number]:
    """The test errors."""
    return {preset: recorded.error(run, preset, "test", values[errors(preset)]) for preset in PRESETS}


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
    tested = _tested(run, values)
    plain, trained = (values[distortion(preset, NEAREST)].distortion for preset in (DECAY, EVERY))
    return [_reaches(tested), _gains(tested), _only_at_layers(tested), _distortion_grows(plain, trained)]


def _percents(number: Number) -> list[float]:
    """The training runs'."""
    return [100 * share for share in number.runs]


def _listed(tested: dict[str, Number], *presets: str) -> str:
    numbers = {_PAPER[p]["name"]: 100 * tested[p].value for p in presets}
    return ", ".join(f"{name} {value:.2f}%" for name, value in numbers.items())


def _test_error(tested: dict[str, Number], preset: str) -> Cell:
    return cells.percent(tested[preset], _PAPER[preset]["shown"])


def _reaches(tested: dict[str, Number]) -> Claim:
    runs, below = _percents(tested[EVERY]), _PAPER[EVERY]["test_error"]
    reached = sum(run < below for run in runs)
    return Claim(
        f"Adversarial examples at every layer bring a 100-100-10 network's test error below {below:g}%",
        "holds" if reached == len(runs) else "does not hold" if reached == 0 else "undecided",
        "test error with examples at every layer",
        _test_error(tested, EVERY),
        f"It is in {reached} of {len(runs)} training runs. Test errors: {_listed(tested, EVERY, INPUT)}.",
    )


def _gains(tested: dict[str, Number]) -> Claim:
    baselines = (DECAY, DROPOUT)
    best = min(baselines, key=lambda preset: tested[preset].value)
    return Claim(
        "Such a network has a lower test error than with weight decay and than with dropout",
        _lower(_percents(tested[EVERY]), [run for p in baselines for run in _percents(tested[p])]),
        f"test error with {_PAPER[best]['name']}; {100 * tested[EVERY].value:.2f}% with such examples",
        _test_error(tested, best),
        f"Read as: in every training run. Test errors: {_listed(tested, EVERY, *baselines)}.",
    )


def _only_at_layers(tested: dict[str, Number]) -> Claim:
    return Claim(
        "Examples at the outputs of every layer are needed: at the input alone the error is higher",
        _lower(_percents(tested[EVERY]), _percents(tested[INPUT])),
        "test error with examples at the input",
        _test_error(tested, INPUT),
        f"Read as: in every training run. Test errors: {_listed(tested, EVERY, INPUT)}.",
    )


def _distortion_grows(plain: Number, trained: Number) -> Claim:
    apart = plain.high < trained.low, trained.high < plain.low
    return Claim(
        "Adversarial training at every layer makes the network harder to change",
        "holds" if apart[0] else "does not hold" if apart[1] else "undecided",
        f"average distortion to the nearest class; {plain.value:.4f} with weight decay alone",
        cells.distortion(trained),
        "The paper gives no figure. Read as: the 95% intervals lie apart.",
        of_paper=False,
    )


def _lower(ours: list[float], theirs: list[float]) -> Verdict:
    """Whether every training run of ours is below every one of theirs; the opposite; or neither."""
    if max(ours) < min(theirs):
        return "holds"
    return "does not hold" if min(ours) > max(theirs) else "undecided"


CHAPTER = Chapter("adversarial", _plan, _section, claims)
