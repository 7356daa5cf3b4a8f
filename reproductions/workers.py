"""Planned measurements made by processes side by side, of one core's threads each.

TensorFlow spreads the work on small networks badly over cores; processes keep all of them busy. A worker builds the run anew,
makes one measurement at a time and keeps its record, out of which this process puts the report together.
"""

import multiprocessing
import os
import pickle
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any

from keras_intriguing import quiet
from reproductions.shared import records
from reproductions.shared.measurement import Measurement, measured
from reproductions.shared.run import Run


def measure_all(
    planned: Sequence[Measurement[Any]],
    run: Run,
    build_run: Callable[[], Run],
    count: int,
    tell: Callable[[int], None],
) -> None:
    """Makes all measurements that have no record yet.

    Args:
        planned: each after those that it needs.
        run: this process's.
        build_run: gives a worker the same run; can be pickled.
        count: processes; with one, this one does it all.
        tell: is told how many are done; `run.begin` is called for each that begins.

    Raises:
        RuntimeError: a worker ended without a word, as it does where memory is used up.
        Exception: what a measurement raised. The records of the others stay.
    """
    missing = _missing(planned, run)
    done = len(planned) - len(missing)
    count = min(count, len(missing))
    if count > 1:
        _Crew(missing, run, build_run, count).work(lambda more: tell(done + more))
        return
    for number, one in enumerate(missing):
        tell(done + number)
        measured(run, one)


def _missing(planned: Sequence[Measurement[Any]], run: Run) -> list[Measurement[Any]]:
    """Those without a record. The key of one whose needs have none is not known yet, and would make them here."""
    recorded: set[Measurement[Any]] = set()
    for one in planned:
        path = run.out / "records" / f"{one.name}.json"
        if recorded.issuperset(one.needs(run)) and records.read(path, one.key(run)) is not None:
            recorded.add(one)
    return [one for one in planned if one not in recorded]


class _Worker:
    """A process, this end of the pipe to it, and the measurement that it makes."""

    def __init__(self, build_run: Callable[[], Run]) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other,), daemon=True)
        self._process.start()
        other.close()
        self.connection.send(build_run)
        self.at: Measurement[Any] | None = None
        self.presets: tuple[str, ...] = ()  # of its last measurement

    def begin(self, one: Measurement[Any], presets: tuple[str, ...]) -> None:
        """Sends it a measurement."""
        self.at, self.presets = one, presets
        with suppress(BrokenPipeError):  # told by `finish`
            self.connection.send(one)

    def finish(self) -> Measurement[Any]:
        """The measurement that it has made.

        Raises:
            RuntimeError: the process has ended.
            Exception: what it raised.
        """
        assert self.at
        try:
            error = self.connection.recv()
        except (EOFError, ConnectionError):
            self._process.join()
            raise RuntimeError(
                f"The process that measured {self.at.name} ended (exit code {self._process.exitcode}), perhaps for lack of memory. "
                "The same command goes on from there; --workers 1 needs the least."
            ) from None
        if error is not None:
            raise error
        finished, self.at = self.at, None
        return finished

    def end(self) -> None:
        """Ends the process, in the middle of a measurement if it must: a record is there as a whole or not at all."""
        if self.at:
            self._process.terminate()
        self.connection.close()
        self._process.join()


class _Crew:
    """Workers and what is left for them to measure."""

    def __init__(
        self, missing: Sequence[Measurement[Any]], run: Run, build_run: Callable[[], Run], count: int
    ) -> None:
        self._run, self._missing = run, set(missing)
        self._waiting = {one: tuple(one.presets(run)) for one in missing}
        self._workers = [_Worker(build_run) for _ in range(count)]
        self._total = len(missing)

    def work(self, tell: Callable[[int], None]) -> None:
        """Makes all measurements."""
        try:
            while self._missing:
                for worker in self._workers:
                    if not worker.at and (one := self._next(worker)):
                        worker.begin(one, self._waiting.pop(one))
                        self._run.begin(one.name)
                tell(self._total - len(self._missing))
                busy = [worker for worker in self._workers if worker.at]
                ready = wait([worker.connection for worker in busy])
                for worker in busy:
                    if worker.connection in ready:
                        self._missing.discard(worker.finish())
        finally:
            for worker in self._workers:
                worker.end()

    def _next(self, worker: _Worker) -> Measurement[Any] | None:
        """Of those whose needs are met: of the model that the worker has compiled, else of one that no other is at."""
        ready = [one for one in self._waiting if not self._missing.intersection(one.needs(self._run))]
        elsewhere = {other.presets for other in self._workers if other.at}

        def far(one: Measurement[Any]) -> int:
            presets = self._waiting[one]
            return 0 if presets == worker.presets else 1 + (presets in elsewhere)

        return min(ready, key=far, default=None)


def _serve(connection: Connection) -> None:
    """Makes the measurements that come through the pipe, until it is closed; runs in a process of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first one ends this
    os.environ.update(TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1")
    quiet.import_tensorflow()
    with suppress(EOFError, ConnectionError):
        run = connection.recv()()
        while True:
            one = connection.recv()
            try:
                measured(run, one)
                answer = None
            except Exception as error:
                answer = _sendable(error)
            connection.send(answer)


def _sendable(error: Exception) -> Exception:
    """The error, or its text where it cannot be pickled and built again."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
