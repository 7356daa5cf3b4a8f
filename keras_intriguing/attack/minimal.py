"""The public attack: checks its input, cuts it into batches, believes only a fresh forward pass."""

import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_intriguing.attack import direct as direct_method
from keras_intriguing.attack.checks import Request, checked
from keras_intriguing.attack.direct import Found
from keras_intriguing.attack.logits import check_outputs, logits_function
from keras_intriguing.attack.penalty import penalty
from keras_intriguing.attack.program import Bounds, Candidate, Program, Task
from keras_intriguing.attack.result import Result

METHODS = {"direct": direct_method.direct, "penalty": penalty}
CANDIDATES = 9  # classes that are tried where no target is given
_WORKING_MEMORY = 2**30  # bytes, of which an image takes about 52 float32 copies of itself
_LARGEST_BATCH = 256


def minimal_distortion(
    model: Callable,
    x: Any,
    target: Any = None,
    label: Any = None,
    bounds: tuple[float, float] = (0.0, 1.0),
    method: str = "direct",
    batch_size: int | None = None,
    on_batch: Callable[[int, int], None] = lambda done, total: None,
) -> Result:
    """The smallest change of every image that changes its label (Szegedy et al. 2014, §4.1).

    Solves min ‖r‖₂ s.t. f(x + r) = target, x + r in the box, to a local minimum, which for a linear model is
    the global one. The steps are compiled once per model and shape of batch, and kept for later calls.

    Args:
        model: a Keras model or a function from images [B, …] to logits [B, K], differentiable by TensorFlow.
            A Keras model that ends in softmax is attacked through its logits. Called with `training=False`.
        x: float images [B, …] of any rank, within the bounds.
        target: int [B] or one int, the class to reach: the result's logit of it is the largest. None: the
            nearest other class, among the nine most likely ones.
        label: int [B] or one int, the class to leave; by default the model's own prediction. An image that
            the model does not give its label is already what is asked.
        bounds: the smallest and the largest value a pixel may have.
        method: `"direct"` for the problem above, by an augmented Lagrangian; `"penalty"` for the paper's
            approximation, c‖r‖² + cross-entropy in the box with a search for the largest c that succeeds.
        batch_size: images at once; by default as many as fit 1 GiB of working memory, at most 256.
        on_batch: called after every batch with the number of images done and of all.

    Returns:
        A `Result`. An image that is already what is asked has distortion 0.

    Raises:
        ValueError, TypeError: bad input; the message says what was wrong and what was expected.
        RuntimeError: Keras runs on another backend than TensorFlow.
    """
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            f"Keras runs on {keras.backend.backend()}; the attack needs TensorFlow (KERAS_BACKEND=tensorflow)."
        )
    if method not in METHODS:
        raise ValueError(f"Unknown method {method!r}. Known: {', '.join(METHODS)}.")
    request = checked(model, x, target, label, bounds, batch_size)
    size = _batch_size(request.x, batch_size)
    parts, first = [], 0
    while first < len(request.x):
        part = request.rows(first, min(first + size, len(request.x)))
        parts.append(_attack(model, part, method, size))
        first += size
        on_batch(min(first, len(request.x)), len(request.x))
    return Result(*(np.concatenate(field) for field in zip(*parts, strict=True)))


def _batch_size(x: np.ndarray, asked: int | None) -> int:
    """A power of two, so that calls with a few images more or less share a compiled program."""
    fitting = max(1, _WORKING_MEMORY // (52 * 4 * x[0].size))
    most = asked or min(_LARGEST_BATCH, 2 ** (fitting.bit_length() - 1))
    return min(most, 2 ** (len(x) - 1).bit_length())


@functools.lru_cache(maxsize=8)
def _program(model: Callable, shape: tuple[int, ...], jit: bool) -> Program:
    return Program(logits_function(model), shape, jit)


def _attack(model: Callable, request: Request, method: str, size: int) -> tuple[np.ndarray, ...]:
    """One batch; the arrays of `Result` in its order."""
    before = predict(model, request.x)
    label = before if request.label is None else request.label

    def is_asked(labels: np.ndarray) -> np.ndarray:
        return labels != label if request.target is None else labels == request.target

    met = is_asked(before)
    found, target = _search(model, request, label, method, size)
    target = np.where(met, before, target) if request.target is None else request.target
    count = len(request.x)
    v = np.where(
        (np.isfinite(found.distance[:count]) & ~met)[:, None],
        found.v[:count],
        request.x.reshape(count, -1),
    ).reshape(request.x.shape)

    after = predict(model, v)
    success = is_asked(after)
    adversarial = np.where(success.reshape(-1, *[1] * (v.ndim - 1)), v, request.x)
    change = (adversarial.astype(np.float64) - request.x).reshape(count, -1)
    distortion = np.where(success, np.sqrt(np.mean(change**2, axis=1)), np.nan)
    lower, upper = request.bounds
    levels = np.rint((adversarial - lower) / (upper - lower) * 255) / 255
    rounded = np.clip(lower + levels * (upper - lower), lower, upper).astype(np.float32)
    evaluations = np.where(met, 0, found.evaluations).astype(np.int32)
    reason = np.where(success, "", _reasons(model, request, found))
    return (
        adversarial,
        success,
        distortion,
        target.astype(np.int32),
        before,
        np.where(success, after, before),
        np.where(met | ~success, np.nan, found.c[:count]),
        success & is_asked(predict(model, rounded)),
        evaluations,
        reason,
    )


def _search(
    model: Callable, request: Request, label: np.ndarray, method: str, size: int
) -> tuple[Found, np.ndarray]:
    """Runs the method on a batch filled up to `size`; with XLA, or without where it cannot compile the model."""
    try:
        return _search_with(_program(model, request.x.shape[1:], True), request, label, method, size)
    except tf.errors.ResourceExhaustedError as error:
        raise MemoryError(
            f"Out of memory for {size} images of shape {request.x.shape[1:]} at once; pass a smaller batch_size."
        ) from error
    except tf.errors.OpError:
        # Not every operation compiles. What was wrong for any other reason is raised again here.
        return _search_with(_program(model, request.x.shape[1:], False), request, label, method, size)


def _search_with(
    program: Program, request: Request, label: np.ndarray, method: str, size: int
) -> tuple[Found, np.ndarray]:
    def fill(rows: np.ndarray) -> np.ndarray:
        return np.concatenate([rows, np.repeat(rows[:1], size - len(rows), axis=0)])

    count = len(request.x)
    x = tf.constant(fill(request.x.reshape(count, -1)))
    bounds = Bounds(*(tf.constant(b, tf.float32) for b in request.bounds))
    if request.target is not None:
        classes = program.logits(x).shape[-1]
        target = fill(request.target)
        rivals = np.arange(classes) != target[:, None]
        task = Task(x, tf.constant(target), tf.constant(rivals), bounds)
        best, evaluations = direct_method.start(program, task)
    else:
        task, best, evaluations = _nearest_class(program, x, tf.constant(fill(label)), bounds)
    found = METHODS[method](program, task, best)
    return found._replace(evaluations=found.evaluations + evaluations), task.target.numpy()[:count]


def _nearest_class(
    program: Program, x: tf.Tensor, label: tf.Tensor, bounds: Bounds
) -> tuple[Task, Candidate, int]:
    """Starts towards the most likely other classes; of these the nearest, with its start."""
    logits = program.logits(x)
    classes = logits.shape[-1]
    rivals = tf.one_hot(label, classes, on_value=True, off_value=False)
    ranking = tf.argsort(tf.where(rivals, -np.inf, logits), direction="DESCENDING", axis=-1)
    best, target, evaluations = None, ranking[:, 0], 0
    for k in range(min(CANDIDATES, classes - 1)):
        task = Task(x, ranking[:, k], rivals, bounds)
        reached, made = direct_method.start(program, task)
        evaluations += made
        if best is None:
            best = reached
        else:
            target = tf.where(reached.distance < best.distance, task.target, target)
            best = best.best(reached)
    return Task(x, target, rivals, bounds), best, evaluations


def predict(model: Callable, x: np.ndarray) -> np.ndarray:
    """The model's own labels of a batch, int32 [B], by calling it as its user would: eagerly, as it is."""
    outputs = model(x, training=False) if isinstance(model, keras.Model) else model(tf.constant(x))
    check_outputs(model, outputs, len(x))
    return np.asarray(tf.argmax(outputs, axis=-1, output_type=tf.int32))


def _reasons(model: Callable, request: Request, found: Found) -> np.ndarray:
    """Why each image would have failed."""
    count = len(request.x)
    with tf.GradientTape() as tape:
        x = tf.constant(request.x)
        tape.watch(x)
        logits = logits_function(model)(x)
        spread = tf.reduce_max(logits, axis=-1) - tf.reduce_min(logits, axis=-1)
    gradient = np.asarray(tape.gradient(spread, x)).reshape(count, -1)
    flat = ~np.any(gradient, axis=1)
    lost = np.isfinite(found.distance[:count])
    asked = "another class" if request.target is None else "the target class"
    never = f"No point of the box was found where the model gives {asked}."
    texts = {
        "flat": "The model's logits do not change with the image: their gradient is zero at it.",
        "lost": f"The point found gives {asked} in the compiled model but not when the model is called afresh.",
    }
    return np.where(lost, texts["lost"], np.where(flat, texts["flat"], never))
