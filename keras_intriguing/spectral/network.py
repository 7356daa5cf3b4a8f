"""Lipschitz bounds of whole networks: every layer's, their product, and what the Jacobian attains."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_intriguing.classifiers.loading import as_model
from keras_intriguing.spectral import chain
from keras_intriguing.spectral.bounds import NormBounds
from keras_intriguing.spectral.convolutions.layers import strides_of
from keras_intriguing.spectral.dense_chain import dense_chain
from keras_intriguing.spectral.graph import Node, Shape, nodes
from keras_intriguing.spectral.jacobian import steepest
from keras_intriguing.spectral.layers import frequency_supremum, is_convolution, operator_norm
from keras_intriguing.spectral.numerics import slopes
from keras_intriguing.spectral.recognition import named
from keras_intriguing.spectral.registry import ACTIVATED
from keras_intriguing.spectral.rules.merging import MERGES, MERGING_LAYERS
from keras_intriguing.spectral.rules.operations import OPERATIONS

_ONE_BIT = 1 + 2.0**-50  # for every factor of a product


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
    model: keras.Model | str | Path,
    images: np.ndarray | None = None,
    on_stage: Callable[[str], None] = lambda name: None,
    on_step: Callable[[int, int], None] = lambda done, total: None,
) -> NetworkBounds:
    """Bounds of every layer and of the whole network (paper §4.3 and Table 5).

    Args:
        model: built, functional or sequential, of any graph: branches, merges, models inside models; or the path of a saved one.
        images: [B, …], where the search for a large Jacobian starts; by default random ones in [0, 1].
        on_stage: told the name of every layer before it is measured, last “the whole network”.
        on_step: told how many steps of how many of the search in the whole network are done; for a large one it takes longer
            than all layers.

    Raises:
        ValueError: a layer without a known constant, sizes that are not known, bad weights; see `operator_norm`.
        FileNotFoundError, TypeError: a path at which there is no saved model.
    """
    net = as_model(model)
    graph = nodes(net)
    constants = LipschitzConstants(on_stage, with_suprema=True)
    product = constants.of_outputs(graph)[-1]
    on_stage("the whole network")
    upper = _least_bound(product, graph)
    lower, witness = steepest(net, images, on_step)
    # float32 can overshoot in its last digits where a linear network is as steep everywhere
    return NetworkBounds(constants.layers, product, upper, min(lower, upper), witness)


def analyze_layer(layer: Any, input_shape: Sequence[int]) -> LayerBounds:
    """One layer's row of `analyze`, for inputs of a given size without the batch axis.

    Raises:
        ValueError: see `operator_norm`.
    """
    return _layer_bounds(layer, input_shape, with_supremum=True)


def _layer_bounds(layer: Any, input_shape: Sequence[int], with_supremum: bool) -> LayerBounds:
    bounds, slope = operator_norm(layer, input_shape), _own_activation(layer)
    supremum = paper = None
    if with_supremum and is_convolution(layer):
        supremum = frequency_supremum(layer).upper
        paper = supremum / math.sqrt(math.prod(strides_of(layer)))
    kind = type(layer).__name__
    return LayerBounds(layer.name, kind, tuple(input_shape), bounds, slope, supremum, paper)


class LipschitzConstants:
    """Upper bounds of the Lipschitz constants of a graph's operations.

    Args:
        on_stage: told the name of every layer before it is measured.
        with_suprema: whether the suprema of convolutions over all frequencies are wanted too.

    Attributes:
        layers: those that were met, in order.
    """

    def __init__(
        self, on_stage: Callable[[str], None] = lambda name: None, with_suprema: bool = False
    ) -> None:
        self.layers: list[LayerBounds] = []
        self._on_stage, self._with_suprema = on_stage, with_suprema
        self._known: dict[tuple[int, tuple[int, ...]], LayerBounds] = {}

    def of_outputs(self, graph: Sequence[Node]) -> list[float]:
        """With respect to the graph's input, of every node."""
        constants = [1.0]
        for node in graph[1:]:
            constants.append(self.of_node(node, [constants[source] for source in node.sources]))
        return constants

    def of_node(self, node: Node, constants: Sequence[float]) -> float:
        """Of a node's output, given those of what it is applied to.

        Raises:
            ValueError: no constant is known.
        """
        operation = node.operation
        if type(operation) in MERGES:
            return MERGES[type(operation)](node, constants)
        if len(node.operands) != 1:
            raise ValueError(
                f"{named(operation)} joins {len(node.operands)} tensors by a rule without Lipschitz constant; known are "
                f"Keras' own {MERGING_LAYERS}, and products with constants. Put a layer of one tensor in its place, "
                "and tell of that with keras_intriguing.spectral.register."
            )
        if isinstance(operation, keras.layers.Layer):
            return constants[0] * self._layer(operation, node.input_shapes[0]) * _ONE_BIT
        if type(operation) not in OPERATIONS:
            raise ValueError(
                f"No Lipschitz constant is known for {named(operation)}. Use a Keras layer, or one of your own with "
                "keras_intriguing.spectral.register."
            )
        return constants[0] * OPERATIONS[type(operation)](node) * _ONE_BIT

    def layer_bounds(self, layer: Any, shape: Shape) -> LayerBounds:
        """Of a layer, measured once."""
        key = (id(layer), shape)
        if key not in self._known:
            self._on_stage(layer.name)
            self._known[key] = _layer_bounds(layer, shape, self._with_suprema)
        return self._known[key]

    def _layer(self, layer: Any, shape: tuple[int | None, ...]) -> float:
        found = self.layer_bounds(layer, shape)
        self.layers.append(found)
        return found.bounds.upper * found.activation


def _own_activation(layer: Any) -> float:
    """The slope of the activation that a dense or convolutional layer applies itself."""
    return slopes.activation_slope(layer.activation, named(layer)).bound if type(layer) in ACTIVATED else 1.0


def _least_bound(product: float, graph: Sequence[Node]) -> float:
    """The best upper bound: a chain of dense layers has a tighter one than the product."""
    return min([product, *(_chain_bound(graph) if product else [])])


def _chain_bound(graph: Sequence[Node]) -> list[float]:
    """The tighter bound, where the model is a chain of at least two dense layers with increasing activations."""
    found = dense_chain(graph)
    if found is None or len(found.layers) < 2:
        return []
    if not all(slopes.is_increasing(layer.activation) for layer in found.layers[:-1]):
        return []
    *between, last = [
        slopes.activation_slope(layer.activation, "a dense layer").bound for layer in found.layers
    ]
    try:
        bound = chain.chain_bound([layer.kernel for layer in found.layers], between)
    except (
        tf.errors.InvalidArgumentError
    ):  # kernels so ill-scaled that a factorization fails; the product holds
        return []
    return [bound * abs(found.scale) * last * _ONE_BIT]
