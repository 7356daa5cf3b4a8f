"""How much a network really stretches: the steepest direction at the steepest image that a search finds."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from keras_intriguing.classifiers import evaluation

_STARTS = 16
_STEPS = 60
_POWER = 3
_RATE = 0.05  # of a step, in shares of the image's own length
_APART = 1e-2  # of the two inputs, likewise


def steepest(
    model: Any, images: np.ndarray | None, on_step: Callable[[int, int], None] = lambda done, total: None
) -> tuple[float, tuple[np.ndarray, np.ndarray]]:
    """Two inputs near each other that a model stretches as much as can be found.

    Power iteration on the Jacobian finds the steepest direction at an image, gradient ascent moves the image to where
    it is steeper; all starts side by side.

    Args:
        model: images [B, …] to outputs [B, …].
        images: the starts [B, …], of which at most 16 are used; by default random ones in [0, 1].
        on_step: told how many steps of how many are done.

    Returns:
        ‖f(a) − f(b)‖ / ‖a − b‖ by a forward pass, and a, b.
    """
    if images is None:
        images = np.random.default_rng(0).uniform(size=(_STARTS, *model.inputs[0].shape[1:]))
    x = tf.Variable(tf.constant(images[:_STARTS], tf.float32))
    v = tf.Variable(tf.random.stateless_normal(x.shape, seed=(0, 0)))
    axes = list(range(1, len(x.shape)))

    def unit(t: tf.Tensor) -> tf.Tensor:
        return t / (tf.sqrt(tf.reduce_sum(t**2, axis=axes, keepdims=True)) + 1e-30)

    @tf.function(autograph=False)
    def step(rate: tf.Tensor) -> tf.Tensor:
        for _ in range(_POWER):
            with tf.autodiff.ForwardAccumulator(x, unit(v)) as forward:
                y = evaluation.call(model, x)
            stretched = forward.jvp(y)
            with tf.GradientTape() as tape:
                y = evaluation.call(model, x)
            v.assign(tape.gradient(y, x, output_gradients=stretched))
        direction = unit(v)
        with tf.GradientTape() as tape:
            with tf.autodiff.ForwardAccumulator(x, direction) as forward:
                y = evaluation.call(model, x)
            lengths = tf.reduce_sum(forward.jvp(y) ** 2, axis=list(range(1, len(y.shape))))
        length = tf.sqrt(tf.reduce_sum(x**2, axis=axes, keepdims=True))
        gradient = tape.gradient(lengths, x)
        if gradient is not None:  # a linear model is as steep everywhere
            x.assign_add(rate * length * unit(gradient))
        return lengths

    best, kept = 0.0, (x.numpy()[0], unit(v).numpy()[0])
    for i in range(_STEPS):
        at, direction = x.numpy(), unit(v).numpy()
        lengths = step(tf.constant(_RATE * (1 - i / _STEPS))).numpy()
        if i and lengths.max() > best:
            k = int(lengths.argmax())
            best, kept = float(lengths.max()), (at[k], unit(v).numpy()[k])
        on_step(i + 1, _STEPS)
    at, direction = kept
    apart = _APART * max(1e-3, float(np.linalg.norm(at)))
    a, b = at + apart / 2 * direction, at - apart / 2 * direction
    outputs = np.asarray(evaluation.call(model, np.stack([a, b]).astype(np.float32)), np.float64)
    return float(np.linalg.norm(outputs[0] - outputs[1]) / np.linalg.norm(a - b)), (a, b)
