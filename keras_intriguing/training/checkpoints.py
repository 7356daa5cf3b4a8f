"""Checkpoints of interrupted trainings: arrays and a state, bound to the settings and data they belong to."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_intriguing import files


def fingerprint(settings: dict[str, Any], x: np.ndarray, y: np.ndarray) -> str:
    """A hash of everything that decides a training: its settings, as JSON values, and its data."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    digest.update(np.ascontiguousarray(x))
    digest.update(np.ascontiguousarray(y))
    return digest.hexdigest()


def write(path: Path, belongs_to: str, state: Any, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes a checkpoint, whole or not at all.

    Args:
        path: of the file.
        belongs_to: the training's fingerprint.
        state: JSON values.
        arrays: by name.
    """
    files.write_arrays(path, state=json.dumps({"fingerprint": belongs_to, "state": state}), **arrays)


def read(path: Path, belongs_to: str) -> tuple[Any, dict[str, np.ndarray]]:
    """The state and the arrays of a checkpoint.

    Raises:
        ValueError: the file is damaged, or belongs to another training.
    """
    try:
        with np.load(path) as stored:
            arrays = {name: stored[name] for name in stored.files}
        header = json.loads(str(arrays.pop("state")))
        stored_fingerprint, state = header["fingerprint"], header["state"]
    except Exception as error:  # zipfile, NumPy and json each raise their own
        raise ValueError(
            f"The checkpoint {path} cannot be read ({error}). Remove it to start from nothing."
        ) from error
    if stored_fingerprint != belongs_to:
        raise ValueError(
            f"The checkpoint {path} belongs to another model, recipe, seed or data set. "
            "Remove it to start from nothing, or choose another folder."
        )
    return state, arrays
