"""The bar that commands show while they work."""

from typing import Any


def bar(**settings: Any) -> Any:
    """A `rich.progress.Progress` with an estimate of the time that is left; settings are its own."""
    from rich import progress

    return progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeRemainingColumn(),
        progress.TimeElapsedColumn(),
        **settings,
    )
