"""The package's own attacks, as they are compared."""

from typing import Any

import numpy as np

import keras_intriguing as ki
from reproductions.bench.attack.evaluation import Attacked


def untargeted(model: Any, x: np.ndarray, labels: np.ndarray, **settings: Any) -> Attacked:
    """To the nearest class other than `labels` [B]."""
    return _attacked(ki.minimal_distortion(model, x, label=labels, **settings))


def targeted(model: Any, x: np.ndarray, targets: np.ndarray, **settings: Any) -> Attacked:
    """To `targets` [B]."""
    return _attacked(ki.minimal_distortion(model, x, target=targets, **settings))


def _attacked(result: ki.Result) -> Attacked:
    return Attacked(result.adversarial, result.forward_passes, result.backward_passes)
