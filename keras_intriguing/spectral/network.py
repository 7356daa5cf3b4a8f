"""Lipschitz bounds of whole networks: every layer's, their product, and what the Jacobian attains."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_intriguing.spectral import chain, keras_layers
from keras_intriguing.spectral.bounds import NormBounds
from keras_intriguing.spectral.graph import dense_chain, in_order
from keras_intriguing.spectral.jacobian import steepest
from keras_intriguing.spectral.layers import frequency_supremum, is_convolution, operator_norm
from keras_intriguing.spectral.numerics import slopes

_ONE_BIT = 1 + 2.0**-50  # for every factor of a product
_ELEMENTWISE = ("Add", "Subtract", "Average", "Maximum", "Minimum")  # which broadcast their inputs


@dataclasses.dataclass(frozen=True)
class LayerBounds:
    """A layer of a network.

    Attributes:
        name: of the layer.
        kind: its class.
        input_shape: without the batch axis.
        bounds: of its operator norm, without its activation.
        activation: the slope bound of its own activation.
        supremum: of a convolution, over all frequencies, as the paper's formula should be; else None.
        paper: what the paper's formula gives as printed, a factor of the stride too small; else None.
    """

    name: str
    kind: str
    input_shape: tuple[int, ...]
    bounds: NormBounds
    activation: float
    supremum: float | None
    paper: float | None

    def record(self) -> dict[str, Any]:
        """All of it as JSON's types, `lower`, `upper` and `method` in place of `bounds`; without the witness."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        bounds = values.pop("bounds")
        found = {"lower": bounds.lower, "upper": bounds.upper, "method": bounds.method}
        return {**values, "input_shape": list(self.input_shape), **found}


@dataclasses.dataclass(frozen=True)
class NetworkBounds:
    """Lipschitz bounds of a network, from L2 to L2.

    Attributes:
        layers: every layer that computes, in order of computation.
        product: the bound that multiplies the layers' along every path.
        upper: the best proved one: the product, or for a chain of dense layers a tighter one.
        lower: ‖f(a) − f(b)‖ / ‖a − b‖ for the inputs of `witness`, to the precision of float32.
        witness: two inputs near each other, without the batch axis.
    """

    layers: list[LayerBounds]
    product: float
    upper: float
    lower: float
    witness: tuple[np.ndarray, np.ndarray]

    def __repr__(self) -> str:
        between = f"{self.lower:.4g} ≤ Lipschitz constant ≤ {self.upper:.4g}"
        return f"NetworkBounds({len(self.layers)} layers, {between}, product {self.product:.4g})"


def analyze(
    model: keras.Model,
    images: np.ndarray | None = None,
    on_stage: Callable[[str], None] = lambda name: None,
) -> NetworkBounds:
    """Bounds of every layer and of the whole network (paper §4.3 and Table 5).

    Args:
        model: built, functional or sequential, of any graph: branches, merges, models inside models.
        images: [B, …], where the search for a large Jacobian starts; by default random ones in [0, 1].
        on_stage: told the name of every layer before it is measured, last “the whole network”.

    Raises:
        ValueError: a layer without a known constant, sizes that are not known, bad weights; see `operator_norm`.
    """
    layers, product, upper = bounds_of(model, on_stage)
    lower, witness = steepest(model, images)
    # float32 can overshoot in its last digits where a linear network is as steep everywhere
    return NetworkBounds(layers, product, upper, min(lower, upper), witness)


def bounds_of(
    model: keras.Model, on_stage: Callable[[str], None] = lambda name: None
) -> tuple[list[LayerBounds], float, float]:
    """The layers, the product and the upper bound of `NetworkBounds`; arguments and errors as of `analyze`."""
    if not isinstance(model, keras.Model) or not getattr(model, "inputs", None):
        hint = " Load it first: keras_intriguing.from_preset(name)." if isinstance(model, str) else ""
        raise ValueError(
            f"A functional or sequential Keras model that is built is needed, not {type(model).__name__}: the layers are "
            f"found in its graph.{hint}"
        )
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ValueError(
            f"A model of one input and one output is needed, not of {len(model.inputs)} and {len(model.outputs)}."
        )
    walk = _Walk(on_stage)
    product = walk.bounds(model, [1.0])[0]
    on_stage("the whole network")
    return walk.layers, product, min([product, *(_chain_bound(model) if product else [])])


def analyze_layer(layer: Any, input_shape: Sequence[int]) -> LayerBounds:
    """One layer's row of `analyze`, for inputs of a given size without the batch axis.

    Raises:
        ValueError: see `operator_norm`.
    """
    bounds, slope = operator_norm(layer, input_shape), _own_activation(layer)
    supremum = paper = None
    if is_convolution(layer):
        supremum = frequency_supremum(layer).upper
        paper = supremum / math.sqrt(math.prod(keras_layers.strides_of(layer)))
    kind = type(layer).__name__
    return LayerBounds(layer.name, kind, tuple(input_shape), bounds, slope, supremum, paper)


class _Walk:
    """The Lipschitz constants of tensors with respect to a model's inputs."""

    def __init__(self, on_stage: Callable[[str], None]) -> None:
        self.layers: list[LayerBounds] = []
        self._on_stage = on_stage
        self._known: dict[tuple[int, tuple[int, ...]], LayerBounds] = {}

    def bounds(self, model: keras.Model, inputs: Sequence[float]) -> list[float]:
        """Of a model's outputs, given those of its inputs."""
        known = {id(tensor): bound for tensor, bound in zip(model.inputs, inputs, strict=True)}
        for tensor in in_order(model):
            operation, node, _ = tensor._keras_history
            sources = operation._inbound_nodes[node].input_tensors
            outputs = operation._inbound_nodes[node].outputs
            inputs = [known[id(source)] for source in sources]
            bounds = self._operation(operation, sources, inputs, outputs[0])
            known.update({id(output): bound for output, bound in zip(outputs, bounds, strict=True)})
        return [known[id(tensor)] for tensor in model.outputs]

    def _operation(
        self, operation: Any, sources: Sequence[Any], bounds: Sequence[float], output: Any
    ) -> list[float]:
        if isinstance(operation, keras.Model) and getattr(operation, "inputs", None):
            return self.bounds(operation, bounds)
        kind = type(operation).__name__
        if kind in _ELEMENTWISE:
            bounds = [bound * _repeated(s, output) for bound, s in zip(bounds, sources, strict=True)]
        if len(sources) > 1:
            return [_merged(operation, kind, bounds)]
        if not isinstance(operation, keras.layers.Layer):
            return [bounds[0] * _of_operation(operation, kind)]
        return [bounds[0] * self._layer(operation, tuple(sources[0].shape[1:])) * _ONE_BIT]

    def _layer(self, layer: Any, shape: tuple[int, ...]) -> float:
        self._on_stage(layer.name)
        key = (id(layer), shape)
        if key not in self._known:
            self._known[key] = analyze_layer(layer, shape)
        self.layers.append(self._known[key])
        return self._known[key].bounds.upper * self._known[key].activation


def _own_activation(layer: Any) -> float:
    """The slope of the activation that a dense or convolutional layer applies itself."""
    if isinstance(layer, keras.layers.Activation) or getattr(layer, "activation", None) is None:
        return 1.0
    return slopes.of_function(layer.activation, f"the layer {layer.name!r}").bound


def _repeated(source: Any, output: Any) -> float:
    """How broadcasting a tensor to its output's shape stretches it: √ of how often every value stands there."""
    if tuple(source.shape) == tuple(output.shape):
        return 1.0
    if None in (*source.shape[1:], *output.shape[1:]):
        raise ValueError(f"A tensor of unknown sizes {tuple(source.shape)} is broadcast; give numbers.")
    return math.sqrt(math.prod(output.shape[1:]) / math.prod(source.shape[1:])) * _ONE_BIT


def _merged(operation: Any, kind: str, bounds: Sequence[float]) -> float:
    """Several tensors into one."""
    if kind in ("Add", "Subtract"):
        return sum(bounds) * _ONE_BIT
    if kind == "Average":
        return sum(bounds) / len(bounds) * _ONE_BIT
    if kind in ("Concatenate", "Maximum", "Minimum"):
        # where the larger of two is taken, the change is at most the larger of both changes
        return math.sqrt(sum(bound**2 for bound in bounds)) * _ONE_BIT
    raise ValueError(
        f"The operation {operation.name!r} of class {kind} joins {len(bounds)} tensors by a rule without Lipschitz "
        "constant; known are Add, Subtract, Average, Concatenate, Maximum and Minimum."
    )


def _of_operation(operation: Any, kind: str) -> float:
    """An operation of `keras.ops` on one tensor."""
    if kind in (
        "Add",
        "Subtract",
        "Negative",
        "Reshape",
        "Transpose",
        "Absolute",
        "Ravel",
        "Squeeze",
        "ExpandDims",
    ):
        return 1.0  # added constants, moved values
    name = {
        "Relu": "relu",
        "Sigmoid": "sigmoid",
        "Tanh": "tanh",
        "Softmax": "softmax",
        "Softplus": "softplus",
    }.get(kind)
    if name:
        return slopes.of_function(getattr(keras.activations, name), operation.name).bound
    raise ValueError(
        f"No Lipschitz constant is known for the operation {operation.name!r} of class {kind}. Use a Keras layer, or one "
        "of your own with keras_intriguing.spectral.register."
    )


def _chain_bound(model: keras.Model) -> list[float]:
    """The tighter bound, where the model is a chain of at least two dense layers with increasing activations."""
    found = dense_chain(model)
    if found is None or len(found.layers) < 2:
        return []
    if not all(slopes.is_increasing(layer.activation) for layer in found.layers[:-1]):
        return []
    *between, last = [slopes.of_function(layer.activation, "a dense layer").bound for layer in found.layers]
    try:
        bound = chain.chain_bound([layer.kernel for layer in found.layers], between)
    except (
        tf.errors.InvalidArgumentError
    ):  # kernels so ill-scaled that a factorization fails; the product holds
        return []
    return [bound * abs(found.scale) * last * _ONE_BIT]
