"""Trained checkpoints: look-up, download, loading and saving. Knows no model class; a preset's configuration names its own."""

from keras_intriguing.presets.registry import CARD, CONFIG, METRICS, WEIGHTS, ZOO, packaged, training_runs
from keras_intriguing.presets.store import (
    find,
    from_preset,
    list_presets,
    load_metrics,
    require_vacant,
    save_to_preset,
    versions,
)

__all__ = [
    "CARD",
    "CONFIG",
    "METRICS",
    "WEIGHTS",
    "ZOO",
    "find",
    "from_preset",
    "list_presets",
    "load_metrics",
    "packaged",
    "require_vacant",
    "save_to_preset",
    "training_runs",
    "versions",
]
