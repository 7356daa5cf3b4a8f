"""The compiled programs, which are kept for later batches and calls."""

import functools
import threading
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from keras_intriguing.attack.program import Program
from keras_intriguing.classifiers.logits import logits_function

_LOCK = threading.Lock()  # replicas share the programs, whose functions are traced once for each device


def program_for(model: Callable, x: np.ndarray, jit: bool) -> Program:
    """The program for the model and images of the shape of x [B, …], on which it is tried.

    Args:
        model: a Keras model or a function of tensors.
        x: images.
        jit: whether XLA may compile it; it does not where that is slower.
    """
    shape = x.shape[1:]
    with _LOCK:
        jit = jit and _worth_compiling(model, shape)
        if _is_stale(_program(model, shape, jit), model, x):
            _program.cache_clear()
        return _program(model, shape, jit)


def _is_stale(program: Program, model: Callable, x: np.ndarray) -> bool:
    """Whether the model computes something else than when it was traced: a layer was added, say."""
    fresh = np.asarray(logits_function(model)(tf.constant(x)))
    traced = np.asarray(program.logits(tf.constant(x.reshape(len(x), -1))))
    return fresh.shape != traced.shape or not np.allclose(fresh, traced, rtol=1e-2, atol=1e-2 * np.ptp(fresh))


@functools.lru_cache(maxsize=8)
def _program(model: Callable, shape: tuple[int, ...], jit: bool) -> Program:
    return Program(logits_function(model), shape, jit)


@functools.lru_cache(maxsize=8)
def _worth_compiling(model: Callable, shape: tuple[int, ...]) -> bool:
    """XLA halves the time and better, but its convolutions on a CPU are several times slower."""
    if tf.config.list_physical_devices("GPU"):
        return True
    traced = tf.function(logits_function(model), autograph=False)
    graph = traced.get_concrete_function(tf.TensorSpec((None, *shape))).graph.as_graph_def()
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    return not any("Conv" in node.op for node in nodes)
