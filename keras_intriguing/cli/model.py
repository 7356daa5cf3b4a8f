"""The models that commands take."""

from pathlib import Path
from typing import Any

from keras_intriguing import files, presets, quiet

HELP = "a preset, its folder, or a saved Keras model (.keras, .h5)"


def load(name: str) -> Any:
    """A model by the name or folder of a preset, or a saved Keras model.

    Raises:
        ValueError, OSError: there is none, or it cannot be loaded; see `presets.from_preset`.
    """
    is_file = Path(name).is_file()
    if (Path(name) / "saved_model.pb").is_file():
        raise ValueError(
            f"{name} is a SavedModel, and commands take saved Keras models and presets. In Python, pass "
            f"tf.saved_model.load({name!r}) to keras_intriguing.minimal_distortion or keras_intriguing.examine."
        )
    if Path(name).suffix and not Path(name).exists():  # no preset has a dot in its name
        raise FileNotFoundError(f"There is no model file {name}.")
    if not is_file:
        presets.find(name)
    quiet.import_tensorflow()
    from keras_intriguing.classifiers import loading

    return loading.load(name) if is_file else presets.from_preset(name)


def sha256(name: str) -> str:
    """Of a model's file, or of a preset's weights."""
    return files.sha256(name) if Path(name).is_file() else presets.load_metrics(name)["sha256"]
