"""How the attack's time and memory grow with images, values of an image, and classes; one point of each."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import keras_intriguing as ki
from keras_intriguing.attack.program import CLASS_PENALTY, Bounds, Program, Task, margin_of, unit_of
from keras_intriguing.classifiers.logits import logits_function
from reproductions.bench.cost import measured

HIDDEN = 32  # units; few, so that the attack's own work is most of what is measured


def by_images(preset: str, x: np.ndarray) -> dict[str, float]:
    """The cost of `direct` on images x [B, …] of a preset, as `_point` gives it."""
    return _point(ki.from_preset(preset), x)


def by_shape(shape: tuple[int, ...], classes: int, count: int, seed: int) -> dict[str, float]:
    """The cost of `direct` on a random net, as `_point` gives it.

    Args:
        shape: of an image.
        classes: K.
        count: images.
        seed: of images and weights.
    """
    return _point(net(shape, classes, seed), images(shape, count, seed))


def steps(shape: tuple[int, ...], classes: int, count: int, seed: int) -> dict[str, tuple[float, float]]:
    """Processor seconds of every compiled step of `direct` on a random net: of its first call, and of its second."""
    model = net(shape, classes, seed)
    x = tf.constant(images(shape, count, seed).reshape(count, -1))
    program = Program(logits_function(model), shape, jit=True)
    logits = program.logits(x)
    targets = tf.argsort(logits, direction="DESCENDING", axis=-1)[:, 1]
    rivals = ~tf.one_hot(targets, classes, on_value=True, off_value=False)
    bounds = Bounds(tf.constant(0.0), tf.constant(1.0))
    task = Task(x, targets, rivals, bounds, margin_of(logits, targets))
    made = {}

    def timed(name: str, step: Callable[[], Any]) -> Any:
        result, first = measured(lambda: _computed(step()))
        made[name] = (first.cpu_seconds, measured(lambda: _computed(step()))[1].cpu_seconds)
        return result

    walked = timed("walk, 40 gradients", lambda: program.walk(task, tf.constant(0.1)))
    timed("approach, 4 projections", lambda: program.approach(task, walked))
    _, multipliers = timed("one projection", lambda: program.linearize(task, walked.v))
    unit, rho, zero = unit_of(task, walked), tf.fill([count, 1], CLASS_PENALTY), tf.zeros([count])
    timed("one round of L-BFGS", lambda: program.minimize(task, walked.v, unit, multipliers, rho, zero))
    timed("bisection along r", lambda: program.shorten(task, walked.v))
    return made


def net(shape: tuple[int, ...], classes: int, seed: int) -> keras.Model:
    """A random net with one hidden layer of fixed size, whose gradient has about the same norm for every shape."""
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input(shape),
            keras.layers.Flatten(),
            keras.layers.Dense(HIDDEN, "tanh"),
            keras.layers.Dense(classes),
        ]
    )
    model.layers[1].bias.assign(
        -0.5 * tf.reduce_sum(model.layers[1].kernel, axis=0)
    )  # images are centred at ½
    return model


def images(shape: tuple[int, ...], count: int, seed: int) -> np.ndarray:
    """Images [count, …] of uniformly random pixels in [0, 1]."""
    return np.random.default_rng(seed).uniform(size=(count, *shape)).astype(np.float32)


def _point(model: keras.Model, x: np.ndarray) -> dict[str, float]:
    """The cost of a first call on the first batch's images, and of a second on all.

    Returns:
        first_call: seconds of the first call, which compiles.
        seconds, cpu_seconds: of the second.
        first_mib, peak_mib: by how much the process grew at its peak in the first call, and in the second.
        arrays_mib: of images and result.
        gradients: of the model computed for an image.
        gradient_seconds: of all processors, what as many gradients take on their own, compiled, in the same batches.
    """
    result, first = measured(lambda: ki.minimal_distortion(model, x[:256]))
    result, second = measured(lambda: ki.minimal_distortion(model, x))
    if not result.success.all():
        raise RuntimeError(f"The attack failed on {int((~result.success).sum())} of {len(x)} images.")
    gradients = float(result.evaluations.mean())
    arrays = x.nbytes + sum(np.asarray(field).nbytes for field in vars(result).values())
    return {
        "first_call": first.seconds,
        "seconds": second.seconds,
        "cpu_seconds": second.cpu_seconds,
        "first_mib": first.peak_mib,
        "peak_mib": second.peak_mib,
        "arrays_mib": arrays / 2**20,
        "gradients": gradients,
        "gradient_seconds": gradients * _gradient_seconds(model, x[:256]) * len(x) / min(len(x), 256),
    }


def _gradient_seconds(model: keras.Model, x: np.ndarray) -> float:
    """Of one gradient for all images x, on average over twenty in one compiled program, as the attack computes it."""
    logits = logits_function(model)

    @tf.function(jit_compile=True)
    def twenty(x: tf.Tensor) -> tf.Tensor:
        def step(i, x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                total = tf.reduce_sum(tf.reduce_logsumexp(logits(x), axis=-1))
            return i + 1, x - 1e-3 * tape.gradient(total, x)

        return tf.while_loop(lambda i, _: i < 20, step, (0, x))[1]

    x = tf.constant(x)
    _computed(twenty(x))
    return measured(lambda: _computed(twenty(x)))[1].cpu_seconds / 20


def _computed(values: Any) -> Any:
    """The values, once they are there: TensorFlow may return before."""
    for value in tf.nest.flatten(values):
        np.asarray(value)
    return values
