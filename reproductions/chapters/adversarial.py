"""§4.2: adversarial training, at the input and at every layer, beside weight decay and dropout."""

import dataclasses
from collections.abc import Sequence

from keras_intriguing.report import Cell, Claim, Section, Table
from reproductions.measurements.distortions import AverageDistortion
from reproductions.measurements.errors import ErrorRate, Errors
from reproductions.measurements.examples import DIRECT, NEAREST, RANDOM
from reproductions.presentation import cells, descriptions, recorded
from reproductions.presentation.verdicts import DISTORTION, POINTS, between_models, claim
from reproductions.shared import verdict
from reproductions.shared.chapter import Chapter
from reproductions.shared.effects import Effect, of_outcomes, of_runs, of_share, of_values
from reproductions.shared.intervals import Number
from reproductions.shared.measurement import Measurement, Values
from reproductions.shared.paper import PAPER
from reproductions.shared.run import Run
from reproductions.shared.verdict import DISTORTION_MARGIN

_PAPER = PAPER["adversarial"]
DECAY, DROPOUT, INPUT, EVERY, STEP_INPUT, STEP_EVERY = PRESETS = tuple(_PAPER)
_MARGIN = 0.001  # of test errors: the smallest difference that the paper speaks of, of 1.3% and 1.2%
_OF_PAPER = "from pools"  # the scheme that the paper describes; the other is a cheaper one
# How examples are made: at the input alone, and at every layer.
_SCHEMES = {_OF_PAPER: (INPUT, EVERY), "by gradient steps": (STEP_INPUT, STEP_EVERY)}
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
            f"Every row is FC100-100-10, trained by Adam on minibatches. Options were chosen on 10,000 of the training "
            f"images, then all 60,000 were trained on. The test errors, {tested}, are those after the last epoch.",
            "Pools are the paper's: minimal perturbations of a layer's outputs, of which a part is replaced before every "
            "epoch. Gradient steps are a cheaper counterpart: every image of every minibatch is "
            "moved along the gradient by a fixed length. In both, layers take turns, and examples at a layer's outputs train "
            "the layers above it.",
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
    every = ", ".join(
        f"{tested[preset]:.2f}% with {_PAPER[preset]['name']}" for preset in (EVERY, STEP_EVERY)
    )
    return (
        f"The lowest test error is {tested[best]:.2f}%, with {_PAPER[best]['name']}. Adversarial examples at every layer "
        f"give {every}, where the paper has less than {_PAPER[EVERY]['test_error']:g}%. The network that is hardest to "
        f"change is the one trained with {_PAPER[hardest]['name']}: the nearest class lies at a distortion of "
        f"{sizes[hardest]:.4f} on average."
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
    return [
        dataclasses.replace(claim, of_paper=claim.of_paper and scheme == _OF_PAPER)
        for scheme in _SCHEMES
        for claim in _of_scheme(scheme, tested, values)
    ]


def _of_scheme(scheme: str, tested: dict[str, Number], values: Values) -> list[Claim]:
    """The claims about examples that are made in one way."""
    at_input, at_every = _SCHEMES[scheme]
    return [
        _reaches(
            f"Adversarial examples {scheme} at every layer bring a 100-100-10 network's test error below "
            f"{_PAPER[at_every]['test_error']:g}%",
            tested,
            at_every,
        ),
        _lower(
            f"With examples {scheme} at every layer the test error is lower than with weight decay and than with dropout",
            tested,
            at_every,
            (DECAY, DROPOUT),
        ),
        _lower(
            f"Examples {scheme} are needed at the outputs of every layer: at the input alone the error is higher",
            tested,
            at_every,
            (at_input,),
        ),
        *(
            _distortion_grows(
                values, preset, f"Adversarial examples {scheme} at {place} make the network harder to change"
            )
            for preset, place in ((at_every, "every layer"), (at_input, "the input"))
        ),
    ]


def _test_error(tested: dict[str, Number], preset: str) -> Cell:
    return cells.percent(tested[preset], _PAPER[preset]["shown"])


def _reaches(statement: str, tested: dict[str, Number], preset: str) -> Claim:
    below = _PAPER[preset]["test_error"]
    missing = {"Below by": of_runs([below / 100 - run for run in tested[preset].runs], 0.0)}
    return claim(
        statement,
        verdict.greater(list(missing.values()), 0.0),
        missing,
        POINTS,
        "test error with examples at every layer",
        _test_error(tested, preset),
        "The test images are those of the paper, so that only the training run is taken as drawn.",
    )


def _lower(statement: str, tested: dict[str, Number], preset: str, others: Sequence[str]) -> Claim:
    """Whether a way of training gives a lower test error than each of the others."""
    less = {_PAPER[other]["name"]: _less(tested[preset], tested[other]) for other in others}
    closest = min(less, key=lambda name: less[name].value)
    ends = " to ".join(map(POINTS.signed, less[closest].interval()))
    return claim(
        statement,
        verdict.greater(list(less.values()), _MARGIN),
        less,
        POINTS,
        f"points of test error that examples at every layer gain on {closest}",
        Cell(POINTS.signed(less[closest].value), ends),
        f"With examples at every layer it is {100 * tested[preset].value:.2f}%. How much lower that is than with",
    )


def _less(ours: Number, theirs: Number) -> Effect:
    """By how much our error is lower: image by image where both were measured, and not recorded."""
    if isinstance(ours, ErrorRate) and isinstance(theirs, ErrorRate):
        return of_outcomes(between_models(theirs.wrong, ours.wrong))
    return of_share(theirs, 0.0).minus(of_share(ours, 0.0))


def _distortion_grows(values: Values, preset: str, statement: str) -> Claim:
    trained, plain = (values[distortion(p, NEAREST)] for p in (preset, DECAY))
    longer = {"Longer than with weight decay alone by": of_values(between_models(trained.each, plain.each))}
    return claim(
        statement,
        verdict.greater(list(longer.values()), DISTORTION_MARGIN),
        longer,
        DISTORTION,
        "average distortion to the nearest class",
        cells.distortion(trained.distortion),
        f"The paper gives no figure. Distances to the nearest class, image by image; with weight decay alone {plain.distortion.value:.4f}.",
        of_paper=False,
    )


CHAPTER = Chapter("adversarial", _plan, _section, claims)
