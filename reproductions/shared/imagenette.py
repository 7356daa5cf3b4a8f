"""Imagenette's validation photographs, and what the nets make of them: Figures 3 to 6."""

import functools
import hashlib
from typing import Any

import numpy as np
import tensorflow as tf

import keras_intriguing as ki
from reproductions.shared.run import Run

ALEXNET = "alexnet_small_imagenette"
QUOCNET = "quocnet_imagenette"


@functools.cache
def validation(run: Run) -> ki.photographs.Photographs:
    """The run's validation photographs.

    Raises:
        ValueError: their classes are not those that the nets were trained on, or see `ki.photographs.load`.
    """
    found = ki.photographs.load(
        run.photographs, "val", data_dir=run.data_dir, skip_unreadable=run.skip_unreadable
    )
    expected = tuple(ki.presets.load_metrics(ALEXNET)["classes"])
    if found.classes != expected:
        raise ValueError(
            f"The photographs' classes ({', '.join(found.classes)}) are not those that the nets were trained on: "
            f"{', '.join(expected)}. Figures 3 to 6 need Imagenette."
        )
    return found


@functools.cache
def images(run: Run) -> dict[str, Any]:
    """The photographs, for a record's key: of their files and their labels; see `Measurement.images`."""
    found = validation(run)
    digest = hashlib.sha256(bytes.fromhex(found.sha256) + found.labels.tobytes())
    return {"dataset": "imagenette", "images": len(found), "images_sha256": digest.hexdigest()}


def words(run: Run) -> list[str]:
    """The classes, in words, by label."""
    return [ki.photographs.IMAGENETTE.get(name, name) for name in validation(run).classes]


def input_size(run: Run, preset: str) -> int:
    """The side of the square images that a net takes."""
    return run.model(preset).input_shape[1]


@functools.cache
def predicted_labels(run: Run, preset: str) -> np.ndarray:
    """The labels that a net gives all validation photographs, int [N]."""
    net = run.model(preset)
    crops = validation(run).center_crops(net.input_shape[1])
    # a net holds the outputs of all its layers at once, so that only few photographs may be called together
    return np.concatenate([ki.evaluation.labels(net, x) for x in crops.as_numpy_iterator()])


def confidences(model: Any, x: np.ndarray) -> np.ndarray:
    """The largest probability that a net gives a class, for every image of x."""
    return np.asarray(tf.reduce_max(tf.nn.softmax(ki.evaluation.call(model, x)), axis=-1))
