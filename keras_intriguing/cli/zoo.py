"""The commands `keras-intriguing zoo …`. None of them needs TensorFlow."""

import argparse
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from keras_intriguing import presets
from keras_intriguing.presets import download, registry


def add_to(commands: Any) -> None:
    """Adds `zoo` and its actions to the command's subparsers."""
    zoo = commands.add_parser("zoo", help="the trained checkpoints")
    actions = zoo.add_subparsers(required=True, metavar="ACTION")
    actions.add_parser("list", help="their names, errors and where they are").set_defaults(run=_list)
    show = actions.add_parser("show", help="the card of one")
    show.add_argument("name", metavar="NAME")
    show.set_defaults(run=_show)
    fetch = actions.add_parser("fetch", help="get those that did not come with the package")
    fetch.add_argument("names", metavar="NAME", nargs="+")
    fetch.set_defaults(run=_fetch, interrupted="What was fetched whole is kept, nothing else.")
    verify = actions.add_parser("verify", help="compare every file on this machine with its SHA-256")
    verify.add_argument("names", metavar="NAME", nargs="*", help="(default: all that are here)")
    verify.set_defaults(run=_verify, interrupted="Nothing was changed.")


def _list(options: argparse.Namespace) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Column, Table

    table = Table(
        Column("preset", no_wrap=True),
        *(Column(error, min_width=8, justify="right") for error in ("training error", "test error")),
        Column("where", no_wrap=True),
        box=box.SIMPLE_HEAD,
    )
    for name, entry in registry.load().items():
        errors = (f"{100 * entry[key]:.2f}%" for key in ("train_error", "test_error"))
        table.add_row(name, *errors, _source(name))
    console = Console()
    if not console.is_terminal:  # for other programs, whole lines
        console = Console(width=160)
    console.print(table)


def _show(options: argparse.Namespace) -> None:
    with _bytes_progress() as follow:
        folder = presets.find(options.name, follow(options.name))
    print((folder / presets.CARD).read_text(encoding="utf-8"))
    print(f"SHA-256 of the weights: {presets.load_metrics(folder)['sha256']}")


def _fetch(options: argparse.Namespace) -> None:
    for name in options.names:
        registry.get(name)
    with _bytes_progress() as follow:
        folders = [presets.find(name, follow(name)) for name in options.names]
    for name, folder in zip(options.names, folders, strict=True):
        print(f"{name}: {folder}")


def _verify(options: argparse.Namespace) -> None:
    wrong = 0
    for name in options.names or registry.load():
        places = _places(name)
        if not places and (options.names or name in registry.packaged()):
            places = {"nowhere": registry.ZOO / name}
        for place, folder in places.items():
            fault = registry.fault(name, folder)
            wrong += fault is not None
            print(f"{name} ({place}): {fault or 'ok'}")
    if wrong:
        raise ValueError(
            f"{wrong} of these are not as registered. What is missing or wrong in the cache ({download.cache()}) is "
            "fetched when it is next used; what is wrong in the package comes back by installing it again."
        )


def _source(name: str) -> str:
    if (registry.ZOO / name).is_dir():
        return "package"
    if registry.fault(name, download.cache() / name) is None:
        return "cache"
    return "to fetch" if download.in_local_mirror(name) is None else "local mirror"


def _places(name: str) -> dict[str, Path]:
    """Where a preset lies on this machine: with the package, in the cache, in both, or nowhere."""
    places = {"package": registry.ZOO / name, "cache": download.cache() / name}
    return {place: folder for place, folder in places.items() if folder.is_dir()}


@contextlib.contextmanager
def _bytes_progress() -> Iterator[Callable[[str], download.OnBytes]]:
    """Yields a function that makes a preset's bar; nothing is shown before a first byte has come."""
    from rich import progress
    from rich.console import Console

    bars = progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
        console=Console(stderr=True),
    )

    def follow(name: str) -> download.OnBytes:
        task = bars.add_task(name, total=None, visible=False)

        def on_bytes(done: int, total: int) -> None:
            bars.start()
            bars.update(task, completed=done, total=total, visible=True)

        return on_bytes

    try:
        yield follow
    finally:
        if bars.live.is_started:
            bars.stop()
