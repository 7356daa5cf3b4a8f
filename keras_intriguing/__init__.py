"""Intriguing properties of neural networks (Szegedy et al. 2014) for Keras 3.

Public names load their modules, and so TensorFlow, when they are first used.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_MODULES = {  # public name: the module below this one
    "certificates": "certificates",
    "conversion": "conversion",
    "data": "data",
    "directions": "directions",
    "evaluation": "classifiers.evaluation",
    "examination": "examination",
    "files": "files",
    "models": "models",
    "photographs": "data.photographs",
    "plots": "plots",
    "presets": "presets",
    "spectral": "spectral",
    "training": "training",
    "transfer": "transfer",
}
_NAMES = {  # public name: the module that has it
    "Certificate": "certificates",
    "Verification": "certificates",
    "Result": "attack",
    "certified_distortion": "certificates",
    "examine": "examination",
    "from_preset": "presets",
    "keep_compiled": "compiled",
    "list_presets": "presets",
    "minimal_distortion": "attack",
    "verify": "certificates",
}

__all__ = [*_MODULES, *_NAMES]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{_MODULES[name]}")
    if name in _NAMES:
        return getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
