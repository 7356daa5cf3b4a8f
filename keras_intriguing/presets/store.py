"""Trained checkpoints: a folder each, found by name or path, checked against its SHA-256."""

import importlib
import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

from keras_intriguing import files
from keras_intriguing.presets import download, packages, registry
from keras_intriguing.presets.registry import CARD, CONFIG, METRICS, WEIGHTS

_LONGEST_NAME = 255
_REGISTERED = "keras_intriguing>"
_MODELS = "keras_intriguing.models."  # modules outside are never imported on a file's word


def list_presets() -> list[str]:
    """The names of all trained checkpoints of the zoo, sorted: those that came with the package and those to be fetched.

    Not among them: presets of other packages' weights, `keras_intriguing.presets.packages.SOURCES`.
    """
    return list(registry.load())


def find(preset: str | os.PathLike, on_bytes: download.OnBytes = download.silent) -> Path:
    """The folder of a preset, given by its name or as a path (with a separator, or absolute).

    A name is looked up among the files that came with the package, then in the cache, then in the mirrors; some are
    made of weights that another Python package carries.

    Args:
        preset: name or path.
        on_bytes: told, while the preset is fetched, how many bytes of how many have come.

    Raises:
        TypeError: neither a name nor a path.
        ValueError: no preset of that name; the message lists the known ones.
        FileNotFoundError: a path that is no preset folder, a file of the preset is missing, or no place has it;
            the message lists what was tried.
        OSError: the preset has to be fetched, and the cache cannot be written.
    """
    if not isinstance(preset, (str, os.PathLike)):
        raise TypeError(f"A preset is a name or the path of a folder, not {type(preset).__name__}.")
    named, is_path = registry.ZOO / preset, os.sep in str(preset)
    if not is_path and len(str(preset)) > _LONGEST_NAME:  # no file system takes it
        registry.get(str(preset))
    if not is_path and (named / CONFIG).is_file():
        folder = named
    elif Path(preset).is_dir() and (is_path or str(preset) not in registry.load()):
        folder = Path(preset)
    elif is_path:
        raise FileNotFoundError(f"There is no preset folder {preset}.")
    elif preset in packages.SOURCES:
        return packages.obtain(str(preset))
    else:
        return download.obtain(str(preset), on_bytes)
    missing = [name for name in (CONFIG, WEIGHTS, METRICS) if not (folder / name).is_file()]
    if missing:
        raise FileNotFoundError(f"The preset folder {folder} lacks {' and '.join(missing)}.")
    return folder


def from_preset(preset: str | os.PathLike) -> Any:
    """Loads a trained model.

    Args:
        preset: a name of `list_presets()`, or the path of a preset folder. What did not come with the package
            is fetched once, from the mirrors into the cache (see `keras_intriguing.presets.download`).

    Returns:
        A Keras model that maps images to logits. Where the preset tells its classes, `model.class_names` are their words.

    Raises:
        ValueError: unknown name (the known ones are listed), a damaged `config.json`, a weights file whose
            SHA-256 is not the recorded or, of a name, the registered one, or weights that do not fit the model.
        FileNotFoundError: the folder or one of its files is missing, or no place has the preset.
        OSError: the preset has to be fetched, and the cache cannot be written.
    """
    folder = find(preset)
    recorded, actual = load_metrics(folder)["sha256"], files.sha256(folder / WEIGHTS)
    if actual != recorded:
        raise ValueError(
            f"{folder / WEIGHTS} has SHA-256 {actual}, but {METRICS} records {recorded}. "
            "The file is truncated, damaged or replaced; restore both files of the preset together."
        )
    registered = registry.load().get(str(preset))
    if registered and actual != registered["files"][WEIGHTS]["sha256"]:
        raise ValueError(
            f"{folder / WEIGHTS} is not the registered {preset}. After a training of one's own, load it by the path of its "
            "folder, or register it: python -m keras_intriguing.presets.registry ZOO."
        )
    config = files.read_json(folder / CONFIG)
    named = config if isinstance(config, dict) else {}
    if not (
        str(named.get("registered_name")).startswith(_REGISTERED)
        and str(named.get("module")).startswith(_MODELS)
    ):
        raise ValueError(
            f"{folder / CONFIG} does not describe a model of keras_intriguing "
            f"(its registered_name must start with {_REGISTERED!r}, its module with {_MODELS!r})."
        )
    import keras

    try:
        importlib.import_module(config["module"])  # registers the class
        model = keras.saving.deserialize_keras_object(config)
    except Exception as error:  # Keras raises its own kinds
        raise ValueError(f"{folder / CONFIG} describes no model of this version: {error}") from error
    try:
        model.load_weights(folder / WEIGHTS)
    except Exception as error:  # h5py, Keras and NumPy each raise their own
        raise ValueError(f"{folder / WEIGHTS} does not fit {type(model).__name__}: {error}") from error
    model.class_names = _class_names(load_metrics(folder))
    return model


def _class_names(metrics: dict[str, Any]) -> tuple[str, ...] | None:
    """The words for a preset's classes, which are folders of photographs, by their order; None where there are none."""
    recipe = metrics.get("recipe")
    positive = recipe.get("positive") if isinstance(recipe, dict) else None  # of a detector
    folders = metrics.get("classes") or (["others", str(positive)] if positive else [])
    if not folders or isinstance(folders, int):  # of a converted preset only how many there are is known
        return None
    from keras_intriguing.data.photographs import IMAGENETTE  # needs TensorFlow

    return tuple(IMAGENETTE.get(name, name) for name in folders)


def load_metrics(preset: str | os.PathLike) -> dict[str, Any]:
    """What was measured when the checkpoint was made: errors, seed, recipe, versions, SHA-256.

    Raises:
        ValueError: unknown preset, or a metrics file that is no JSON object with a SHA-256.
        FileNotFoundError, OSError: see `find`.
    """
    path = find(preset) / METRICS
    metrics = files.read_json(path)
    if not isinstance(metrics, dict) or not isinstance(metrics.get("sha256"), str):
        raise ValueError(f"{path} records no SHA-256 of the weights.")
    return metrics


def require_vacant(folder: str | os.PathLike) -> None:
    """Checks that a new preset would replace no finished one, before the work whose result it will hold.

    Raises:
        FileExistsError: the folder holds a finished preset.
    """
    if (Path(folder) / METRICS).exists():
        raise FileExistsError(
            f"{folder} already holds a finished preset. Remove it or choose another folder."
        )


def save_to_preset(model: Any, folder: str | os.PathLike, metrics: dict[str, Any], card: str) -> None:
    """Writes a model as a preset folder; `metrics.json`, written last, makes it valid.

    Args:
        model: a model of `keras_intriguing.models`.
        folder: made if it is missing; its preset files are replaced.
        metrics: JSON values; the weights' SHA-256 and size are added.
        card: the model card, in Markdown.

    Raises:
        OSError: the folder cannot be written.
    """
    import keras

    folder = Path(folder)
    (folder / METRICS).unlink(missing_ok=True)
    with files.replacing(folder / WEIGHTS) as temporary:
        model.save_weights(temporary)
    weights = folder / WEIGHTS
    files.write_json(folder / CONFIG, keras.saving.serialize_keras_object(model))
    files.write_text(folder / CARD, card)
    files.write_json(
        folder / METRICS, {**metrics, "sha256": files.sha256(weights), "bytes": weights.stat().st_size}
    )


def versions() -> dict[str, str]:
    """The versions that a result depends on, for its record."""
    names = ("keras-intriguing", "tensorflow", "keras", "tensorflow-probability", "numpy")
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # a checkout that was not installed
            found[name] = "checkout"
    return {**found, "python": platform.python_version(), "machine": platform.machine()}
