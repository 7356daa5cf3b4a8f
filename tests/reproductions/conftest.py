"""A small run. All measure in the test's own process, where programs are shared and functions can be replaced."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from reproductions.shared.run import Run


@pytest.fixture(autouse=True, scope="session")
def one_worker() -> Iterator[None]:
    from reproductions import job

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "_workers_by_default", lambda chosen: 1)
        yield


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run("mnist5k", 4, 4, 0, 1, tmp_path, None, "")
