"""Norms of random small layers against a dense SVD of what the real layer does to every unit image."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_intriguing import spectral

L = keras.layers


def dense_matrix(layer: Any, shape: tuple[int, ...]) -> np.ndarray:
    """The layer's matrix [outputs, inputs]: its values at the unit images.

    A unit image meets every weight alone, so that float32 loses nothing, but in separable convolutions.
    """
    count = int(np.prod(shape))
    unit = np.eye(count, dtype=np.float32).reshape(count, 1, *shape)
    if len(set(getattr(layer, "strides", [1]))) == 1:
        return np.asarray(layer(unit[:, 0], training=False), np.float64).reshape(count, -1).T
    # TensorFlow's convolutions of batches with unequal strides leave parts of their output unwritten
    return np.stack([np.asarray(layer(one, training=False), np.float64).ravel() for one in unit], axis=1)


def random_weights(layer: Any, random: np.random.Generator) -> None:
    """Normal kernels at one of several scales; sometimes all of one sign, where frequency zero is the worst."""
    scale, sign = 10.0 ** random.integers(-3, 4), random.integers(3) == 0
    for weight in layer.weights:  # a bias stays 0: added and taken away again, it would cost digits
        if weight.name != "bias":
            values = scale * random.normal(size=weight.shape)
            weight.assign(np.abs(values) if sign else values)


def window(random: np.random.Generator, rank: int, dilated: bool = True) -> dict[str, Any]:
    """Kernel, strides, dilation and padding of a random window, strided or dilated."""
    settings: dict[str, Any] = {
        "kernel_size": [int(k) for k in random.integers(1, 6 if rank < 3 else 4, rank)],
        "padding": str(random.choice(["valid", "same"])),
    }
    kind = random.integers(3 if dilated else 2)
    if kind == 1:
        settings["strides"] = [int(s) for s in random.integers(1, 5, rank)]
    if kind == 2:
        settings["dilation_rate"] = [int(d) for d in random.integers(1, 4, rank)]
    return settings


def sizes_for(random: np.random.Generator, settings: dict[str, Any], most: int) -> list[int]:
    dilation = settings.get("dilation_rate", [1] * len(settings["kernel_size"]))
    reach = [(k - 1) * d + 1 for k, d in zip(settings["kernel_size"], dilation, strict=True)]
    low = reach if settings["padding"] == "valid" else [1] * len(reach)
    return [int(random.integers(a, max(a, most) + 1)) for a in low]


def convolution(random: np.random.Generator) -> tuple[Any, tuple[int, ...]]:
    rank = int(random.choice([1, 2, 2, 2, 3]))
    groups = int(random.choice([1, 1, 2, 3]))
    settings = window(random, rank)
    if rank == 1 and random.integers(4) == 0:
        settings["padding"] = "causal"
    channels, filters = (groups * int(n) for n in random.integers(1, 4, 2))
    kind = (L.Conv1D, L.Conv2D, L.Conv3D)[rank - 1]
    shape = (*sizes_for(random, settings, (20, 8, 5)[rank - 1]), channels)
    return kind(filters, groups=groups, **settings), shape


def depthwise(random: np.random.Generator) -> tuple[Any, tuple[int, ...]]:
    rank = int(random.integers(1, 3))
    settings = window(random, rank)
    if "strides" in settings:
        settings["strides"] = [settings["strides"][0]] * rank
    kind = (L.DepthwiseConv1D, L.DepthwiseConv2D)[rank - 1]
    shape = (*sizes_for(random, settings, 8), int(random.integers(1, 4)))
    if rank == 1:
        settings = {key: value if key == "padding" else value[0] for key, value in settings.items()}
    return kind(depth_multiplier=int(random.integers(1, 3)), **settings), shape


def separable(random: np.random.Generator) -> tuple[Any, tuple[int, ...]]:
    settings = window(random, 2)
    if "strides" in settings:
        settings["strides"] = [settings["strides"][0]] * 2
    shape = (*sizes_for(random, settings, 7), int(random.integers(1, 4)))
    multiplier = int(random.integers(1, 3))
    return L.SeparableConv2D(int(random.integers(1, 5)), depth_multiplier=multiplier, **settings), shape


def transposed(random: np.random.Generator) -> tuple[Any, tuple[int, ...]]:
    rank = int(random.choice([1, 2, 2, 3]))
    settings = window(random, rank, dilated=False)
    if "strides" in settings and random.integers(2):
        settings["output_padding"] = [int(random.integers(s)) for s in settings["strides"]]
    kind = (L.Conv1DTranspose, L.Conv2DTranspose, L.Conv3DTranspose)[rank - 1]
    sizes = [int(n) for n in random.integers(1, (10, 5, 3)[rank - 1] + 1, rank)]
    return kind(int(random.integers(1, 4)), **settings), (*sizes, int(random.integers(1, 4)))


def average_pooling(random: np.random.Generator) -> tuple[Any, tuple[int, ...]]:
    rank = int(random.choice([1, 2, 2, 3]))
    settings = window(random, rank, dilated=False)
    shape = (*sizes_for(random, settings, 8), int(random.integers(1, 3)))
    kind = (L.AveragePooling1D, L.AveragePooling2D, L.AveragePooling3D)[rank - 1]
    return kind(settings["kernel_size"], settings.get("strides"), settings["padding"]), shape


def dense(random: np.random.Generator) -> tuple[Any, tuple[int, ...]]:
    shape = tuple(int(n) for n in random.integers(1, 40, random.integers(1, 3)))
    return L.Dense(int(random.integers(1, 40))), shape


def einsum_dense(random: np.random.Generator) -> tuple[Any, tuple[int, ...]]:
    a, b, c, d = (int(n) for n in random.integers(1, 6, 4))
    equations = [
        ("abc,cd->abd", (a, b), (a, d)),
        ("abc,bd->acd", (a, b), (b, d)),
        ("abc,bcd->abd", (a, b), (a, d)),
        ("abc,cde->abde", (a, b), (a, c, d)),
        ("abcd,cde->abe", (a, b, c), (a, d)),
        ("abc,cd->ad", (a, b), (d,)),
        ("...x,xy->...y", (a, b), (a, d)),
    ]
    equation, shape, output = equations[random.integers(len(equations))]
    return L.EinsumDense(equation, output), shape


KINDS = (convolution, convolution, convolution, depthwise, separable, transposed, transposed, average_pooling)
OTHERS = (dense, einsum_dense)


_LARGEST = (2, 3, 9)  # whose layers take as long as those of all the others below


@pytest.mark.parametrize(
    "seed", [pytest.param(i, marks=pytest.mark.slow) if i >= 36 or i in _LARGEST else i for i in range(90)]
)
def test_norms_hold_the_dense_svd_of_random_layers(seed: int) -> None:
    random = np.random.default_rng(seed)
    for make in (*KINDS, *OTHERS[seed % 2 :][:1]):
        layer, shape = make(random)
        try:
            layer.build((None, *shape))
            layer(np.zeros((1, *shape), np.float32))
            assert 0 not in layer.compute_output_shape((1, *shape))
        except (
            Exception
        ):  # no output, or a combination that Keras itself refuses, or that TensorFlow cannot run on a CPU
            continue
        random_weights(layer, random)
        check(layer, shape)


def begins_elsewhere(layer: Any) -> bool:
    """Whether TensorFlow puts windows elsewhere than it does itself with oneDNN: of volumes, where strides exceed the kernel.

    Their norm is the same, but two inputs that attain it are not.
    """
    if not isinstance(layer, L.Conv3D) or layer.padding != "same":
        return False
    if all(stride <= size for stride, size in zip(layer.strides, layer.kernel_size, strict=True)):
        return False
    first = tf.reshape(tf.one_hot(0, 3), (1, 3, 1, 1, 1))
    return float(tf.nn.conv3d(first, tf.ones((1, 1, 1, 1, 1)), [1, 3, 1, 1, 1], "SAME")[0, 0, 0, 0, 0]) != 1


def check(layer: Any, shape: tuple[int, ...]) -> None:
    told = f"{type(layer).__name__} {layer.get_config()} {shape}"
    truth = np.linalg.svd(dense_matrix(layer, shape), compute_uv=False)[0]
    bounds = spectral.operator_norm(layer, shape)
    rounding = (
        1e-6 if isinstance(layer, (L.SeparableConv2D, L.AveragePooling1D, L.AveragePooling2D)) else 1e-10
    )
    rounding = 1e-6 if isinstance(layer, L.AveragePooling3D) else rounding
    assert bounds.lower <= truth * (1 + rounding), told
    assert truth <= bounds.upper * (1 + rounding), told
    if truth == 0:  # no tap ever meets the image: a separable kernel's rounding is all that is left
        assert bounds.upper <= 1e-12, told
        return
    assert bounds.gap <= 1e-6, told
    if bounds.witness and not begins_elsewhere(layer):
        one, other = (np.asarray(layer(w[None].astype(np.float32)), np.float64) for w in bounds.witness)
        stretch = np.linalg.norm(one - other) / np.linalg.norm(bounds.witness[0] - bounds.witness[1])
        assert stretch == pytest.approx(bounds.lower, rel=1e-4), told
