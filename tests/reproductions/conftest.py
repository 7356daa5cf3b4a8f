"""Runs measure in the test's own process, where programs are shared and functions can be replaced."""

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="session")
def one_worker() -> Iterator[None]:
    from reproductions import job

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "_workers_by_default", lambda chosen: 1)
        yield
