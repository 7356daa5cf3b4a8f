"""§4.2: adversarial training, at the input and at every layer, beside weight decay and dropout."""

from typing import Any

from keras_intriguing.report import Cell, Claim, Section, Table
from reproductions.chapters.table1 import distortions, errors, recorded_error
from reproductions.shared.cells import distortion, percent
from reproductions.shared.run import PAPER, Run

_PAPER = PAPER["adversarial"]
DECAY, DROPOUT, INPUT, EVERY = PRESETS = list(_PAPER)
# column -> targeted
DISTORTIONS = {"distortion, nearest class, direct": False, "distortion, random targets, direct": True}


def steps(run: Run) -> int:
    """How many records the table takes."""
    return len(PRESETS) * (1 + len(DISTORTIONS) * (1 + run.training_seeds))


def measure(run: Run) -> dict[str, dict[str, Any]]:
    """For every way of training its errors and its distortions, over its training runs.

    A data set without test images leaves the test errors that were recorded when the checkpoints were made.
    """
    splits = ("train", "test") if run.dataset == "mnist" else ("train",)
    table = {}
    for preset in PRESETS:
        measured = errors(run, f"adversarial/{preset}-errors", preset, splits)
        table[preset] = {"errors": {"test": recorded_error(run, preset, "test"), **measured}}
        for column, targeted in DISTORTIONS.items():
            name = f"adversarial/{preset}-{'random' if targeted else 'nearest'}"
            table[preset][column] = distortions(run, name, preset, "direct", targeted)
    return table


def section(run: Run, values: dict[str, dict[str, Any]]) -> Section:
    """The table."""
    images = "MNIST" if run.dataset == "mnist" else "5,000 MNIST training images"
    columns = ["test error", f"training error, {images}", *DISTORTIONS]
    rows = [(_PAPER[preset]["name"], _cells(run, preset, values[preset])) for preset in PRESETS]
    note = (
        "FC100-100-10 by Adam on minibatches, the same epochs and learning rates in all rows; options were chosen on "
        "10,000 of the training images, then all 60,000 trained on, and the test error is the last epoch's. Examples are "
        "trained on with half their change, since with the whole of it the error on those 10,000 was higher. The paper "
        "gives its test errors as “1.6%”, “around 1.3%” and “below 1.2%”, and no figure for examples at the input "
        f"only. Distortion as in Table 1, {run.described}."
    )
    table = Table("Errors and average minimum distortion", "trained with", columns, rows, note)
    return Section("§4.2: adversarial training", [table])


def _cells(run: Run, preset: str, values: dict[str, Any]) -> list[Cell]:
    found = [
        percent(values["errors"]["test"], _PAPER[preset]["shown"], recorded=run.dataset != "mnist"),
        percent(values["errors"]["train"]),
    ]
    for column in DISTORTIONS:
        found.append(distortion(values[column]["distortion"], success=values[column]["success"]["value"]))
    return found


def claims_of(table: dict[str, dict[str, Any]]) -> list[Claim]:
    """Claims that the table decides."""
    return [_reaches(table), _gains(table), _only_at_layers(table), _distortion_grows(table)]


def _runs(table: dict[str, dict[str, Any]], preset: str) -> list[float]:
    """The test errors of the training runs, in percent."""
    return [100 * share for share in table[preset]["errors"]["test"]["runs"]]


def _listed(table: dict[str, dict[str, Any]], *presets: str) -> str:
    numbers = {_PAPER[p]["name"]: 100 * table[p]["errors"]["test"]["value"] for p in presets}
    return ", ".join(f"{name} {value:.2f}%" for name, value in numbers.items())


def _reaches(table: dict[str, dict[str, Any]]) -> Claim:
    runs, below = _runs(table, EVERY), _PAPER[EVERY]["test_error"]
    reached = sum(run < below for run in runs)
    return Claim(
        f"With adversarial examples made at every layer a 100-100-10 net has a test error below {below:g}%",
        "holds" if reached == len(runs) else "does not hold" if reached == 0 else "undecided",
        f"{reached} of {len(runs)} training runs; test errors: {_listed(table, EVERY, INPUT)}",
    )


def _gains(table: dict[str, dict[str, Any]]) -> Claim:
    baselines = (DECAY, DROPOUT)
    return Claim(
        "That error is lower than with weight decay and than with dropout",
        _lower(_runs(table, EVERY), [run for p in baselines for run in _runs(table, p)]),
        f"test errors: {_listed(table, EVERY, *baselines)}",
    )


def _only_at_layers(table: dict[str, dict[str, Any]]) -> Claim:
    return Claim(
        "It takes examples made at the outputs of each layer: with those at the input only, the error is higher",
        _lower(_runs(table, EVERY), _runs(table, INPUT)),
        f"test errors: {_listed(table, EVERY, INPUT)}",
    )


def _distortion_grows(table: dict[str, dict[str, Any]]) -> Claim:
    column = "distortion, nearest class, direct"
    plain, trained = (table[p][column]["distortion"] for p in (DECAY, EVERY))
    apart = plain["high"] < trained["low"], trained["high"] < plain["low"]
    return Claim(
        "Adversarial training makes a net harder to distort (not in the paper, which gives no figure)",
        "holds" if apart[0] else "does not hold" if apart[1] else "undecided",
        f"average minimum distortion to the nearest class {trained['value']:.4f}, with weight decay alone "
        f"{plain['value']:.4f}",
    )


def _lower(ours: list[float], theirs: list[float]) -> str:
    """Whether every training run of ours is below every one of theirs; the opposite; or neither."""
    if max(ours) < min(theirs):
        return "holds"
    return "does not hold" if min(ours) > max(theirs) else "undecided"
