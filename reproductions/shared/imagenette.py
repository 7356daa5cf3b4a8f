"""What Figures 3 to 6 share: the validation photographs, their classes in words, and records that rest on them."""

import functools
import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

import keras_intriguing as ki
from keras_intriguing.data.photographs import IMAGENETTE, Photographs
from reproductions.shared.run import Run

ALEXNET = "alexnet_small_imagenette"
QUOCNET = "quocnet_imagenette"


@functools.cache
def validation(run: Run) -> Photographs:
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


def words(run: Run) -> list[str]:
    """The classes, in words, by label."""
    return [IMAGENETTE.get(name, name) for name in validation(run).classes]


@functools.cache
def images_hash(run: Run) -> str:
    """Of the photographs' files and their labels."""
    found = validation(run)
    return hashlib.sha256(bytes.fromhex(found.sha256) + found.labels.tobytes()).hexdigest()


def described(run: Run) -> str:
    """The photographs, in words: validation ones only where they are known to be."""
    found = validation(run)
    recorded = ki.presets.load_metrics(ALEXNET)["images_sha256"]["val"]
    if run.photographs is None or found.sha256 == recorded:
        return f"the {len(found):,} validation photographs of Imagenette"
    return (
        f"the {len(found):,} photographs of {run.photographs.name} (not the validation photographs that the nets' "
        "errors were measured on; the nets may have been trained on them)"
    )


def record(
    run: Run, name: str, presets: list[str], measure: Callable[[], dict[str, Any]], **settings: Any
) -> dict[str, Any]:
    """A record that rests on the photographs, whatever digits are attacked elsewhere."""
    return run.record(name, presets, measure, **{**rests_on(run), **settings})


def rests_on(run: Run) -> dict[str, Any]:
    """What replaces the run's digits in a record's key."""
    return {"dataset": "imagenette", "images": len(validation(run)), "images_sha256": images_hash(run)}


def size_of(run: Run, preset: str) -> int:
    """The side of the square images that a net takes."""
    return run.model(preset).input_shape[1]


@functools.cache
def labels_of(run: Run, preset: str) -> np.ndarray:
    """The labels that a net gives all validation photographs, int [N]."""
    net = run.model(preset)
    squares = validation(run).squares(net.input_shape[1])
    return np.concatenate([tf.argmax(ki.evaluation.call(net, x), axis=-1) for x in squares])


def confidences(model: Any, x: np.ndarray) -> np.ndarray:
    """The largest probability that a net gives a class, for every image of x."""
    return np.asarray(tf.reduce_max(tf.nn.softmax(ki.evaluation.call(model, x)), axis=-1))
