"""Processes that measure side by side come to the records of one, and tell what went wrong in them."""

import functools
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from reproductions import workers
from reproductions.chapters import table1
from reproductions.shared import records
from reproductions.shared.measurement import Measurement, each_once, measured
from reproductions.shared.run import Run

FC10, OTHER = "fc10_mnist_decay1", "fc10_mnist_decay1e-2"
HERE = "mnist5k"


def a_run(out: Path, dataset: str = HERE, data_dir: str | None = None) -> Run:
    return Run(dataset, 4, 4, 0, 1, out, data_dir, "")


def test_two_processes_measure_what_one_does(tmp_path: Path) -> None:
    run, alone = a_run(tmp_path / "two"), a_run(tmp_path / "one")
    chosen = [table1.errors(FC10), table1.distortion(FC10, "direct", "nearest"), table1.errors(OTHER)]
    planned = each_once(chosen, run)
    assert [one.needs(run) != () for one in planned].count(True) == 1  # an attack comes before its average
    counts: list[int] = []
    begun: list[str] = []
    run.begin = begun.append
    workers.measure_all(planned, run, functools.partial(a_run, run.out), 2, counts.append)
    assert counts[0] == 0
    assert counts == sorted(counts)
    assert sorted(begun) == sorted(one.name for one in planned)
    assert begun.index(planned[1].name) < begun.index(planned[2].name)
    assert not multiprocessing.active_children()
    for one in planned:
        assert records.read(run.out / "records" / f"{one.name}.json", one.key(run)) is not None
    by_two, by_one = measured(run, chosen[1]), measured(alone, chosen[1])
    assert by_two.distortion.value == pytest.approx(by_one.distortion.value, rel=1e-4)
    # what has a record is not measured again, and no process is started
    workers.measure_all(planned, run, os.abort, 2, counts.append)
    assert counts[-1] < len(planned)


def test_a_process_tells_its_error_and_its_end(tmp_path: Path) -> None:
    build = functools.partial(a_run, tmp_path, "mnist", str(tmp_path / "nowhere"))
    worker = workers._Worker(build)
    try:
        worker.begin(table1.errors(FC10), (FC10,))
        with pytest.raises(FileNotFoundError, match="nowhere"):
            worker.finish()
        os.kill(worker._process.pid or 0, signal.SIGKILL)
        worker.begin(table1.errors(OTHER), (OTHER,))
        with pytest.raises(RuntimeError, match=rf"measured table1/{OTHER}-errors ended \(exit code -9\)"):
            worker.finish()
    finally:
        worker.end()
    assert not multiprocessing.active_children()


@pytest.mark.slow
def test_a_process_ends_in_the_middle_of_a_measurement(tmp_path: Path) -> None:
    worker = workers._Worker(functools.partial(a_run, tmp_path))
    slow: Measurement = table1.certified("fc200_200_10_mnist")
    worker.begin(slow, tuple(slow.presets(a_run(tmp_path))))
    time.sleep(20)
    started = time.monotonic()
    worker.end()
    assert time.monotonic() - started < 10
    assert not multiprocessing.active_children()
    assert not list(tmp_path.rglob("*.json"))


def test_an_error_that_cannot_be_sent_is_told_by_its_text() -> None:
    class Strange(Exception):
        pass

    sent = workers._sendable(Strange("of a kind that only the worker knows"))
    assert type(sent) is RuntimeError
    assert str(sent) == "Strange: of a kind that only the worker knows"
    assert type(workers._sendable(ValueError("plain"))) is ValueError
