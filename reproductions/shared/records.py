"""What was measured, a file a measurement, so that an interrupted run goes on where it was."""

import shlex
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from keras_intriguing import files


def read(path: Path, key: dict[str, Any]) -> dict[str, Any] | None:
    """The values of the record at `path`; None where there is none of this key, or it is damaged."""
    try:
        stored = files.read_json(path)
    except (FileNotFoundError, ValueError):
        return None
    return stored.get("values") if isinstance(stored, dict) and stored.get("key") == key else None


def this_command() -> str:
    """The command line of this process."""
    return shlex.join(["python", *sys.orig_argv[1:]])


def keep(
    path: Path, key: dict[str, Any], command: str, measure: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """The values of the record at `path`, measured and written where they are not there with this key.

    Args:
        path: of the record.
        key: all that decides the values; of JSON's types.
        command: that repeats the measurement.
        measure: gives the values, of JSON's types.
    """
    if (values := read(path, key)) is not None:
        return values
    started = time.monotonic()
    values = measure()
    record = {
        "values": values,
        "key": key,
        "command": command,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - started, 2),
    }
    files.write_json(path, record)
    return values
