"""The softmax or sigmoid that a model ends in, seen in its traced graph, however the model is written."""

from typing import Literal, NamedTuple

import tensorflow as tf

Kind = Literal["softmax", "sigmoid", "hidden"]
_MOVING = ("Identity", "Reshape", "Squeeze", "ExpandDims", "Cast", "EnsureShape")  # keep every value
# What comes out of another function, such as a SavedModel, is not looked into; and a softmax can be written as a quotient.
_HIDING = ("PartitionedCall", "StatefulPartitionedCall", "EagerPyFunc", "PyFunc", "RealDiv", "Reciprocal")
# What a product with weights gives can be any number, and so can what the others make of one that can.
_PRODUCTS = (
    *("MatMul", "BatchMatMulV2", "Einsum", "Conv2D", "Conv3D", "DepthwiseConv2dNative"),
    *("Conv2DBackpropInput", "Conv3DBackpropInputV2"),
)
_OF_ANY = (
    *(
        "AddV2",
        "AddN",
        "Sub",
        "Mul",
        "Neg",
        "BiasAdd",
        "Mean",
        "Sum",
        "Max",
        "LeakyRelu",
        "IdentityN",
        "Transpose",
    ),
    *("AvgPool", "AvgPool3D", "MaxPool", "MaxPool3D", "SpaceToBatchND", "BatchToSpaceND"),
    *("Pack", "Unpack", "ConcatV2", "Split", "SplitV", "Slice", "StridedSlice", "GatherV2"),
)
_OF_ALL = ("Maximum", "Minimum")  # of logits; with a constant they clip


class Ending(NamedTuple):
    """How a model ends.

    Attributes:
        kind: None for what does not end in probabilities; "hidden" where that is not to be seen.
        before: what goes into the softmax or the sigmoid, [B, K] as the outputs; the outputs themselves where there is none.
    """

    kind: Kind | None
    before: tf.Tensor


def ending(outputs: tf.Tensor) -> Ending:
    """How symbolic outputs [B, K] of a traced model come about."""
    operation = outputs.op
    while operation.type in _MOVING:
        operation = operation.inputs[0].op
    is_softmax = operation.type == "Softmax" and operation.outputs[0].shape[-1] == outputs.shape[-1]
    if is_softmax or operation.type == "Sigmoid":
        before = tf.reshape(operation.inputs[0], tf.shape(outputs))
        return Ending("softmax" if is_softmax else "sigmoid", before)
    is_single = outputs.shape[-1] == 1
    if operation.name not in _any_numbers(outputs.graph) if is_single else operation.type in _HIDING:
        return Ending("hidden", outputs)
    return Ending(None, outputs)


def _any_numbers(graph: tf.Graph) -> set[str]:
    """The operations of a graph that give, as far as can be seen, any numbers, and so no probabilities.

    They are products with weights, and what is made of them by operations that keep no number from 0 to 1. This is for
    models of one output; probabilities of several are told by their sum.
    """
    of_weights, any_number = {inner.op.name for _, inner in graph.captures}, set()
    for operation in graph.get_operations():  # inputs come before what is computed from them
        inputs = [tensor.op for tensor in operation.inputs]
        weights = [one for one in inputs if one.name in of_weights]
        free = [one for one in inputs if one.name in any_number]
        if operation.type != "Placeholder" and len(weights) == len(inputs):
            of_weights.add(operation.name)
        elif (
            (operation.type in _PRODUCTS and any(free or not _is_mixture(one) for one in weights))
            or (operation.type in (*_OF_ANY, *_MOVING) and free)
            or (operation.type in _OF_ALL and len(free) == len(inputs))
            or (operation.type == "RealDiv" and inputs[0] in free and inputs[1] in weights)
        ):
            any_number.add(operation.name)
    return any_number


def _is_mixture(weights: tf.Operation) -> bool:
    """Whether weights are constants of which none is negative, with which a product of probabilities may be one."""
    values = tf.get_static_value(weights.outputs[0])
    return values is not None and bool((values >= 0).all())
