"""What checkpoints there are, with the size and hash of every file: they decide what is used, wherever it lies.

`python -m keras_intriguing.presets.registry ZOO` writes `ZOO/registry.json` from the preset folders in ZOO.
"""

import argparse
import difflib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from keras_intriguing import files

CONFIG, WEIGHTS, METRICS, CARD = "config.json", "model.weights.h5", "metrics.json", "README.md"
FILES = (CONFIG, WEIGHTS, METRICS, CARD)
REGISTRY = "registry.json"

# Address of the published zoo folder of this version; empty until the project has a public home.
RELEASE = ""

_LONGEST = 60  # characters of a name in a message
_PACKAGE = Path(__file__).parent.parent
# An installed package carries its zoo inside; in a checkout it lies beside the package.
ZOO = next((f for f in (_PACKAGE / "zoo", _PACKAGE.parent / "zoo") if f.is_dir()), _PACKAGE / "zoo")


def load() -> dict[str, dict[str, Any]]:
    """Every known preset's entry, as `build` makes them, by name.

    Raises:
        ValueError: the registry that came with the package is damaged.
        FileNotFoundError: it is missing.
    """
    return files.read_json(ZOO / REGISTRY)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence with the most similar of the known names, after a space; empty where none is."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=2) or [one for one in names if name and name in one][:2]
    return f" Did you mean {' or '.join(map(repr, near))}?" if near else ""


def get(preset: str) -> dict[str, Any]:
    """The entry of a preset.

    Raises:
        ValueError: no preset of that name; the message tells those with the most similar names.
    """
    known = load()
    if preset not in known:
        shown = preset if len(preset) <= _LONGEST else f"{preset[:_LONGEST]}…"
        first = [name for name in known if not re.search(r"_seed\d+$", name)]
        raise ValueError(
            f"Unknown preset {shown!r}.{did_you_mean(preset, known)} Known: {', '.join(first) or 'none'}; and repetitions, NAME_seed1, which list_presets() tells too."
        )
    return known[preset]


def packaged() -> list[str]:
    """The presets that travel in the wheel: those on digits, but for the repetitions of a recipe from other seeds."""
    return [name for name in load() if not re.search(r"_imagenette|_seed\d+$", name)]


def training_runs(preset: str) -> list[str]:
    """The preset, then those that were trained by the same recipe from other seeds, as far as they are known."""
    return [preset, *(name for name in load() if re.fullmatch(rf"{re.escape(preset)}_seed\d+", name))]


def fault(preset: str, folder: Path) -> str | None:
    """What keeps a folder from being a known preset, file by file and byte by byte; None if nothing does.

    Raises:
        ValueError: no preset of that name.
    """
    expected = get(preset)["files"]
    if not folder.is_dir():
        return "not there"
    for name, known in expected.items():
        path = folder / name
        try:
            if not path.is_file():
                return f"{name} is missing"
            if path.stat().st_size != known["bytes"]:
                return f"{name} has {path.stat().st_size:,} bytes instead of {known['bytes']:,}"
            digest = files.sha256(path)
        except OSError as error:
            return f"{name} cannot be read ({error.strerror})"
        if digest != known["sha256"]:
            return f"{name} has SHA-256 {digest} instead of {known['sha256']}"
    return None


def build(zoo: Path) -> dict[str, dict[str, Any]]:
    """The registry of the preset folders in `zoo`.

    Returns:
        By name, sorted: `model` (its class), `train_error` and `test_error` (shares of 1), and of every file
        of `files` its `sha256` and `bytes`.

    Raises:
        ValueError: a preset lacks a file, its metrics lack one of these values, or its weights are not those
            that its metrics record.
    """
    entries = {}
    for folder in sorted(config.parent for config in zoo.glob(f"*/{CONFIG}")):
        missing = [name for name in FILES if not (folder / name).is_file()]
        if missing:
            raise ValueError(f"The preset folder {folder} lacks {' and '.join(missing)}.")
        known = {
            name: {"sha256": files.sha256(folder / name), "bytes": (folder / name).stat().st_size}
            for name in FILES
        }
        metrics = files.read_json(folder / METRICS)
        try:
            recorded, model = metrics["sha256"], metrics["recipe"]["model"]
            errors = {key: metrics[key] for key in ("train_error", "test_error")}
        except (KeyError, TypeError) as error:
            raise ValueError(
                f"{folder / METRICS} does not record {error}, as a trained preset does."
            ) from error
        if recorded != known[WEIGHTS]["sha256"]:
            raise ValueError(f"{folder / WEIGHTS} is not the file whose SHA-256 {METRICS} records.")
        entries[folder.name] = {"model": model, **errors, "files": known}
    return entries


def _main() -> None:
    parser = argparse.ArgumentParser(description="Writes registry.json of a folder of presets.")
    parser.add_argument("zoo", metavar="ZOO", type=Path)
    zoo = parser.parse_args().zoo
    files.write_json(zoo / REGISTRY, build(zoo))


if __name__ == "__main__":
    _main()
