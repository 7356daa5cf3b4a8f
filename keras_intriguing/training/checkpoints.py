"""Checkpoints of interrupted trainings: variables, arrays and a state, bound to what decides the training."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_intriguing import files


class Checkpoint:
    """Where a training is saved, and from where it goes on.

    Args:
        path: of the file; None for a training that is not saved.
        settings: all that decides the training but its data, as JSON values.
        x: its data.
        y: their labels.
    """

    def __init__(self, path: Path | None, settings: dict[str, Any], x: np.ndarray, y: np.ndarray) -> None:
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
        digest.update(np.ascontiguousarray(x).data)
        digest.update(np.ascontiguousarray(y).data)
        self._path, self._fingerprint = path, digest.hexdigest()

    def save(
        self, state: Any, variables: Sequence[Any], arrays: Mapping[str, np.ndarray] | None = None
    ) -> None:
        """Writes the file, whole or not at all.

        Args:
            state: JSON values.
            variables: of Keras or TensorFlow.
            arrays: more of them, by name.
        """
        if self._path is not None:
            header = json.dumps({"fingerprint": self._fingerprint, "state": state})
            values = {f"variable{i}": np.asarray(variable) for i, variable in enumerate(variables)}
            files.write_arrays(self._path, state=header, **values, **(arrays or {}))

    def restore(self, variables: Sequence[Any]) -> tuple[Any, dict[str, np.ndarray]] | None:
        """Reads the file, if there is one, and assigns the variables.

        Returns:
            The state and the other arrays; None if there is no file.

        Raises:
            ValueError: the file is damaged, or belongs to another training.
        """
        if self._path is None or not self._path.exists():
            return None
        try:
            # opened here: of a damaged file NumPy leaves its own open
            with open(self._path, "rb") as file, np.load(file) as stored:
                arrays = {name: stored[name] for name in stored.files}
            header = json.loads(str(arrays.pop("state")))
            fingerprint, state = header["fingerprint"], header["state"]
        except Exception as error:  # zipfile, NumPy and json each raise their own
            raise ValueError(
                f"The checkpoint {self._path} cannot be read ({error}). Remove it to start from nothing."
            ) from error
        if fingerprint != self._fingerprint:
            raise ValueError(
                f"The checkpoint {self._path} belongs to another model, recipe, seed or data set. "
                "Remove it to start from nothing, or choose another folder."
            )
        for i, variable in enumerate(variables):
            variable.assign(arrays.pop(f"variable{i}"))
        return state, arrays


def architecture(model: keras.Model) -> list[list[Any]]:
    """Every layer's class, weights' shapes and activation, by which a checkpoint knows its model."""
    return [
        [type(layer).__name__, [list(w.shape) for w in layer.weights], getattr(activation, "__name__", None)]
        for layer in model.layers
        for activation in [getattr(layer, "activation", None)]
    ]
