"""From a model, whatever its last activation, to a function that gives logits."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_intriguing import evaluation


def logits_function(model: Callable) -> Callable[[tf.Tensor], tf.Tensor]:
    """The function from images [B, …] to float32 logits [B, K] behind a model.

    A Keras model that ends in softmax is called without it: no other layer and no weight is touched, and the
    function follows later changes of the weights.

    Args:
        model: a Keras model, or any function of TensorFlow tensors.

    Raises:
        ValueError: a Keras model with several outputs, or one that ends in sigmoid.
    """
    last = _last_operation(model) if isinstance(model, keras.Model) else None
    if last is not None and getattr(last, "activation", None) is keras.activations.sigmoid:
        raise ValueError(
            f"{model.name} ends in a sigmoid (layer {last.name!r}): its classes do not exclude each other. "
            "The attack needs one logit per class, of which the largest is the label; drop the sigmoid."
        )

    def logits(images: tf.Tensor) -> tf.Tensor:
        with _without_softmax(last):
            return tf.cast(evaluation.call(model, images), tf.float32)

    return logits


def ends_in_softmax(model: Callable) -> bool:
    """Whether a Keras model's last operation is a softmax, which `logits_function` then leaves out."""
    return isinstance(model, keras.Model) and _softmax_kind(_last_operation(model)) is not None


def check_outputs(outputs: Any, count: int) -> None:
    """Checks what a model gave for `count` images.

    Raises:
        ValueError: the outputs are not float [count, K ≥ 2], or not finite.
    """
    if not hasattr(outputs, "shape") or not hasattr(outputs, "dtype"):
        raise ValueError(
            f"The model must give one tensor of logits [B, K], but it gave a {type(outputs).__name__}. "
            "Wrap it in a function that picks the logits."
        )
    shape = tuple(outputs.shape)
    if len(shape) != 2 or shape[0] != count or shape[1] < 2:
        raise ValueError(
            f"The model must give logits [B, K] for K ≥ 2 classes; for {count} images it gave shape {shape}."
        )
    if not tf.as_dtype(outputs.dtype).is_floating:
        raise ValueError(f"The model must give floating-point logits, but it gave {outputs.dtype}.")
    values = np.asarray(tf.cast(outputs, tf.float32))
    if not np.isfinite(values).all():
        bad = int((~np.isfinite(values)).any(axis=1).sum())
        raise ValueError(f"The model's outputs are NaN or infinite for {bad} of {count} images.")


def check_not_probabilities(model: Callable, outputs: Any) -> None:
    """Checks that a model that does not visibly end in softmax gives no probabilities.

    Raises:
        ValueError: no output is negative and every row sums to one.
    """
    values = np.asarray(tf.cast(outputs, tf.float32))
    tolerance = 1e-2 if tf.as_dtype(outputs.dtype).size < 4 else 1e-4
    looks_so = values.min() >= 0 and np.abs(values.sum(axis=1) - 1).max() < tolerance
    if looks_so and not ends_in_softmax(model):
        raise ValueError(
            "The model gives probabilities (no output is negative, every row sums to 1), and the attack needs "
            "logits: the values before the softmax. A Keras model whose last layer is the softmax is attacked "
            "through its logits; of any other model pass one, or a function, that leaves the softmax out. "
            "(Logits that only look so can be told apart by a function that returns twice their value.)"
        )


def _last_operation(model: keras.Model) -> Any:
    """The operation that makes the output, or None for a subclassed model, which shows no graph."""
    if isinstance(model, keras.Sequential):
        last = model.layers[-1] if model.layers else None
    else:
        outputs = getattr(model, "outputs", None) or []
        if len(outputs) > 1:
            raise ValueError(
                f"{model.name} has {len(outputs)} outputs; the attack needs one. "
                "Pass keras.Model(model.inputs, the_logits)."
            )
        history = getattr(outputs[0], "_keras_history", None) if outputs else None
        last = history.operation if history else None
    return _last_operation(last) if isinstance(last, keras.Model) else last


def _softmax_kind(operation: Any) -> str | None:
    if getattr(operation, "activation", None) is keras.activations.softmax:
        return "activation"
    return "operation" if type(operation).__name__ == "Softmax" else None


@contextlib.contextmanager
def _without_softmax(operation: Any) -> Iterator[None]:
    """Takes the softmax out of a model's last operation while the model is called."""
    kind = _softmax_kind(operation)
    if kind == "activation":
        operation.activation = keras.activations.linear
        try:
            yield
        finally:
            operation.activation = keras.activations.softmax
    elif kind == "operation":
        operation.call = lambda inputs, *_, **__: inputs
        try:
            yield
        finally:
            del operation.call
    else:
        yield
