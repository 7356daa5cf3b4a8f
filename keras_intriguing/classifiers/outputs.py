"""What a model gives for images, as its user calls it."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

_BATCH, _BATCH_BYTES = 1000, 2**24  # at most so many images at once, and of photographs fewer


def call(model: Callable, x: Any) -> Any:
    """The outputs for images x of a Keras model, in inference mode, or of any function of tensors."""
    return model(x, training=False) if isinstance(model, keras.Model) else model(tf.convert_to_tensor(x))


def precision(dtype: Any) -> float:
    """The distance of 1 and the next number of a floating-point type, also of bfloat16."""
    return float(np.spacing(tf.as_dtype(dtype).as_numpy_dtype(1)))


def in_batches(model: Callable, x: np.ndarray) -> Iterator[tuple[slice, Any]]:
    """The rows of every batch of images x [N, …] and their outputs; memory does not grow with N."""
    size = min(_BATCH, max(1, _BATCH_BYTES // max(1, x[:1].nbytes)))
    for first in range(0, len(x), size):
        rows = slice(first, first + size)
        yield rows, call(model, x[rows])


def check_outputs(outputs: Any, count: int) -> None:
    """Checks what a model gave for `count` images.

    Raises:
        ValueError: the outputs are not float [count, K], or not finite.
    """
    if isinstance(outputs, dict):
        names = ", ".join(map(str, outputs))
        raise ValueError(
            f"The model must give one tensor of logits [B, K], but it gave a dict with {names}. "
            f"Wrap it in a function that picks the logits: lambda x: model(x)[{next(iter(outputs), '')!r}]."
        )
    if not hasattr(outputs, "shape") or not hasattr(outputs, "dtype"):
        raise ValueError(
            f"The model must give one tensor of logits [B, K], but it gave a {type(outputs).__name__}. "
            "Wrap it in a function that picks the logits: lambda x: model(x)[0]."
        )
    shape, kind = tuple(outputs.shape), tf.as_dtype(outputs.dtype)
    is_number = (
        shape in ((count,), (count, 1)) if kind.is_integer else shape == (count,) and _are_whole(outputs)
    )
    if is_number:
        raise ValueError(
            "The model gives class numbers, which do not change with a small change of its input. Pass a model that gives the "
            "logits or probabilities of all classes: leave its argmax out."
        )
    if len(shape) != 2 or shape[0] != count or shape[1] < 1:
        raise ValueError(
            "The model must give logits [B, K] for K ≥ 2 classes, or one logit or probability [B, 1] for two; "
            f"for {count} images it gave shape {shape}."
        )
    if not kind.is_floating:
        raise ValueError(f"The model must give floating-point logits, but it gave {outputs.dtype}.")
    values = np.asarray(tf.cast(outputs, tf.float32))
    if not np.isfinite(values).all():
        bad = int((~np.isfinite(values)).any(axis=1).sum())
        raise ValueError(f"The model's outputs are NaN or infinite for {bad} of {count} images.")


def _are_whole(outputs: Any) -> bool:
    values = np.asarray(tf.cast(outputs, tf.float32))
    return bool((values == np.rint(values)).all())
