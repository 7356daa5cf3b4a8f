"""The tools that give a number for a layer's operator norm, each on AlexNet's layers at their real sizes."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import scipy.sparse.linalg
import tensorflow as tf

import keras_intriguing as ki
from reproductions.bench.cost import measured

L = keras.layers

LAYERS: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "conv1": (lambda: L.Conv2D(96, 11, 4), (227, 227, 3)),
    "conv2": (lambda: L.Conv2D(256, 5, padding="same"), (27, 27, 96)),
    "conv3": (lambda: L.Conv2D(384, 3, padding="same"), (13, 13, 256)),
    "conv4": (lambda: L.Conv2D(384, 3, padding="same"), (13, 13, 384)),
    "conv5": (lambda: L.Conv2D(256, 3, padding="same"), (13, 13, 384)),
    "fc1": (lambda: L.Dense(4096), (9216,)),
    "fc2": (lambda: L.Dense(4096), (4096,)),
    "fc3": (lambda: L.Dense(1000), (4096,)),
}
KERNELS = {
    "random": "Glorot's uniform distribution",
    "trained-like": (
        "Σₖ k⁻¹·gₖ⊗uₖ⊗vₖ, 64 terms with orthonormal u and v over the channels and smooth taps g (a Gaussian window times a "
        "slow wave), scaled to 3 × the norm of a tenth of Glorot noise, which is added"
    ),
}
ALL = "all eight"
_TERMS = 64
_POWER_ITERATIONS = 100
_SVDS_TOLERANCE = 1e-6
_OWN_SOURCES = (
    *("rules/linear", "convolutions/convolution", "convolutions/symbol"),
    *("numerics/matrix", "numerics/krylov", "numerics/rounding"),
)


class Tool(NamedTuple):
    """One way to a number.

    Attributes:
        title: in tables.
        run: maps a built layer and its input shape to a lower and an upper value; the same where there is one.
        settings: that decide its values.
        dense: whether it is for dense layers too.
    """

    title: str
    run: Callable[[Any, tuple[int, ...]], tuple[float, float]]
    settings: dict[str, Any]
    dense: bool = True


def bounds(layer: Any, shape: tuple[int, ...]) -> tuple[float, float]:
    """The package's own."""
    found = ki.spectral.operator_norm(layer, shape)
    return found.lower, found.upper


def spectral_normalization(layer: Any, shape: tuple[int, ...]) -> tuple[float, float]:
    """The σ that Keras' SpectralNormalization divides the kernel by, after many power iterations."""
    wrapper = L.SpectralNormalization(layer, power_iterations=_POWER_ITERATIONS)
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
        operator, k=1, tol=_SVDS_TOLERANCE, v0=start, return_singular_vectors=False
    )
    return float(largest[0]), float(largest[0])


def _operator(kernel: np.ndarray, layer: Any, shape: tuple[int, ...]) -> scipy.sparse.linalg.LinearOperator:
    """TensorFlow's convolution and its adjoint."""
    constant, settings = tf.constant(kernel), {"strides": layer.strides, "padding": layer.padding.upper()}
    outputs = tuple(layer.compute_output_shape((1, *shape)))

    def forward(x: np.ndarray) -> np.ndarray:
        return tf.nn.conv2d(tf.constant(x.reshape(1, *shape)), constant, **settings).numpy().ravel()

    def adjoint(y: np.ndarray) -> np.ndarray:
        y = tf.constant(y.reshape(outputs))
        return tf.nn.conv2d_transpose(y, constant, (1, *shape), **settings).numpy().ravel()

    sizes = int(np.prod(outputs)), int(np.prod(shape))
    return scipy.sparse.linalg.LinearOperator(sizes, matvec=forward, rmatvec=adjoint, dtype=np.float64)


OWN = "operator_norm"
TOOLS = {
    OWN: Tool("operator_norm", bounds, {}),
    "svds": Tool("SciPy svds", svds, {"tolerance": _SVDS_TOLERANCE}),
    "fourier": Tool("FFT + SVD", fourier, {}, dense=False),
    "keras": Tool(
        "Keras SpectralNormalization", spectral_normalization, {"power_iterations": _POWER_ITERATIONS}
    ),
}


def built(name: str, kind: str, seed: int) -> tuple[Any, tuple[int, ...]]:
    """A layer with a kernel of a kind, and its input shape."""
    make, shape = LAYERS[name]
    layer = make()
    layer.build((None, *shape))
    random = np.random.default_rng([seed, list(LAYERS).index(name)])
    kernel = _glorot(layer.kernel.shape, random)
    if kind == "trained-like":
        kernel = _trained_like(layer.kernel.shape, random, kernel)
    layer.kernel.assign(kernel)
    return layer, shape


def _glorot(shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    fans = np.prod(shape[:-2]) * (shape[-2] + shape[-1])
    return random.uniform(-1, 1, shape).astype(np.float32) * np.float32(np.sqrt(6 / fans))


def _trained_like(shape: tuple[int, ...], random: np.random.Generator, noise: np.ndarray) -> np.ndarray:
    *taps, inputs, outputs = shape
    terms = min(_TERMS, inputs, outputs)
    u, v = (np.linalg.qr(random.normal(size=(n, terms)))[0] for n in (inputs, outputs))
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in taps), indexing="ij")
    kernel = np.zeros(shape)
    for k in range(terms):
        wave = sum(random.normal() * axis for axis in axes) + random.uniform(0, np.pi / 2)
        smooth = np.exp(-sum(axis**2 for axis in axes)) * np.cos(wave)
        smooth = smooth / np.linalg.norm(smooth)
        kernel += np.multiply.outer(smooth, np.multiply.outer(u[:, k], v[:, k])) / (k + 1)
    noise = 0.1 * noise
    return 3 * np.linalg.norm(noise) / np.linalg.norm(kernel) * kernel + noise


def measure(name: str, kind: str, tool: str, seed: int) -> dict[str, Any]:
    """One tool on one layer, or the package's own on all eight in a row; made to be called in a fresh process.

    Returns:
        lower, upper: what it gives; None for all eight.
        seconds, cpu_seconds, peak_mib: see `cost.Cost`; the kernels are there before.
        load: processes that wanted to run, on an average of the run's last minute.
    """
    layers = [built(one, kind, seed) for one in (LAYERS if name == ALL else [name])]
    found, cost = measured(lambda: [TOOLS[tool].run(*layer) for layer in layers])
    lower, upper = found[0] if len(found) == 1 else (None, None)
    return {"lower": lower, "upper": upper, **cost._asdict(), "load": os.getloadavg()[0]}


def code_hash(tool: str) -> str:
    """Of this file, and for the package's own tool of the package's part in it."""
    sources = [Path(__file__)]
    if tool == OWN:
        sources += [Path(ki.spectral.__file__).parent / f"{name}.py" for name in _OWN_SOURCES]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]
