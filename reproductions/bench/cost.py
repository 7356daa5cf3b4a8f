"""What a piece of work costs: time, memory in a process of its own, and how they grow. Imports no TensorFlow."""

import contextlib
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


class Cost(NamedTuple):
    """What a piece of work took.

    Attributes:
        seconds: of wall-clock time.
        cpu_seconds: of all processors together; on a busy machine the steadier figure.
        peak_mib: by how much its process's resident set exceeded, at its peak, what it was before, in MiB.
    """

    seconds: float
    cpu_seconds: float
    peak_mib: float


def measured(work: Callable[[], Any]) -> tuple[Any, Cost]:
    """What `work` returns, and its cost."""
    before, cpu, started = _forget_peak_mib(), time.process_time(), time.perf_counter()
    result = work()
    return result, Cost(time.perf_counter() - started, time.process_time() - cpu, peak_mib() - before)


def _forget_peak_mib() -> float:
    """Where Linux allows it, lowers the recorded peak to what is resident now; returns it."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # proc(5)
    return peak_mib()


def peak_mib() -> float:
    """The largest resident set of this process since it began, or since `measured` began last, in MiB."""
    try:  # ru_maxrss would begin with what the parent held: Linux keeps it from fork through exec
        status = Path("/proc/self/status").read_text()
        return float(status.split("VmHWM:")[1].split()[0]) / 2**10
    except (OSError, IndexError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 2**20 if sys.platform == "darwin" else peak / 2**10  # bytes there, KiB elsewhere


def in_a_fresh_process(function: Callable, *arguments: Any) -> Any:
    """What a function of a module returns, called in a new process: a peak of memory is one of a whole process."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
        return pool.submit(function, *arguments).result()


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """The p of values ∝ sizesᵖ, by least squares on the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])
