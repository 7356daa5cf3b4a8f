"""How every preset is trained, and training by the same methods. Names load their modules, and so TensorFlow, when used."""

import importlib
from typing import Any

_MODULES = ("full_batch", "minibatches", "photographs", "quocnet", "recipes", "settings")
_NAMES = {"initialize": "initialization", "train_preset": "preset"}  # the module of each

__all__ = [*_MODULES, *_NAMES]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _NAMES:
        return getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
