"""Attacks under strategies, in processes of their own: devices are set up before TensorFlow starts.

`python run_distributed.py mirrored|direct|penalty|worker INPUTS OUTPUTS`, both .npz files; of a worker, with TF_CONFIG.
"""

import functools
import os
import sys
import threading

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf

import keras_intriguing as ki
from keras_intriguing.attack.workers import Workers

seen = set()  # devices that computed the model in another thread than the main one


class Witness(keras.layers.Layer):
    def call(self, inputs):
        eager = isinstance(inputs, tf.Tensor) and tf.executing_eagerly()
        if eager and threading.current_thread() is not threading.main_thread():
            seen.add(tf.identity(inputs).device.rpartition("/")[-1])
        return inputs


def build(a: np.ndarray) -> keras.Model:
    dense = keras.layers.Dense(a.shape[1], activation="softmax", use_bias=False)
    model = keras.Sequential([keras.Input(a.shape[:1]), Witness(), dense])
    dense.set_weights([a])
    return model


def build_convolution(a: np.ndarray) -> keras.Model:
    """The same, as a convolution, which XLA does not compile on a CPU."""
    size, classes = a.shape
    layer = keras.layers.Conv1D(classes, size, use_bias=False)
    layers = [keras.layers.Reshape((size, 1)), layer, keras.layers.Flatten(), keras.layers.Softmax()]
    model = keras.Sequential([keras.Input((size,)), *layers])
    layer.set_weights([a[:, None]])
    return model


def fields(name: str, result: ki.Result) -> dict[str, np.ndarray]:
    return {f"{name}.{field}": value for field, value in result.arrays().items()}


def error_of(model: keras.Model, x: np.ndarray, **options) -> str:
    try:
        ki.minimal_distortion(model, x, **options)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def two_devices() -> tf.distribute.Strategy:
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def of_convolution(method: str, a: np.ndarray, x: np.ndarray, target: np.ndarray) -> dict[str, np.ndarray]:
    strategy = two_devices()
    with strategy.scope():
        model = build_convolution(a)
    options = {"batch_size": 1, "target": target, "method": method}
    return {
        **fields("two", ki.minimal_distortion(model, x, strategy=strategy, **options)),
        **fields("one", ki.minimal_distortion(build_convolution(a), x, **options)),
    }


def mirrored(a: np.ndarray, x: np.ndarray, target: np.ndarray) -> dict[str, np.ndarray]:
    strategy = two_devices()
    other = tf.distribute.MirroredStrategy(["CPU:0"])
    with strategy.scope():
        model = build(a)
    with other.scope():
        elsewhere = build(a)
    plain = build(a)
    progress = []

    def on_batch(*counts: int) -> None:
        progress.append(counts)

    def fail(*counts: int) -> None:
        raise OSError("full disk")

    one, two = {"batch_size": 1}, {"batch_size": 1, "strategy": strategy}
    found = {
        **fields("two direct", ki.minimal_distortion(model, x, **two, on_batch=on_batch)),
        "devices": np.array(sorted(seen)),
        "progress": np.array(progress),
        **fields("one direct", ki.minimal_distortion(plain, x, **one)),
        # one image a replica, as the default has it
        **fields("two images", ki.minimal_distortion(model, x[:2], strategy=strategy)),
        **fields("one image", ki.minimal_distortion(model, x[:1], strategy=strategy)),
        "sent": np.array(Workers(strategy, first=0, replicas=2)._send(bytes(range(99)))),
        "callback error": np.array(error_of(model, x, **two, on_batch=fail)),
        "plain error": np.array(error_of(plain, x, **two)),
        "other strategy error": np.array(error_of(elsewhere, x, **two)),
    }
    model.set_weights([-a])
    plain.set_weights([-a])
    return {
        **found,
        **fields("two changed", ki.minimal_distortion(model, x[:2], **two)),
        **fields("one changed", ki.minimal_distortion(plain, x[:2], **one)),
    }


def worker(a: np.ndarray, x: np.ndarray, target: np.ndarray) -> dict[str, np.ndarray]:
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    index = strategy.cluster_resolver.task_id
    with strategy.scope():
        model = build(a)
        different = build(a * (1 + index))
    bad = np.where(index, np.nan, x)
    progress = []

    def on_batch(*counts: int) -> None:
        progress.append(counts)

    def fail_on_one(*counts: int) -> None:
        if index == 1:
            raise OSError("full disk")

    options = {"batch_size": 1, "strategy": strategy}
    return {
        **fields("two direct", ki.minimal_distortion(model, x, **options, on_batch=on_batch)),
        "progress": np.array(progress),
        **fields("one image", ki.minimal_distortion(model, x[:1], **options)),
        "other images error": np.array(error_of(model, x[index:], **options)),
        "other model error": np.array(error_of(different, x, **options)),
        "bad images error": np.array(error_of(model, bad, **options)),
        "callback error": np.array(error_of(model, x, **options, on_batch=fail_on_one)),
        **fields("after errors", ki.minimal_distortion(model, x, **options)),
    }


KINDS = {"mirrored": mirrored, "worker": worker}
KINDS |= {method: functools.partial(of_convolution, method) for method in ("direct", "penalty")}

if __name__ == "__main__":
    kind, inputs, outputs = sys.argv[1:]
    with np.load(inputs) as given:
        found = KINDS[kind](**given)
    np.savez(outputs, **found)
