"""Layers that only move, drop, repeat or pad values."""

import math
from typing import Any

import keras
import numpy as np

from keras_intriguing.spectral.bounds import NormBounds
from keras_intriguing.spectral.layer_settings import each
from keras_intriguing.spectral.recognition import named


def isometry(layer: Any, shape: tuple[int, ...]) -> NormBounds:
    """Layers that only move, drop or add zeros: no distance grows, and that of one inner value is kept."""
    witness = np.zeros(shape)
    witness[tuple(size // 2 for size in shape)] = 1
    kept = float(np.linalg.norm(np.asarray(layer(witness[None].astype(np.float32), training=False))))
    return NormBounds(min(1.0, kept), 1.0, "exact", (witness, np.zeros(shape)) if kept else None)


def repetition(layer: Any, shape: tuple[int, ...]) -> NormBounds:
    """Every value is repeated equally often; nearest-neighbour upsampling."""
    if getattr(layer, "interpolation", "nearest") != "nearest":
        raise ValueError(f"{named(layer)} interpolates; only nearest-neighbour upsampling has a rule.")
    times = layer.n if type(layer) is keras.layers.RepeatVector else math.prod(each(layer.size, 1))
    witness = np.zeros(shape)
    witness.flat[0] = 1
    return NormBounds(math.sqrt(times), math.sqrt(times), "exact", (witness, np.zeros(shape)))
