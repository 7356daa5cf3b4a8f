"""How the attack's time and memory grow with images, values of an image, and classes; one point of each."""

import dataclasses
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import keras_intriguing as ki
from keras_intriguing.attack import StepTime, step_times
from reproductions.bench.cost import measured

HIDDEN = 32  # units; few, so that the attack's own work is most of what is measured


@dataclasses.dataclass(frozen=True)
class Point:
    """The cost of a first call on the first batch's images, and of a second on all.

    Attributes:
        first_call: seconds of the first call, which compiles.
        seconds: of the second.
        cpu_seconds: of the second, of all processors.
        first_mib: by how much the process grew at its peak in the first call.
        peak_mib: likewise in the second.
        arrays_mib: of images and result.
        gradients: of the model computed for an image.
        gradient_seconds: of all processors, what as many gradients take on their own, compiled, in the same batches.
    """

    first_call: float
    seconds: float
    cpu_seconds: float
    first_mib: float
    peak_mib: float
    arrays_mib: float
    gradients: float
    gradient_seconds: float


def by_images(preset: str, x: np.ndarray) -> Point:
    """The cost of `direct` on images x [B, …] of a preset."""
    return _point(ki.from_preset(preset), x)


def by_shape(shape: tuple[int, ...], classes: int, count: int, seed: int) -> Point:
    """The cost of `direct` on a random net.

    Args:
        shape: of an image.
        classes: K.
        count: images.
        seed: of images and weights.
    """
    return _point(net(shape, classes, seed), images(shape, count, seed))


def steps(shape: tuple[int, ...], classes: int, count: int, seed: int) -> dict[str, StepTime]:
    """Processor seconds of every compiled step of `direct` on a random net: of its first call, and of its second."""
    return step_times(net(shape, classes, seed), images(shape, count, seed))


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


def _point(model: keras.Model, x: np.ndarray) -> Point:
    """See `Point`."""
    result, first = measured(lambda: ki.minimal_distortion(model, x[:256]))
    result, second = measured(lambda: ki.minimal_distortion(model, x))
    if not result.success.all():
        raise RuntimeError(f"The attack failed on {int((~result.success).sum())} of {len(x)} images.")
    gradients = float(result.backward_passes.mean())
    arrays = x.nbytes + sum(np.asarray(field).nbytes for field in result.arrays().values())
    return Point(
        first_call=first.seconds,
        seconds=second.seconds,
        cpu_seconds=second.cpu_seconds,
        first_mib=first.peak_mib,
        peak_mib=second.peak_mib,
        arrays_mib=arrays / 2**20,
        gradients=gradients,
        gradient_seconds=gradients * _gradient_seconds(model, x[:256]) * len(x) / min(len(x), 256),
    )


def _gradient_seconds(model: keras.Model, x: np.ndarray) -> float:
    """Of one gradient for all images x, on average over twenty in one compiled program, as the attack computes it."""

    @tf.function(jit_compile=True)
    def twenty(x: tf.Tensor) -> tf.Tensor:
        def step(i, x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                total = tf.reduce_sum(tf.reduce_logsumexp(ki.evaluation.call(model, x), axis=-1))
            return i + 1, x - 1e-3 * tape.gradient(total, x)

        return tf.while_loop(lambda i, _: i < 20, step, (0, x))[1]

    tensor = tf.constant(x)
    _computed(twenty(tensor))
    return measured(lambda: _computed(twenty(tensor)))[1].cpu_seconds / 20


def _computed(values: Any) -> Any:
    """The values, once they are there: TensorFlow may return before."""
    for value in tf.nest.flatten(values):
        np.asarray(value)
    return values
