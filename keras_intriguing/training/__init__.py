"""How every preset is made, and training by the same recipes. Names load their modules, and so TensorFlow, when used."""

import importlib
from typing import Any

_NAMES = {"fit": "full_batch", "initialize": "full_batch", "train_preset": "full_batch"}

__all__ = list(_NAMES)


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
