"""Intriguing properties of neural networks (Szegedy et al. 2014) for Keras 3.

Public names load their modules, and so TensorFlow, when they are first used.
"""

import importlib
from typing import Any

_MODULES = (
    "adversarial_training",
    "conversion",
    "data",
    "directions",
    "evaluation",
    "models",
    "photographs",
    "presets",
    "spectral",
    "training",
    "transfer",
)
_NAMES = {
    "Result": "attack",
    "from_preset": "presets",
    "list_presets": "presets",
    "minimal_distortion": "attack",
}

__all__ = [*_MODULES, *_NAMES]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"keras_intriguing.{name}")
    if name in _NAMES:
        return getattr(importlib.import_module(f"keras_intriguing.{_NAMES[name]}"), name)
    raise AttributeError(f"module 'keras_intriguing' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
