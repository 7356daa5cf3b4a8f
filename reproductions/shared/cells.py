"""Numbers with their intervals and spreads as cells of a table."""

from typing import Any

from keras_intriguing.report import Cell


def percent(number: dict[str, Any], paper: str = "", recorded: bool = False) -> Cell:
    """A share, in percent."""
    digits = 2 if number["n"] > 1000 else 1

    def shown(share: float) -> str:
        return f"{100 * share:.{digits}f}"

    return Cell(
        f"{shown(number['value'])}%",
        f"{shown(number['low'])}–{shown(number['high'])}%",
        paper,
        recorded,
        _spread(number, shown, "%"),
    )


def distortion(number: dict[str, Any], paper: str = "", success: float = 1.0) -> Cell:
    """An average distortion, with the success rate where it is not 1."""
    failed = "" if success == 1 else f" ({100 * success:.1f}% succeeded)"

    def shown(value: float) -> str:
        return f"{value:.4f}" if value >= 0.01 else f"{value:.5f}"

    return Cell(
        shown(number["value"]) + failed,
        f"{shown(number['low'])}–{shown(number['high'])}",
        paper,
        spread=_spread(number, shown, ""),
    )


def _spread(number: dict[str, Any], shown: Any, unit: str) -> str:
    """The lowest and the highest run; empty where there is one."""
    runs = number["runs"]
    return f"{shown(min(runs))}–{shown(max(runs))}{unit}" if len(runs) > 1 else ""
