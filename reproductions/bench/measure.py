"""What an attack found and what it cost: a fresh forward pass, a process of its own, counted gradients."""

import multiprocessing
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

import keras_intriguing as ki


class Found(NamedTuple):
    """Adversarial images [B, …], and how many gradients of the model were computed for an image on average."""

    adversarial: np.ndarray
    gradients: float


class Cost(NamedTuple):
    """What a piece of work took.

    Attributes:
        seconds: of wall-clock time.
        cpu_seconds: of all processors together; on a busy machine the steadier figure.
        peak_mib: by how much it raised the peak of its process's resident set, in MiB.
    """

    seconds: float
    cpu_seconds: float
    peak_mib: float


def measured(work: Callable[[], Any]) -> tuple[Any, Cost]:
    """What `work` returns, and its cost."""
    peak, cpu, started = _peak_mib(), time.process_time(), time.perf_counter()
    result = work()
    return result, Cost(time.perf_counter() - started, time.process_time() - cpu, _peak_mib() - peak)


def _peak_mib() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10  # bytes there, KiB elsewhere


def in_a_fresh_process(function: Callable, *arguments: Any) -> Any:
    """What a function of a module returns, called in a new process: a peak of memory is one of a whole process."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
        return pool.submit(function, *arguments).result()


class CountedGradients:
    """A Keras model that counts the images of which a gradient is asked; for attacks that are not compiled.

    Args:
        model: maps images [B, …] to logits [B, K].

    Attributes:
        images: gradients by the image so far.
    """

    def __init__(self, model: Callable) -> None:
        self.images = 0
        self._model = model

    def __call__(self, x: Any, training: bool = False) -> tf.Tensor:
        """The logits, in inference mode; libraries say `training`, of which there is none here."""
        return ki.evaluation.call(self._model, self._watched(tf.convert_to_tensor(x)))

    def _watched(self, x: tf.Tensor) -> tf.Tensor:
        @tf.custom_gradient
        def identity(x: tf.Tensor) -> tuple[tf.Tensor, Callable]:
            def backward(gradient: tf.Tensor) -> tf.Tensor:
                self.images += len(gradient)
                return gradient

            return tf.identity(x), backward

        return identity(x)


def judged(
    model: Callable, x: np.ndarray, y: np.ndarray, adversarial: np.ndarray, targets: np.ndarray | None
) -> np.ndarray:
    """The distances ‖r‖₂ [B] of adversarial images, by one fresh forward pass.

    Args:
        model: maps images to logits.
        x: the images [B, …].
        y: their labels [B], to be left.
        adversarial: [B, …], in [0, 1].
        targets: the classes to be reached [B], or None.

    Returns:
        float64 [B], infinite where the label is wrong, a pixel is outside the box, or a value is not finite.
    """
    labels = np.argmax(np.asarray(ki.evaluation.call(model, adversarial)), axis=1)
    rows = adversarial.reshape(len(x), -1)
    good = labels == targets if targets is not None else labels != y
    good &= (rows >= 0).all(axis=1) & (rows <= 1).all(axis=1)
    distance = np.linalg.norm(rows.astype(np.float64) - x.reshape(len(x), -1), axis=1)
    return np.where(good, distance, np.inf)


def exponent(sizes: list[float], values: list[float]) -> float:
    """The p of values ∝ sizesᵖ, by least squares on the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])
