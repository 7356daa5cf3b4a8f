"""From a model, whatever its last activation, to a function that gives logits."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_intriguing.classifiers import evaluation


def logits_function(model: Callable) -> Callable[[tf.Tensor], tf.Tensor]:
    """The function from images [B, …] to float32 logits [B, K] behind a model.

    Of a Keras model that ends in softmax it is the same graph without that softmax, on the same variables:
    the model itself is not changed, and the function follows later changes of its weights.

    Args:
        model: a Keras model, or any function of TensorFlow tensors. A Keras model must have been built.

    Raises:
        ValueError: a Keras model with several outputs, or one that ends in sigmoid.
    """
    graph = _before_softmax(model) if isinstance(model, keras.Model) else None
    outputs = graph or (lambda images: evaluation.call(model, images))
    return lambda images: tf.cast(outputs(images), tf.float32)


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


def check_logits(logits: tf.Tensor, outputs: Any) -> None:
    """Checks that what is taken for logits is not probabilities, and ranks the classes as the model does.

    Raises:
        ValueError: no logit is negative and every row sums to one; or the largest logit is not the class
            that the model gives.
    """
    values, given = np.asarray(logits), np.asarray(tf.cast(outputs, tf.float32))
    tolerance = 1e-2 if tf.as_dtype(outputs.dtype).size < 4 else 1e-4
    if values.min() >= 0 and np.abs(values.sum(axis=1) - 1).max() < tolerance:
        raise ValueError(
            "The model gives probabilities (no output is negative, every row sums to 1), and the attack needs "
            "logits: the values before the softmax. A Keras model whose last layer is the softmax is attacked "
            "through its logits; of any other model pass one, or a function, that leaves the softmax out. "
            "(Logits that only look so can be told apart by a function that returns twice their value.)"
        )
    of_largest = np.take_along_axis(given, values.argmax(axis=1)[:, None], axis=1)[:, 0]
    if (of_largest < given.max(axis=1) - 1e-3 * np.abs(given).max(axis=1)).any():
        raise ValueError(
            "The model's softmax could not be taken out: what lies before it ranks the classes otherwise than "
            "the model. Pass a model, or a function, that gives the logits."
        )


def _before_softmax(model: keras.Model) -> Callable[[tf.Tensor], tf.Tensor] | None:
    """The model without the softmax that ends it; None where there is none, or no graph to see it in."""
    outputs = getattr(model, "outputs", None) or []
    if len(outputs) > 1:
        raise ValueError(
            f"{model.name} has {len(outputs)} outputs; the attack needs one. "
            "Pass keras.Model(model.inputs, the_logits)."
        )
    if not outputs or not hasattr(outputs[0], "_keras_history"):
        return None
    last, node, _ = outputs[0]._keras_history
    if getattr(last, "activation", None) is keras.activations.sigmoid:
        raise ValueError(
            f"{model.name} ends in a sigmoid (layer {last.name!r}): its classes do not exclude each other. "
            "The attack needs one logit per class, of which the largest is the label; drop the sigmoid."
        )
    if isinstance(last, keras.Model):
        tail = _before_softmax(last)
    elif type(last).__name__ == "Softmax":
        tail = tf.identity
    elif getattr(last, "activation", None) is keras.activations.softmax:
        tail = _without_activation(last)
    else:
        tail = None
    if tail is None:
        return None
    trunk = keras.Model(model.inputs[0], last._inbound_nodes[node].input_tensors[0])
    return lambda images: tail(trunk(images, training=False))


def _without_activation(layer: keras.Layer) -> Callable[[tf.Tensor], tf.Tensor]:
    """The layer with its own variables but no activation."""
    twin = type(layer).from_config({**layer.get_config(), "activation": "linear"})

    def call(inputs: tf.Tensor) -> tf.Tensor:
        if not twin.built:
            twin.build(inputs.shape)
        trainable = [v.value for v in layer.trainable_variables]
        fixed = [v.value for v in layer.non_trainable_variables]
        return twin.stateless_call(trainable, fixed, inputs)[0]

    return call
