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
    if Path(name).is_file():
        import keras

        import keras_intriguing.models  # noqa: F401 (registers the package's layers)

        try:
            return keras.saving.load_model(name)
        except Exception as error:  # Keras, h5py and zipfile each raise their own
            raise ValueError(f"{name} could not be loaded as a saved Keras model: {error}") from error
    if Path(name).suffix in (".keras", ".h5"):
        raise FileNotFoundError(f"There is no model file {name}.")
    return presets.from_preset(name)
