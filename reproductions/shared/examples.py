"""Adversarial examples of the attacked images, kept in files for a later run."""

import dataclasses
import hashlib
import resource
import sys
from typing import Any, NamedTuple

import numpy as np

import keras_intriguing as ki
from keras_intriguing import files
from reproductions.shared.run import Run


class Examples(NamedTuple):
    """The fields of a `ki.Result` as arrays.

    Attributes:
        arrays: by field.
        sha256: of the file that keeps them.
        peak_mib: the most memory, in MiB, that the process which made them had held by then.
    """

    arrays: dict[str, np.ndarray]
    sha256: str
    peak_mib: int


def of_attacked(run: Run, preset: str, method: str, targeted: bool) -> Examples:
    """The attack's result on the attacked images; its arrays are kept in a file for a later run."""
    targets = "random" if targeted else "nearest"
    target = run.targets if targeted else None
    return kept(run, f"{preset}-{method}-{targets}", preset, run.attacked[0], target, method, targets=targets)


def kept(
    run: Run, kind: str, preset: str, x: np.ndarray, target: Any, method: str, **settings: Any
) -> Examples:
    """The attack's result on images x, out of its file or now made; `settings` are further ones of the record."""
    settings |= {"method": method, "attacked_sha256": hashlib.sha256(np.ascontiguousarray(x)).hexdigest()}
    path = run.out / "examples" / f"{kind}.npz"

    def attack() -> dict[str, Any]:
        result = ki.minimal_distortion(run.model(preset), x, target=target, method=method)
        arrays = {f.name: getattr(result, f.name) for f in dataclasses.fields(result)}
        files.write_arrays(path, **arrays)
        return {"file": path.name, "file_sha256": files.sha256(path), "peak_mib": _peak_mib()}

    values = run.record(f"examples/{kind}", [preset], attack, **settings)
    if not path.exists() or files.sha256(path) != values["file_sha256"]:
        # The record came without its arrays (they are not kept under version control).
        (run.out / "records" / "examples" / f"{kind}.json").unlink()
        values = run.record(f"examples/{kind}", [preset], attack, **settings)
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    return Examples(arrays, values["file_sha256"], values["peak_mib"])


def _peak_mib() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit // 2**20
