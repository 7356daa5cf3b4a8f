"""The paper's penalty by SciPy's L-BFGS-B, image by image: what the package's batched one is compared with."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from scipy import optimize

from keras_intriguing.attack import WeightSearch
from reproductions.bench.attack.evaluation import Attacked


def penalty(model: Callable, x: np.ndarray, targets: np.ndarray) -> Attacked:
    """The paper's penalty to reach `targets` [B], image by image, by the package's search for c from x."""
    evaluations = 0

    @tf.function
    def entropy(v: tf.Tensor, target: tf.Tensor) -> tuple[Any, Any, Any]:
        with tf.GradientTape() as tape:
            tape.watch(v)
            logits = model(tf.reshape(tf.cast(v, tf.float32), (1, *x.shape[1:])), training=False)
            value = tf.nn.sparse_softmax_cross_entropy_with_logits(target[None], logits)[0]
        others = tf.where(tf.range(logits.shape[1]) == target, -np.inf, logits[0])
        return value, tape.gradient(value, v), tf.reduce_max(others) - logits[0][target]

    def one(image: np.ndarray, target: tf.Tensor) -> np.ndarray:
        nonlocal evaluations
        start, search = image, WeightSearch(np.ones(1), np.full(1, WeightSearch.LARGEST_FACTOR))
        for _ in range(search.STEPS):
            if search.done[0]:
                break

            def objective(v: np.ndarray, c: float = search.c[0]) -> tuple[float, np.ndarray]:
                value, gradient, _ = entropy(tf.constant(v), target)
                return c * np.sum((v - image) ** 2) + float(value), 2 * c * (v - image) + gradient.numpy()

            found = optimize.minimize(
                objective, start, jac=True, method="L-BFGS-B", bounds=[(0, 1)] * image.size
            )
            evaluations += found.nfev + 1
            excess = np.array([entropy(tf.constant(found.x), target)[2]])
            if excess <= 0:
                start = found.x
            search.update(np.zeros(1, int), excess, np.array([np.linalg.norm(found.x - image)]))
        return start

    flat = x.reshape(len(x), -1).astype(np.float64)
    rows = [one(image, tf.constant(target)) for image, target in zip(flat, targets, strict=True)]
    passes = np.full(len(x), evaluations / len(x))
    return Attacked(np.array(rows, np.float32).reshape(x.shape), passes, passes)
