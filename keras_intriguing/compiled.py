"""Keeps on disk what XLA compiles, for later processes; knows nothing of what that is."""

import atexit
import hashlib
import importlib.metadata
import os
import platform
import shutil
import sys
import warnings
from pathlib import Path

from keras_intriguing import files
from keras_intriguing.presets import download

_FLAG = "--tf_xla_persistent_cache_directory"
_ENTRIES = "*.pb"  # TensorFlow writes others, and renames them when they are whole
_SEAL = ".sha256"
_LEAST_SPACE = 2**28  # bytes: where TensorFlow cannot write an entry, it does not run the program either


def keep_compiled(folder: Path | str | None = None) -> Path:
    """Lets TensorFlow keep on disk what XLA compiles on a CPU, and read it in later processes.

    Processes may share a folder, and it may be deleted when none runs. What a process has written is sealed by a hash when
    it ends; entries with none, or with another, are removed here. Programs of another TensorFlow or processor lie in
    folders of their own. A folder that cannot be written is only read, with a warning. A cache that the environment
    variable TF_XLA_FLAGS names already stays as it is.

    Args:
        folder: made when it is needed; by default `keras_intriguing/compiled` in KERAS_HOME, that is `~/.keras`.

    Returns:
        The folder of this TensorFlow and processor in it.

    Raises:
        RuntimeError: TensorFlow has been imported already, and reads its flags only once.
        NotADirectoryError: `folder`, or what it should lie in, is a file.
    """
    folder = Path(folder or download.cache() / "compiled").expanduser().absolute() / _machine()
    flags = os.environ.get("TF_XLA_FLAGS", "")
    if _FLAG in flags:
        return folder
    if "tensorflow" in sys.modules:
        raise RuntimeError("keep_compiled must be called before TensorFlow, or Keras on it, is imported.")
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if not there.is_dir():
        raise NotADirectoryError(f"Compiled programs cannot be kept in {folder.parent}: {there} is a file.")
    cause = ""
    if not os.access(there, os.W_OK | os.X_OK):
        cause = "it cannot be written"
    elif shutil.disk_usage(there).free < _LEAST_SPACE:
        cause = f"less than {_LEAST_SPACE >> 20} MiB are free"
    if cause:
        warnings.warn(f"Compiled programs are not kept in {folder.parent}: {cause}.", stacklevel=2)
    if cause and not all(_is_whole(entry) for entry in folder.glob(_ENTRIES)):
        return folder
    if not cause:
        for entry in folder.glob(_ENTRIES):
            if not _is_whole(entry):
                entry.unlink(missing_ok=True)
                entry.with_suffix(_SEAL).unlink(missing_ok=True)
        atexit.register(_seal, folder)
    read_only = " --tf_xla_persistent_cache_read_only" if cause else ""
    os.environ["TF_XLA_FLAGS"] = (
        f"{flags} {_FLAG}={folder} --tf_xla_persistent_cache_device_types=CPU{read_only}".strip()
    )
    return folder


def _machine() -> str:
    """Tells processors and versions of TensorFlow apart."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next(line for line in lines if line.startswith(("flags", "Features")))
    except (OSError, StopIteration):
        processor = platform.processor()
    described = f"{platform.platform()} {processor} {importlib.metadata.version('tensorflow')}"
    return hashlib.sha256(described.encode()).hexdigest()[:16]


def _is_whole(entry: Path) -> bool:
    try:
        return entry.with_suffix(_SEAL).read_text() == files.sha256(entry)
    except (OSError, UnicodeDecodeError):
        return False


def _seal(folder: Path) -> None:
    for entry in folder.glob(_ENTRIES):
        seal = entry.with_suffix(_SEAL)
        if not seal.exists():
            try:
                files.write_text(seal, files.sha256(entry))
            except OSError:  # no space, or another process has removed it: it is compiled again
                return
