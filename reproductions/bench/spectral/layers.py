"""AlexNet's eight layers at their real sizes, with random kernels."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

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
_TERMS = 64


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
