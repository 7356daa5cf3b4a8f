"""What the benchmarks' commands do alike."""

import argparse
import os
import sys
from collections.abc import Callable

import keras_intriguing as ki


def run(measure: Callable[[argparse.Namespace], list[str]], options: argparse.Namespace, page: str) -> int:
    """Measures what has no record yet, and writes `page` in the folder `options.out`; returns the exit status.

    Args:
        measure: returns what failed.
        options: of the command.
        page: the file's name, for a check that the folder can be written.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        ki.files.require_writable(options.out / page)
        failures = measure(options)
    except KeyboardInterrupt:
        print(f"\nInterrupted. The records in {options.out} stay; the same command goes on.", file=sys.stderr)
        return 130
    except (ValueError, OSError, ImportError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for failure in failures:
        print(f"failed: {failure}", file=sys.stderr)
    return 1 if failures else 0
