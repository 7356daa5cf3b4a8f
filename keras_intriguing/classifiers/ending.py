"""The softmax or sigmoid that a model ends in, seen in its traced graph, however the model is written."""

from typing import Literal, NamedTuple

import tensorflow as tf

Kind = Literal["softmax", "sigmoid", "hidden"]
_MOVING = ("Identity", "Reshape", "Squeeze", "ExpandDims", "Cast", "EnsureShape")  # keep every value
# What comes out of another function, such as a SavedModel, is not looked into; and a sigmoid can be written as a quotient.
_HIDING = ("PartitionedCall", "StatefulPartitionedCall", "EagerPyFunc", "PyFunc", "RealDiv", "Reciprocal")
# Products with weights can be any number, and so can what these operations make of them.
_PRODUCTS = ("MatMul", "BatchMatMulV2", "Einsum", "Conv2D", "Conv3D", "DepthwiseConv2dNative")
_ARITHMETIC = ("AddV2", "AddN", "Sub", "Mul", "Neg", "Mean", "Sum", "Max", "Pack", "StridedSlice", "ConcatV2")


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
    if operation.type in _HIDING or (outputs.shape[-1] == 1 and not _is_any_number(operation, _Seen({}, {}))):
        return Ending("hidden", outputs)
    return Ending(None, outputs)


class _Seen(NamedTuple):
    """What was found of operations, by their names."""

    any_number: dict[str, bool]
    of_weights: dict[str, bool]


def _is_any_number(operation: tf.Operation, seen: _Seen) -> bool:
    """Whether what an operation gives is, as far as can be seen, no probability: computed from products with weights by
    operations that keep no number from 0 to 1.

    Of one output; that of several is told by their sum.
    """
    if operation.name not in seen.any_number:
        seen.any_number[operation.name] = (
            operation.type == "BiasAdd"
            or (
                operation.type in _PRODUCTS
                and any(_is_of_weights(tensor.op, seen) for tensor in operation.inputs)
            )
            or (
                operation.type in (*_ARITHMETIC, *_MOVING)
                and any(_is_any_number(tensor.op, seen) for tensor in operation.inputs)
            )
        )
    return seen.any_number[operation.name]


def _is_of_weights(operation: tf.Operation, seen: _Seen) -> bool:
    """Whether what an operation gives rests on constants and variables alone, not on the images."""
    if operation.name not in seen.of_weights:
        captured = {inner.op.name for _, inner in operation.graph.captures}
        is_source = operation.type in ("Const", "VarHandleOp") or operation.name in captured
        seen.of_weights[operation.name] = is_source or (
            bool(operation.inputs) and all(_is_of_weights(tensor.op, seen) for tensor in operation.inputs)
        )
    return seen.of_weights[operation.name]
