"""The main job's progress."""

import io
import time

import pytest
from rich.console import Console

from keras_intriguing import progress
from reproductions import job


def test_a_log_is_told_that_a_long_measurement_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_LINE_EVERY", 0.0)
    monkeypatch.setattr(job, "_TICK", 0.01)
    log, last = io.StringIO(), time.monotonic() + 30
    with progress.Bar(console=Console(file=log, width=80)) as bar:
        task = bar.add_task("table1/errors", total=2)
        with job._ticking(bar, task):
            while log.getvalue().count("table1/errors") < 2 and time.monotonic() < last:
                time.sleep(0.01)
    assert log.getvalue().count("table1/errors") >= 2
