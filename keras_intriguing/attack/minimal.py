"""The public attack: checks its input, cuts it into batches, believes only a fresh forward pass."""

import functools
import math
import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import psutil
import tensorflow as tf

from keras_intriguing.attack.batch import METHODS, search
from keras_intriguing.attack.distribute import Replicas
from keras_intriguing.attack.result import Result
from keras_intriguing.classifiers import evaluation
from keras_intriguing.classifiers.logits import logits_function
from keras_intriguing.classifiers.request import Request, checked

_WORKING_MEMORY = 2**30  # bytes
_COPIES = 84  # float32 copies of an image, at most, that the work on it takes
_LARGEST_BATCH = 256


def minimal_distortion(
    model: Callable,
    x: Any,
    *,
    target: Any = None,
    label: Any = None,
    bounds: tuple[float, float] = (0.0, 1.0),
    method: str = "direct",
    batch_size: int | None = None,
    on_batch: Callable[[int, int], None] | None = None,
    strategy: tf.distribute.Strategy | None = None,
) -> Result:
    """The smallest change of every image that changes its label (Szegedy et al. 2014, §4.1).

    Solves min ‖r‖₂ s.t. f(x + r) = target, x + r in the box, to a local minimum. For a linear model with a
    given target, or with up to ten classes, that is the global one. The steps are compiled once per model and shape of batch, and kept for later calls.

    Args:
        model: a Keras model or a function from images [B, …] to logits [B, K], differentiable by TensorFlow.
            A Keras model that ends in softmax is attacked through its logits. Called with `training=False`. What
            a function computes may change between calls by TensorFlow variables only: it is traced once.
        x: float images [B, …] of any rank, within the bounds.
        target: int [B] or one int, the class to reach: the result's logit of it is the largest. None: the
            nearest other class, among the nine most likely ones.
        label: int [B] or one int, the class to leave; by default the model's own prediction. An image that
            the model does not give its label is already what is asked.
        bounds: the smallest and the largest value a pixel may have.
        method: `"direct"` for the problem above, by an augmented Lagrangian; `"penalty"` for the paper's
            approximation, c‖r‖² + cross-entropy in the box with a search for the largest c that succeeds.
        batch_size: images at once, on every device; by default as many as fit 1 GiB of working memory and half of
            what is free, at most 256, and few enough for every replica to have some. Where the memory is not there
            for it, fewer are taken, with a warning.
        on_batch: called after every batch with the number of images done and of all. Batches may end in any
            order where there are several replicas; those of other workers count when all are done.
        strategy: a `OneDeviceStrategy`, `MirroredStrategy` or `MultiWorkerMirroredStrategy` of `tf.distribute`,
            whose replicas then attack whole batches side by side; build or load the model in its scope. With an
            explicit `batch_size` the batches are those of one device, and so are the results, up to how devices
            of different kinds round. Of several workers, all must make the same call; each attacks its share of
            the batches and all return the whole result. If one raises an error, so do the others, when they are
            done with their share; if one is killed, TensorFlow ends their wait with an `UnavailableError`.

    Returns:
        A `Result`. An image that is already what is asked has distortion 0.

    Raises:
        ValueError, TypeError: bad input; the message says what was wrong and what was expected.
        RuntimeError: Keras runs on another backend than TensorFlow, or another worker raised an error.
        MemoryError: there is not enough for a single image.
    """
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            f"Keras runs on {keras.backend.backend()}; the attack needs TensorFlow (KERAS_BACKEND=tensorflow)."
        )
    if method not in METHODS:
        raise ValueError(f"Unknown method {method!r}. Known: {', '.join(METHODS)}.")
    # TensorFlow's own default is a strategy that distributes nothing.
    is_default = strategy is tf.distribute.get_strategy() and not tf.distribute.has_strategy()
    replicas = None if strategy is None or is_default else Replicas(strategy)
    check = functools.partial(checked, model, x, target, label, bounds, batch_size)
    request = check() if replicas is None else replicas.agreed(model, check, (method, batch_size))
    size = _batch_size(request.x, batch_size, replicas)
    parts = [request.rows(first, first + size) for first in range(0, len(request.x), size)]
    attack = functools.partial(_attack_in_memory, model, method=method, size=size)
    found, done = {}, 0

    def keep(index: int, fields: tuple[np.ndarray, ...]) -> None:
        nonlocal done
        found[index] = fields
        done += len(parts[index].x)
        if on_batch:
            on_batch(done, len(request.x))

    if replicas is None:
        for index, part in enumerate(parts):
            keep(index, attack(part))
    else:
        replicas.attack(parts, attack, keep)
    ordered = (found[index] for index in range(len(parts)))
    return Result(*(np.concatenate(field) for field in zip(*ordered, strict=True)))


def _batch_size(x: np.ndarray, asked: int | None, replicas: Replicas | None) -> int:
    """A power of two, so that calls with a few images more or less share a compiled program.

    Replicas must agree on it, whatever is free on each of their machines.
    """
    need = _COPIES * 4 * x[0].size
    free = math.inf if replicas else psutil.virtual_memory().available
    fitting = max(1, int(min(_WORKING_MEMORY, free / 2) // need))
    most = asked or min(_LARGEST_BATCH, _power_of_two_below(fitting))
    share = len(x) if asked or replicas is None else -(-len(x) // len(replicas))
    size = min(most, 2 ** (share - 1).bit_length())
    if size * need > free:
        smaller = _power_of_two_below(max(1, int(free // need)))
        warnings.warn(
            f"batch_size {size} takes about {size * need / 2**20:,.0f} MiB, but {free / 2**20:,.0f} are free: batches of "
            f"{smaller} instead.",
            stacklevel=3,
        )
        size = smaller
    return size


def _power_of_two_below(number: int) -> int:
    return 2 ** (number.bit_length() - 1)


def _attack_in_memory(model: Callable, request: Request, method: str, size: int) -> tuple[np.ndarray, ...]:
    """One batch, in halves where a device's memory does not suffice."""
    try:
        return _attack(model, request, method, size)
    except MemoryError:
        if size == 1:
            raise
    size //= 2
    warnings.warn(
        f"Not enough memory for {2 * size} images at once: batches of {size} instead.", stacklevel=2
    )
    parts = [request.rows(first, first + size) for first in range(0, len(request.x), size)]
    fields = [_attack_in_memory(model, part, method, size) for part in parts]
    return tuple(np.concatenate(field) for field in zip(*fields, strict=True))


def _attack(model: Callable, request: Request, method: str, size: int) -> tuple[np.ndarray, ...]:
    """One batch; the arrays of `Result` in its order."""
    x, before, count = request.x, request.before, len(request.x)
    label = before if request.label is None else request.label

    def is_asked(labels: np.ndarray) -> np.ndarray:
        asked = labels != label if request.target is None else labels == request.target
        return asked & (labels >= 0)

    met = is_asked(before)
    found, target = search(model, request, label, method, size)
    if request.target is None:
        target = np.where(met, before, target)
    reached = np.isfinite(found.distance[:count])
    v = found.v[:count].reshape(x.shape)
    v, after = _confirmed(model, x, np.where(_as_rows(reached & ~met, x), v, x), request.bounds, is_asked)
    success = is_asked(after)
    adversarial = np.where(_as_rows(success, x), v, x)
    change = (adversarial.astype(np.float64) - x).reshape(count, -1)
    return (
        adversarial,
        success,
        np.where(success, np.sqrt(np.mean(change**2, axis=1)), np.nan),
        target,
        before,
        np.where(success, after, before),
        np.where(met | ~success, np.nan, found.c[:count]),
        success & is_asked(_fresh_labels(model, _rounded(adversarial, request.bounds))),
        np.where(met, 0, found.evaluations).astype(np.int32),
        _reasons(model, request, method, success, reached),
    )


def _confirmed(
    model: Callable, x: np.ndarray, v: np.ndarray, bounds: tuple[float, float], is_asked: Callable
) -> tuple[np.ndarray, np.ndarray]:
    """Points and their labels by a fresh forward pass; those that it denies are moved on by a hair, a few times.

    Called eagerly, a model may round otherwise than in the compiled program, and the points lie on the edge.
    """
    after = _fresh_labels(model, v)
    for stretch in 1e-6 * 4.0 ** np.arange(9):
        denied = ~is_asked(after)
        if not denied.any():
            break
        further = np.clip(x + np.float32(1 + stretch) * (v - x), *bounds).astype(np.float32)
        tried = np.where(_as_rows(denied, x), further, v)
        after = _fresh_labels(model, tried)
        v = np.where(_as_rows(is_asked(after), x), tried, v)
    return v, after


def _fresh_labels(model: Callable, x: np.ndarray) -> np.ndarray:
    """The model's own labels, by calling it as its user would; −1 where an output is not finite."""
    outputs = evaluation.call(model, x)
    finite = tf.reduce_all(tf.math.is_finite(outputs), axis=-1)
    return np.asarray(tf.where(finite, tf.argmax(outputs, axis=-1, output_type=tf.int32), -1))


def _rounded(x: np.ndarray, bounds: tuple[float, float]) -> np.ndarray:
    """The nearest of 256 equally spaced grey levels from the lower to the upper bound."""
    lower, upper = bounds
    levels = np.rint((x.astype(np.float64) - lower) / (upper - lower) * 255)
    return np.clip(lower + levels / 255 * (upper - lower), lower, upper).astype(np.float32)


def _as_rows(chosen: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Booleans [B] in a shape that applies to images [B, …]."""
    return chosen.reshape(-1, *[1] * (x.ndim - 1))


def _reasons(
    model: Callable, request: Request, method: str, success: np.ndarray, reached: np.ndarray
) -> np.ndarray:
    """Why each image failed; empty where it did not."""
    if success.all():
        return np.full(len(success), "")
    with tf.GradientTape() as tape:
        x = tf.constant(request.x)
        tape.watch(x)
        logits = logits_function(model)(x)
        spread = tf.reduce_max(logits, axis=-1) - tf.reduce_min(logits, axis=-1)
    flat = ~np.any(np.asarray(tape.gradient(spread, x)).reshape(len(success), -1), axis=1)
    asked = "another class" if request.target is None else "the target class"
    lost = f"The point found gives {asked} in the compiled model but not when the model is called afresh."
    never = f"No point of the box was found where the model gives {asked}"
    never += "; the method 'direct' may find one." if method == "penalty" else "."
    constant = "The gradient of the model's logits is zero at the image, and no way to change them was found."
    return np.where(success, "", np.where(flat, constant, np.where(reached, lost, never)))
