"""Other tools that give a number for a layer's operator norm: functions of a built layer and its input shape."""

from typing import Any

import keras
import numpy as np
import scipy.sparse.linalg
import tensorflow as tf

POWER_ITERATIONS = 100
SVDS_TOLERANCE = 1e-6


def spectral_normalization(layer: Any, shape: tuple[int, ...]) -> tuple[float, float]:
    """The σ that Keras' SpectralNormalization divides the kernel by, after many power iterations."""
    wrapper = keras.layers.SpectralNormalization(layer, power_iterations=POWER_ITERATIONS)
    wrapper.build((None, *shape))
    kernel = np.asarray(layer.kernel)
    at = np.abs(kernel).argmax()
    sigma = float(kernel.flat[at] / np.asarray(wrapper.normalized_weights()[1]).flat[at])
    return sigma, sigma


def fourier(layer: Any, shape: tuple[int, ...]) -> tuple[float, float]:
    """Sedghi, Gupta and Long 2019: singular values of the kernel's Fourier transform at every frequency of the image."""
    transforms = np.fft.fft2(np.asarray(layer.kernel, np.float64), shape[:2], axes=(0, 1))
    largest = float(np.linalg.svd(transforms, compute_uv=False).max())
    return largest, largest


def svds(layer: Any, shape: tuple[int, ...]) -> tuple[float, float]:
    """SciPy's ARPACK on the layer as a LinearOperator, in float64."""
    kernel = np.asarray(layer.kernel, np.float64)
    operator = kernel if kernel.ndim == 2 else _operator(kernel, layer, shape)
    start = np.random.default_rng(0).normal(size=min(operator.shape))
    largest = scipy.sparse.linalg.svds(
        operator, k=1, tol=SVDS_TOLERANCE, v0=start, return_singular_vectors=False
    )
    return float(largest[0]), float(largest[0])


def _operator(kernel: np.ndarray, layer: Any, shape: tuple[int, ...]) -> scipy.sparse.linalg.LinearOperator:
    """TensorFlow's convolution and its adjoint."""
    constant, settings = tf.constant(kernel), {"strides": layer.strides, "padding": layer.padding.upper()}
    outputs = tuple(layer.compute_output_shape((1, *shape)))

    def forward(x: np.ndarray) -> np.ndarray:
        return tf.nn.conv2d(tf.constant(x.reshape(1, *shape)), constant, **settings).numpy().ravel()

    def adjoint(y: np.ndarray) -> np.ndarray:
        tensor = tf.constant(y.reshape(outputs))
        return tf.nn.conv2d_transpose(tensor, constant, tf.constant((1, *shape)), **settings).numpy().ravel()

    sizes = int(np.prod(outputs)), int(np.prod(shape))
    return scipy.sparse.linalg.LinearOperator(sizes, matvec=forward, rmatvec=adjoint, dtype=np.float64)
