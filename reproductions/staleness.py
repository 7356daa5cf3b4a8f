"""Which records of a folder this tree would measure anew."""

import warnings
from collections.abc import Callable
from pathlib import Path

from keras_intriguing import files
from reproductions import chapters
from reproductions.shared.measurement import Measurement
from reproductions.shared.run import Run


def stale(folder: Path, run_of: Callable[[str], Run]) -> dict[str, list[str]]:
    """What has changed since a record was measured, by the record's name; empty where all are of this tree.

    Presets, fields, seed and code are compared, not images and versions: those need not be at hand. A record of a
    preset that is not at hand is passed over, with a warning.

    Args:
        folder: a run's, with `records` in it.
        run_of: the run of a command line, as records name theirs.
    """
    found: dict[str, list[str]] = {}
    planned: dict[str, dict[str, Measurement]] = {}
    for path in sorted((folder / "records").rglob("*.json")):
        name = path.relative_to(folder / "records").with_suffix("").as_posix()
        record = files.read_json(path)
        command = record["command"]
        run = run_of(command)
        if command not in planned:
            planned[command] = {one.name: one for one in _measurements(run)}
        if name not in planned[command]:
            found[name] = ["no chapter measures it"]
        else:
            try:
                current = planned[command][name].of_tree(run)
            except FileNotFoundError as error:
                warnings.warn(f"{name} is not compared. {error}", stacklevel=2)
                continue
            if changed := _changed(record["key"], current):
                found[name] = changed
    return found


def _measurements(run: Run) -> list[Measurement]:
    return [one for name in chapters.NAMES for one in chapters.load(name).measurements(run)]


def _changed(stored: dict, current: dict) -> list[str]:
    return [part for part, value in current.items() if stored.get(part) != value]
