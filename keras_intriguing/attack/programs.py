"""The compiled programs, which are kept for later batches and calls, whatever model makes them."""

import functools
import threading
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from keras_intriguing.attack.network import Network
from keras_intriguing.attack.program import Program
from keras_intriguing.classifiers import evaluation

KEPT = 8  # a dense net's program takes some 80 MiB
_LOCK = threading.Lock()  # replicas share the programs, whose functions are traced once for each device


def program_for(model: Callable, x: np.ndarray) -> Program:
    """The program for the model and images of the shape of x [B, …]; of another model's if its graph is the same.

    A Keras model is traced each time, since its layers may have changed. Of a function only what it gives for x is
    compared, and it is traced again where that is something else than it was.
    """
    shape = x.shape[1:]
    with _LOCK:
        if isinstance(model, keras.Model):
            return _program(Network(model, shape))
        replica = tf.distribute.get_replica_context()  # which may have variables of its own
        number = int(replica.replica_id_in_sync_group) if replica else None
        if _is_stale(_of_function(model, shape, number), model, x):
            _of_function.cache_clear()
        return _program(_of_function(model, shape, number))


@functools.lru_cache(maxsize=KEPT)
def _program(network: Network) -> Program:
    """With XLA, which halves the time and better; but its convolutions on a CPU are several times slower."""
    return Program(network, jit=bool(tf.config.list_physical_devices("GPU")) or not network.has_convolutions)


@functools.lru_cache(maxsize=KEPT)
def _of_function(function: Callable, shape: tuple[int, ...], replica: int | None) -> Network:
    return Network(function, shape)


def _is_stale(network: Network, function: Callable, x: np.ndarray) -> bool:
    fresh = np.asarray(tf.cast(evaluation.call(function, x), tf.float32))
    traced = np.asarray(network.logits([], tf.constant(x)))
    return fresh.shape != traced.shape or not np.allclose(fresh, traced, rtol=1e-2, atol=1e-2 * np.ptp(fresh))
