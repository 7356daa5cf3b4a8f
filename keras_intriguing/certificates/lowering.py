"""From a Keras model to the circuit that bounds are propagated through: which rule holds for which class."""

from collections.abc import Callable, Sequence

import keras
import numpy as np

from keras_intriguing.certificates.circuit import Circuit
from keras_intriguing.certificates.operators import (
    activation,
    dense,
    merging,
    moving,
    normalization,
    pooling,
    scaling,
)
from keras_intriguing.certificates.operators.convolution import convolution
from keras_intriguing.classifiers.augmentations import AUGMENTATIONS
from keras_intriguing.models.normalization import LocalResponseNormalization
from keras_intriguing.spectral.convolutions.layers import CONVOLUTIONS
from keras_intriguing.spectral.graph import Node
from keras_intriguing.spectral.network import LipschitzConstants
from keras_intriguing.spectral.recognition import named, operation_class
from keras_intriguing.spectral.rules.merging import MERGING_LAYERS

L, ops = keras.layers, keras.ops
Rule = Callable[[Node, Circuit, list[int]], int]


def circuit_of(graph: Sequence[Node], constants: LipschitzConstants) -> Circuit:
    """The steps of a graph; where a part of it has no rule, one step with its Lipschitz constant.

    A softmax that ends the graph is left out: it keeps the order of the classes. So is the sigmoid of one output, whose
    logit z becomes the two logits 0 and z.

    Raises:
        ValueError: a part without rule or constant, or sizes that are not known.
    """
    if None in graph[0].shape:
        raise ValueError(f"The model's input shape {graph[0].shape} has unknown sizes; give numbers.")
    circuit = Circuit(graph[0].shape, constants)
    positions = [0]
    for node in graph[1:]:
        circuit.naming = node.operation.name
        sources = [positions[source] for source in node.sources]
        is_last = node is graph[-1]
        positions.append(_lowered(node, circuit, sources, is_last))
    if circuit.shape(positions[-1]) == (1,):
        circuit.linear(positions[-1], (2,), lambda w, x: x * w[0], [np.array([0.0, 1.0])])
    elif positions[-1] != len(circuit.steps) - 1 or circuit.steps[-1] is None:
        circuit.scaled(positions[-1], 1.0)
    return circuit


def _lowered(node: Node, circuit: Circuit, sources: list[int], is_last: bool) -> int:
    kind = type(node.operation)
    if is_last and gives_probabilities(node):
        return sources[0]
    if is_last and kind is L.Dense and is_probability(node.operation.activation, node):
        return dense.dense(node, circuit, sources, with_activation=False)
    if kind in RULES:
        return RULES[kind](node, circuit, sources)
    return fallback(node, circuit, sources)


def gives_probabilities(node: Node) -> bool:
    """Whether a node is nothing but a softmax over all classes, or the sigmoid of one output."""
    if len(node.shape) != 1:
        return False
    operation = node.operation
    if type(operation) is L.Activation:
        return is_probability(operation.activation, node)
    if node.shape == (1,):
        return type(operation) is operation_class(ops.sigmoid, (1, 1))
    return type(operation) in (L.Softmax, operation_class(ops.softmax, (1, 2))) and operation.axis in (-1, 1)


def is_probability(activation: Callable | None, node: Node) -> bool:
    """Whether a layer's activation makes probabilities of logits: softmax, or sigmoid of one output."""
    return activation is (keras.activations.sigmoid if node.shape == (1,) else keras.activations.softmax)


def fallback(node: Node, circuit: Circuit, sources: list[int]) -> int:
    """One step with the Lipschitz constant of an operation on one tensor."""
    constant = circuit.constants.of_node(node, [1.0] * len(node.sources))
    if len(sources) != 1:
        raise ValueError(
            f"{named(node.operation)} joins {len(sources)} tensors, for which there is no rule. "
            f"Of Keras' layers {MERGING_LAYERS} have one."
        )
    operation, operands = node.operation, node.operands

    def values(x: object) -> object:
        if isinstance(operation, L.Layer):
            return operation(x, training=False)
        return operation(*(x if isinstance(operand, int) else operand for operand in operands))

    return circuit.lipschitz(sources[0], node.shape, values, constant)


def register(kind: type, rule: Rule) -> None:
    """Tells what steps a layer class of one's own consists of, so that its bounds are tighter than by its constant.

    Args:
        kind: the layer class; its subclasses are not included. It needs a constant too, see `spectral.register`.
        rule: maps the layer's node, the circuit and the positions of its inputs to the position of its result; it builds
            the steps with the circuit's methods.

    Raises:
        TypeError: rule is no function.
    """
    if not callable(rule):
        raise TypeError(f"rule must be a function of a node, a circuit and positions, not {rule!r}.")
    RULES[kind] = rule


def _kinds(*patterns: str) -> list[type]:
    return [kind for p in patterns for d in (1, 2, 3) if (kind := getattr(L, p.format(d), None))]


RULES: dict[type, Rule] = {
    L.Dense: dense.dense,
    L.EinsumDense: dense.einsum_dense,
    **dict.fromkeys(CONVOLUTIONS, convolution),
    **dict.fromkeys(_kinds("MaxPooling{}D", "GlobalMaxPooling{}D"), pooling.max_pooling),
    **dict.fromkeys(_kinds("AveragePooling{}D", "GlobalAveragePooling{}D"), moving.summed),
    L.AveragePooling3D: pooling.average_pooling_3d,
    **dict.fromkeys(
        (L.Flatten, L.Reshape, L.Permute, *_kinds("ZeroPadding{}D", "Cropping{}D")), moving.moved
    ),
    **dict.fromkeys(
        (
            *(L.InputLayer, L.Identity, L.ActivityRegularization, L.Dropout, *_kinds("SpatialDropout{}D")),
            *(L.AlphaDropout, L.GaussianDropout, L.GaussianNoise, *AUGMENTATIONS),
        ),
        moving.unchanged,
    ),
    L.BatchNormalization: scaling.batch_normalization,
    L.Rescaling: scaling.rescaling,
    L.Normalization: scaling.normalization,
    LocalResponseNormalization: normalization.local_response,
    L.Activation: activation.activation,
    L.ReLU: activation.relu,
    L.LeakyReLU: activation.leaky_relu,
    L.ELU: activation.elu_layer,
    L.PReLU: activation.prelu,
    **dict.fromkeys(activation.OPERATIONS, activation.operation),
    operation_class(ops.absolute, (1, 1)): activation.absolute,
    operation_class(ops.negative, (1, 1)): scaling.negative,
    L.Add: merging.added(1.0),
    L.Subtract: merging.added(1.0, -1.0),
    L.Average: merging.average,
    L.Concatenate: merging.concatenation,
    L.Maximum: merging.maximum,
    L.Minimum: merging.minimum,
    operation_class(ops.add, (1, 1), (1, 1)): merging.added(1.0),
    operation_class(ops.subtract, (1, 1), (1, 1)): merging.added(1.0, -1.0),
    operation_class(lambda x: ops.multiply(x, 1.0), (1, 1)): merging.product,
    operation_class(lambda x: ops.true_divide(x, 1.0), (1, 1)): merging.quotient,
    operation_class(lambda x: ops.divide(x, 1.0), (1, 1)): merging.quotient,
    operation_class(lambda x: ops.concatenate([x, x]), (1, 1)): merging.concatenation,
    operation_class(lambda x: ops.reshape(x, (1, 1)), (1, 1)): moving.reshaped,
    operation_class(ops.squeeze, (1, 1)): moving.reshaped,
    operation_class(lambda x: ops.expand_dims(x, 1), (1, 1)): moving.reshaped,
    operation_class(ops.transpose, (1, 1)): moving.transposed,
}
