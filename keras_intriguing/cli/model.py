"""The models that commands take."""

from pathlib import Path
from typing import Any

from keras_intriguing import presets

HELP = "a preset, its folder, or a saved Keras model (.keras, .h5)"


def load(name: str) -> Any:
    """A model by the name or folder of a preset, or a saved Keras model.

    Raises:
        ValueError, OSError: there is none, or it cannot be loaded; see `presets.from_preset`.
    """
    if Path(name).is_file() or Path(name).suffix in (".keras", ".h5"):
        from keras_intriguing.classifiers import loading

        return loading.load(name)
    return presets.from_preset(name)
