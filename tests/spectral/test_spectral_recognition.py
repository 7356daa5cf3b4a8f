"""What only looks like a known layer, operation or model is refused; what is rounded is taken as it is rounded."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

import keras_intriguing as ki
from keras_intriguing import spectral

L = keras.layers


def named_as(name: str, base: type = L.Layer) -> type:
    """A class of one's own that has the name of one of Keras'."""
    return type(name, (base,), {"call": lambda self, x: 1e6 * (x[0] + x[1])})


class Relu(keras.Operation):
    def call(self, x: Any) -> Any:
        return 1000 * x

    def compute_output_spec(self, x: Any) -> Any:
        return keras.KerasTensor(x.shape, x.dtype)


class CallsOtherwise(keras.Model):
    def __call__(self, x: Any, **settings: Any) -> Any:
        return super().__call__(1e4 * x, **settings)


class FromKeras(keras.Model):
    def call(self, x: Any, **settings: Any) -> Any:
        return super().call(1e4 * x, **settings)


FromKeras.__module__ = "keras.src.models.functional"


class Alike:
    """Equal to everything, and called relu."""

    __name__ = "relu"

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = object.__hash__

    def __call__(self, x: Any) -> Any:
        return 1e5 * x


def model(layers: Callable[[Any], Any], shape: tuple[int, ...] = (4,), **settings: Any) -> keras.Model:
    inputs = keras.Input(shape, **settings)
    return keras.Model(inputs, layers(inputs))


def replaced() -> keras.Model:
    dense = L.Dense(4)
    found = model(dense)
    dense.call = lambda x: 1e5 * x
    return found


def activated() -> keras.Model:
    dense = L.Dense(4)
    found = model(dense)
    dense.activation = Alike()
    return found


def replaced_graph() -> keras.Model:
    found = model(L.Dense(4))
    found._run_through_graph = lambda inputs, **settings: 1e5 * inputs
    return found


def quantized() -> keras.Model:
    found = model(L.Dense(4))
    found.layers[1].quantize("int8")
    return found


def with_lora() -> keras.Model:
    found = model(L.Dense(4))
    found.layers[1].enable_lora(2)
    return found


REFUSED = {
    **{
        f"own {name}": (
            lambda name=name: model(lambda x: named_as(name)()([x, x])),
            "joins 2 tensors.*register",
        )
        for name in ("Add", "Concatenate", "Maximum", "Average")
    },
    "subclass of Add": (lambda: model(lambda x: named_as("Add", L.Add)()([x, x])), "joins 2 tensors"),
    "own Relu": (lambda: model(Relu()), "No Lipschitz constant is known.*register"),
    "replaced call": (replaced, "method 'call' .* replaced on the instance.*register"),
    "replaced graph": (replaced_graph, "replaced on the instance"),
    "own __call__": (
        lambda: CallsOtherwise(x := keras.Input((4,)), L.Dense(2)(x)),
        r"whose own __call__\(\)",
    ),
    "module keras": (lambda: FromKeras(x := keras.Input((4,)), L.Dense(2)(x)), r"whose own call\(\)"),
    "inner model": (lambda: model(FromKeras(x := keras.Input((4,)), L.Dense(2)(x))), r"whose own call\(\)"),
    "equal to relu": (activated, "No slope bound is known"),
    "weighted average": (
        lambda: model(lambda x: keras.ops.average(x, axis=1, weights=x), (2, 2)),
        "called with weights",
    ),
    "constant for a batch": (
        lambda: model(lambda x: x + np.zeros((7, 1, 4), np.float32)),
        "differs between the images",
    ),
    "broadcast over images": (
        lambda: model(lambda x: L.Add()([L.Reshape((1, 4))(x), x])),
        "another number of axes",
    ),
    "training": (
        lambda: model(lambda x: L.BatchNormalization()(x, training=True)),
        "called with training=True",
    ),
    "whole numbers": (lambda: model(L.Rescaling(2.0), dtype="int32"), "computes in int32"),
    "images mixed by reshape": (lambda: model(lambda x: keras.ops.reshape(x, (-1, 2))), "from one image"),
    "images mixed by transpose": (
        lambda: model(lambda x: keras.ops.transpose(x, (1, 0, 2)), (4, 4)),
        "from one image|unknown sizes",
    ),
    "images joined": (lambda: model(lambda x: L.Concatenate(axis=0)([x, x])), "joins the images"),
    "quantized": (quantized, "is quantized"),
    "LoRA": (with_lora, "has LoRA enabled.*plain layer"),
    "softmax of one value": (lambda: model(L.Softmax(), (4, 1)), "always 1. Take it out"),
    "activation of one value": (lambda: model(L.Activation("softmax"), (4, 1)), "always 1. Take it out"),
    "softmax of columns": (lambda: model(L.Softmax(axis=1), (4, 2)), "works on axis 1.*Permute"),
    "product": (lambda: model(lambda x: x * x), "multiplies 2 tensors"),
    "quotient": (lambda: model(lambda x: 1.0 / x), "divided by numbers"),
}


@pytest.mark.filterwarnings("ignore:You are using a softmax over axis")  # Keras doubts that of one value too
@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED)
def test_what_only_looks_known_is_refused(make: Callable[[], keras.Model], message: str) -> None:
    network = make()
    with pytest.raises(ValueError, match=message):
        spectral.analyze(network)
    with pytest.raises(TypeError if network.input.dtype == "int32" else ValueError, match=r"."):
        ki.certified_distortion(network, np.full((1, *network.input_shape[1:]), 0.5, np.float32))


class Built(keras.Model):
    """A graph that is built in __init__, as the package's own models are."""

    def __init__(self) -> None:
        inputs = keras.Input((3,))
        super().__init__(inputs, L.Dense(2, use_bias=False)(inputs))


def test_a_subclass_that_only_builds_a_graph_is_taken() -> None:
    network = Built()
    norm = np.linalg.svd(np.asarray(network.weights[0]))[1][0]
    assert spectral.analyze(network).upper == pytest.approx(norm, rel=1e-6)
    assert spectral.analyze(ki.models.FC10()).upper > 0


class Activated(L.Layer):
    """With an activation that its registered constant already counts."""

    activation = staticmethod(keras.activations.sigmoid)

    def call(self, x: Any) -> Any:
        return 2 * x


def test_a_registered_constant_is_the_whole_layers() -> None:
    spectral.register(Activated, lambda layer, shape: 2.0)
    assert spectral.analyze(model(Activated())).upper == pytest.approx(2)


@pytest.mark.parametrize(
    ("layers", "constant"),
    [
        (lambda x: 0.1 * x, float(np.float32(0.1))),
        (lambda x: x / 3.0 - 1.0, 1 / 3),
        (lambda x: keras.ops.multiply(x, np.array([[1.0, -5.0, 2.0, 0.0]])), 5.0),
        (lambda x: keras.ops.maximum(x, 0.5), 1.0),
        (L.Rescaling(0.1), float(np.float32(0.1))),
        (L.LeakyReLU(1.1), float(np.float32(1.1))),
        (L.ReLU(negative_slope=1.3), float(np.float32(1.3))),
        (L.ELU(1.7), float(np.float32(1.7))),
        (L.Normalization(mean=0.1307, variance=0.3081**2), 1 / np.sqrt(float(np.float32(0.3081**2)))),
    ],
)
def test_constants_are_rounded_as_the_layer_rounds_them(layers: Any, constant: float) -> None:
    found = spectral.analyze(model(layers)).product
    assert constant <= found <= constant * (1 + 1e-9)


@pytest.mark.parametrize("strides", [1, 2])
def test_of_many_groups_the_largest_is_found(strides: int) -> None:
    layer = L.DepthwiseConv2D(3, strides, padding="same")
    layer.build((None, 9, 9, 12))
    matrices = []
    for channel in range(12):
        images = np.zeros((81, 9, 9, 12), np.float32)
        images[np.arange(81), np.arange(81) // 9, np.arange(81) % 9, channel] = 1
        matrices.append(np.asarray(layer(images), np.float64)[..., channel].reshape(81, -1))
    norm = max(np.linalg.svd(matrix, compute_uv=False)[0] for matrix in matrices)
    found = spectral.operator_norm(layer, (9, 9, 12))
    assert found.upper == pytest.approx(norm, rel=1e-6)
    assert found.lower == pytest.approx(norm, rel=1e-6)
