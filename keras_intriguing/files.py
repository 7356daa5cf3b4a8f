"""Files that are either whole or absent: written to a temporary name, hashed, renamed."""

import contextlib
import glob
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_ABANDONED = 86_400.0  # seconds


@contextlib.contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Yields a temporary path beside `path`, which replaces it when the block ends well.

    The temporary name keeps the suffixes of `path`, because Keras and NumPy choose a format by them.

    Raises:
        OSError: the folder cannot be made or written (read-only, full disk); `path` is then as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".tmp-", suffix=f"-{path.name}")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp makes private files; a checkpoint is not a secret
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _remove_abandoned(path: Path) -> None:
    """Removes temporary files of `path` that killed processes have left behind, a day later."""
    for left in path.parent.glob(f".tmp-*-{glob.escape(path.name)}"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _ABANDONED:
                left.unlink()


def write_text(path: Path | str, text: str) -> None:
    """Writes `text` to `path` as UTF-8, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: Any) -> None:
    """Writes `value` to `path` as readable JSON, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_arrays(path: Path | str, **arrays: Any) -> None:
    """Writes named NumPy arrays to `path` as a compressed .npz file, whole or not at all."""
    import numpy as np

    # given a name instead of a file, NumPy would append .npz to any other suffix
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **arrays)


def read_json(path: Path | str) -> Any:
    """Reads JSON.

    Raises:
        ValueError: the file is not JSON; the message names it.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not valid JSON ({error}). It may be truncated.") from error


def sha256(path: Path | str) -> str:
    """The SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def require_writable(path: Path | str) -> None:
    """Checks that a file can be made at `path`, before the work whose result it will hold; leaves nothing there.

    Raises:
        OSError: it cannot; the message names the path and the cause.
    """
    path = Path(path)
    missing: list[Path] = []
    try:
        missing = [folder for folder in path.parents if not folder.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".tmp-"):
            pass
        if path.is_dir():
            raise IsADirectoryError("it is a folder")
    except OSError as error:
        raise OSError(f"Cannot write {path}: {error}. Choose another place.") from error
    finally:
        for folder in missing:
            with contextlib.suppress(OSError):  # was not made, or another has begun to use it
                folder.rmdir()


def require_replaceable(path: Path, kinds: tuple[str, ...]) -> None:
    """Checks that a result can be written to `path`: that there is nothing, or a saved result of these kinds.

    Raises:
        OSError: it cannot be written.
        ValueError: there is something else.
    """
    require_writable(path)
    if not path.exists():
        return
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as stored:
            kind = str(stored["kind"])
    except Exception:  # as in `load`; no result of ours
        kind = None
    if kind not in kinds:
        held = f"a {kind}" if kind else f"no {' or '.join(kinds)}"
        raise ValueError(f"{path} is there already and holds {held}. Choose another file, or remove it.")
