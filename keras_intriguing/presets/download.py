"""Presets that did not come with the package: out of the cache, or from a mirror into it.

Imports no Keras. No file is used, and none gets its name in the cache, unless it is the registered one to the byte.
"""

import contextlib
import hashlib
import http.client
import os
import shutil
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

from keras_intriguing.presets import registry, watch

MIRROR = "KERAS_INTRIGUING_ZOO"

TIMEOUT = 20.0  # seconds for an answer, and for every `SLOWEST * TIMEOUT` bytes of it, or a mirror counts as stalled
SLOWEST = 1024  # bytes a second
PAUSES = (1.0, 4.0)  # seconds before the second and the third try
_CHUNK = 1 << 16
_ABANDONED = 86_400.0  # seconds

OnBytes = Callable[[int, int], None]


def silent(done: int, total: int) -> None:
    """Tells nobody how far a download is."""


class _Unavailable(Exception):
    """Why a mirror did not give a preset; `transient` where another try may help."""

    def __init__(self, reason: str, transient: bool = False) -> None:
        super().__init__(reason)
        self.transient = transient


def cache() -> Path:
    """The folder of the cached presets, in Keras' own home: `KERAS_HOME`, or `~/.keras`."""
    return Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser() / "keras_intriguing"


def mirrors() -> list[str]:
    """Where presets are fetched from, in order: `KERAS_INTRIGUING_ZOO`, the zoo of a clone, the release address.

    Who installed the package out of a clone, and works in it, has the clone's `zoo` in the present folder.
    """
    of_clone = "zoo" if Path("zoo", registry.REGISTRY).is_file() else None
    return [place for place in (os.environ.get(MIRROR), of_clone, registry.RELEASE) if place]


def in_local_mirror(preset: str) -> Path | None:
    """The preset's folder in a mirror that is a folder of this machine, if it is as registered there."""
    folders = (Path(place).expanduser().absolute() / preset for place in mirrors() if not _is_address(place))
    return next((folder for folder in folders if registry.fault(preset, folder) is None), None)


def _is_address(mirror: str) -> bool:
    return mirror.lower().startswith(("http://", "https://"))


def obtain(preset: str, on_bytes: OnBytes = silent) -> Path:
    """A folder with the registered files of a preset: in the package, cached, in a local mirror, or fetched.

    Args:
        preset: a name in the registry.
        on_bytes: told, while files are fetched, how many bytes of how many of the preset have come.

    Raises:
        ValueError: no preset of that name.
        FileNotFoundError: it is not available; the message lists what was tried and what to do.
        OSError: the cache cannot be written; the message names it, the cause and the ways out.
    """
    tried = []
    for folder in (registry.ZOO / preset, cache() / preset):
        fault = registry.fault(preset, folder)
        if fault is None:
            return folder
        tried.append(f"{folder}: {fault}")
    for mirror in mirrors():
        try:
            if not _is_address(mirror):
                return _in_place(preset, Path(mirror).expanduser().absolute())
            _fetch_preset(preset, mirror, folder, on_bytes)
            return folder
        except _Unavailable as reason:
            tried.append(f"{mirror}: {reason}")
    if not mirrors():
        tried.append(f"no mirror: {MIRROR} is not set, and this version has no release address")
    lines = "\n".join(f"  {line}" for line in tried)
    raise FileNotFoundError(
        f"The preset {preset!r} cannot be had. Tried:\n{lines}\n"
        f"Set {MIRROR} to a copy of the project's zoo folder or to an address that serves it (http, https), or "
        f"put the preset's files by hand into {folder}: {', '.join(registry.FILES)}."
    )


def _in_place(preset: str, zoo: Path) -> Path:
    if not zoo.is_dir():
        raise _Unavailable("no such folder, and no http or https address")
    if fault := registry.fault(preset, zoo / preset):
        raise _Unavailable(f"{preset}: {fault}")
    return zoo / preset


def _fetch_preset(preset: str, mirror: str, folder: Path, on_bytes: OnBytes) -> None:
    """Fetches all files into a temporary folder beside `folder`, which takes its name when all are right."""
    known = registry.get(preset)["files"]
    total, before = sum(entry["bytes"] for entry in known.values()), 0
    with writing(folder), tempfile.TemporaryDirectory(dir=folder.parent, prefix=".tmp-") as temporary:
        new = Path(temporary, preset)  # mkdtemp makes private folders; a checkpoint is not a secret
        new.mkdir()
        for name, entry in known.items():
            url = f"{mirror.rstrip('/')}/{urllib.parse.quote(preset)}/{name}"

            def on_received(received: int, before: int = before) -> None:
                on_bytes(before + received, total)

            try:
                _fetch(url, new / name, entry, on_received)
            except _Unavailable as reason:
                raise _Unavailable(f"{preset}/{name}: {reason}") from reason
            before += entry["bytes"]
        _publish(preset, new, folder)


def _clean(cache: Path) -> None:
    """Removes what fetches that were killed have left behind, when nobody can be at it any more."""
    for left in cache.glob(".tmp-*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _ABANDONED:
                shutil.rmtree(left)


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Makes the cache's folder; an error while it is written says what to do.

    Raises:
        OSError: it cannot be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _clean(folder.parent)
        yield
    except OSError as error:
        raise OSError(
            f"Cannot write {folder} in the cache: {error}. Mend that, or set KERAS_HOME to another folder, or "
            f"{MIRROR} to a local copy of the project's zoo folder, which is used in place."
        ) from error


def _publish(preset: str, new: Path, folder: Path) -> None:
    try:
        new.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
        # There is one already: whole, if another process was faster, else damaged and mended file by file, so
        # that nobody who is just reading it misses a file.
        if registry.fault(preset, folder):
            for name in registry.FILES:
                (new / name).replace(folder / name)


def _fetch(url: str, path: Path, known: dict[str, Any], on_received: Callable[[int], None]) -> None:
    for pause in (*PAUSES, None):
        try:
            return _transfer(url, path, known, on_received)
        except _Unavailable as reason:
            if not reason.transient:
                raise
            if pause is None:
                raise _Unavailable(f"{reason} (last of {len(PAUSES) + 1} tries)") from reason
        time.sleep(pause)


def _transfer(url: str, path: Path, known: dict[str, Any], on_received: Callable[[int], None]) -> None:
    """Writes what `url` gives to `path` and compares it with what is known of the file.

    Once the file is there as registered, it does not matter how the mirror ends.
    """
    digest, received = hashlib.sha256(), 0
    with open(path, "wb") as file, contextlib.closing(_chunks(url, known["bytes"])) as chunks:
        for chunk in chunks:
            file.write(chunk)
            digest.update(chunk)
            received += len(chunk)
            on_received(min(received, known["bytes"]))
            if received == known["bytes"] and digest.hexdigest() == known["sha256"]:
                return
    if received < known["bytes"]:
        raise _Unavailable(f"ended after {received:,} of {known['bytes']:,} bytes", transient=True)
    if received > known["bytes"]:
        raise _Unavailable(f"sends more than the registered {known['bytes']:,} bytes; it is another file")
    if digest.hexdigest() != known["sha256"]:
        raise _Unavailable(f"has SHA-256 {digest.hexdigest()} instead of {known['sha256']}")


def _received(url: str, size: int, watched: watch.Watch) -> Generator[bytes]:
    request = urllib.request.Request(url, headers={"User-Agent": "keras-intriguing"})
    with watch.opened(request, watched) as response:
        length = response.headers.get("Content-Length", str(size))
        if length != str(size):
            raise _Unavailable(f"has {length} bytes instead of {size:,}; it is an error page or another file")
        watched.extend()
        received = counted = 0
        while chunk := response.read1(min(_CHUNK, size + 1 - received)):
            with watched.paused():
                yield chunk
            received += len(chunk)
            if received - counted >= SLOWEST * TIMEOUT:
                watched.extend()
                counted = received


def _chunks(url: str, size: int) -> Generator[bytes]:
    """The bytes at `url`, and of those beyond `size` at most one, so that none can fill the disk."""
    late = f"timed out: no whole answer, or less than {SLOWEST} bytes a second, for {TIMEOUT:g} s"
    try:
        with watch.Watch(TIMEOUT) as watched:
            try:
                yield from _received(url, size, watched)
            except (OSError, http.client.HTTPException) as error:
                if watched.expired:
                    raise TimeoutError(late) from error
                raise
            if watched.expired:  # what was cut off counts as whole
                raise TimeoutError(late)
    except urllib.error.HTTPError as error:
        error.close()
        raise _Unavailable(f"HTTP {error.code} {error.reason}", transient=error.code >= 500) from error
    except urllib.error.URLError as error:  # no connection
        raise _Unavailable(str(error.reason), transient=isinstance(error.reason, TimeoutError)) from error
    except (OSError, http.client.HTTPException) as error:  # a connection that was lost
        raise _Unavailable(str(error) or type(error).__name__, transient=True) from error
    except ValueError as error:  # no address
        raise _Unavailable(str(error)) from error
