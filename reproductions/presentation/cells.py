"""Numbers with their intervals and spreads as cells of a table."""

from collections.abc import Callable, Sequence

from keras_intriguing.report import Cell
from reproductions.measurements.transfer import TransferRow
from reproductions.shared.intervals import Number
from reproductions.shared.paper import PAPER

SUCCESSES = "The average is over the photographs that the attack succeeded with."


def percent(number: Number, paper: str = "", recorded: bool = False) -> Cell:
    """A share, in percent."""
    digits = 2 if number.n > 1000 else 1

    def shown(share: float) -> str:
        return f"{100 * share:.{digits}f}"

    return Cell(
        f"{shown(number.value)}%",
        f"{shown(number.low)}–{shown(number.high)}%",
        paper,
        recorded,
        _spread(number, shown, "%"),
    )


def distortion(number: Number, paper: str = "", success: float = 1.0) -> Cell:
    """An average distortion, with the success rate where it is not 1."""
    if number.value == 0:
        return Cell("0", paper=paper)
    failed = "" if success == 1 else f" ({100 * success:.1f}% succeeded)"

    def shown(value: float) -> str:
        return f"{value:.4f}" if value >= 0.01 else f"{value:.5f}"

    return Cell(
        shown(number.value) + failed,
        f"{shown(number.low)}–{shown(number.high)}",
        paper,
        spread=_spread(number, shown, ""),
    )


def _spread(number: Number, shown: Callable[[float], str], unit: str) -> str:
    """The lowest and the highest run; empty where there is one."""
    runs = number.runs
    return f"{shown(min(runs))}–{shown(max(runs))}{unit}" if len(runs) > 1 else ""


def transfer(row: TransferRow, models: Sequence[str], paper: Sequence[float] | None, rms: str) -> list[Cell]:
    """A row of a table of transfer: every model's error and the average distortion, the paper's figures beside them."""
    published = [f"{p:g}%" for p in paper] if paper else [""] * len(models)
    errors = [percent(row.errors[p], figure) for p, figure in zip(models, published, strict=True)]
    return [*errors, distortion(row.distortion, rms)]


def source_name(preset: str, row: TransferRow) -> str:
    """The name of the attacked model, with the number of examples where some attacks failed."""
    exist, images = row.exist, row.wrong[preset].shape[-1]
    return PAPER["presets"][preset] + (f" ({100 * exist:.1f}% of {images} succeeded)" if exist < 1 else "")
