"""The bar that commands show while they work, and calls where they are asked to."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from rich import progress

Progress = Callable[[float, float], None]  # is told how much of how much is done
_LINE_EVERY = 60.0  # seconds
_ESTIMATED_OVER = 600.0  # seconds; rich's 30 are shorter than some steps


class Bar(progress.Progress):
    """A bar with the time that has passed and an estimate of what is left.

    Where output is no terminal, as in the log of a batch job, a line a minute takes its place.

    Args:
        **settings: those of `rich.progress.Progress`.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TimeElapsedColumn(),
            progress.TimeRemainingColumn(),
            speed_estimate_period=_ESTIMATED_OVER,
            **settings,
        )
        self._said = self.get_time()

    def update(self, task_id: progress.TaskID, **changes: Any) -> None:
        """As rich's; and says so, at most once a minute, where there is no terminal."""
        super().update(task_id, **changes)
        if not self.console.is_terminal and self.get_time() - self._said >= _LINE_EVERY:
            self._said = self.get_time()
            self.console.print(self.get_renderable())


@contextlib.contextmanager
def shown(wanted: bool | Progress, description: str) -> Iterator[Progress]:
    """Yields a function that is told how much of how much is done, and shows it in a bar, if that is wanted.

    Args:
        wanted: whether to show a bar, in a terminal or a notebook; or who is told instead.
        description: what is being done.
    """
    if callable(wanted):
        yield wanted
        return
    if not wanted:
        yield lambda done, total: None
        return
    with Bar() as bar:
        task = bar.add_task(description, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
