"""The search of one batch: a start, then a method, in a program that is kept for the next batch."""

import functools
import threading
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from keras_intriguing.attack import direct as direct_method
from keras_intriguing.attack.direct import Found
from keras_intriguing.attack.penalty import penalty
from keras_intriguing.attack.program import Bounds, Program, Task, margin_of
from keras_intriguing.classifiers.logits import logits_function
from keras_intriguing.classifiers.request import Request

METHODS = {"direct": direct_method.direct, "penalty": penalty}
_KEEPING = threading.Lock()  # replicas share the programs, whose functions are traced once for each device


def search(
    model: Callable, request: Request, label: np.ndarray, method: str, size: int
) -> tuple[Found, np.ndarray]:
    """Runs the method on a batch, filled up to `size` rows; with XLA, or without where it cannot compile the model.

    Returns:
        What was found, and the target classes [B].

    Raises:
        MemoryError: the batch does not fit.
    """

    def fill(rows: np.ndarray) -> tf.Tensor:
        return tf.constant(np.concatenate([rows, np.repeat(rows[:1], size - len(rows), axis=0)]))

    x, label = fill(request.x), fill(label)
    target = None if request.target is None else fill(request.target)
    shape = request.x.shape[1:]
    with _KEEPING:
        jit = _worth_compiling(model, shape)
        if _is_stale(_program(model, shape, jit), model, x):
            _program.cache_clear()

    def run(jit: bool) -> tuple[Found, tf.Tensor]:
        with _KEEPING:
            program = _program(model, shape, jit)
        return _search(program, x, target, label, request.bounds, method)

    try:
        found, reached = run(jit)
    except tf.errors.ResourceExhaustedError as error:
        raise MemoryError(
            f"Out of memory for {size} images of shape {shape} at once: use a smaller model or a device with more."
        ) from error
    except tf.errors.OpError:
        if not jit:
            raise
        # Not every operation compiles. What was wrong for any other reason is raised again here.
        found, reached = run(jit=False)
    return found, reached.numpy()[: len(request.x)]


def _search(
    program: Program,
    x: tf.Tensor,
    target: tf.Tensor | None,
    label: tf.Tensor,
    bounds: tuple[float, float],
    method: str,
) -> tuple[Found, tf.Tensor]:
    x = tf.reshape(x, (len(x), -1))
    box = Bounds(*(tf.constant(b, tf.float32) for b in bounds))
    if target is None:
        task, best, evaluations = direct_method.start_towards_nearest(program, x, label, box)
    else:
        logits = program.logits(x)
        rivals = ~tf.one_hot(target, logits.shape[-1], on_value=True, off_value=False)
        task = Task(x, target, rivals, box, margin_of(logits, target))
        best, evaluations = direct_method.start(program, task)
    found = METHODS[method](program, task, best)
    return found._replace(evaluations=found.evaluations + evaluations), task.target


def _is_stale(program: Program, model: Callable, x: tf.Tensor) -> bool:
    """Whether the model computes something else than when it was traced: a layer was added, say."""
    fresh = np.asarray(logits_function(model)(x))
    traced = np.asarray(program.logits(tf.reshape(x, (len(x), -1))))
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
