"""The softmax or sigmoid that a model ends in, seen in its traced graph, however the model is written."""

from typing import Literal, NamedTuple

import tensorflow as tf

Kind = Literal["softmax", "sigmoid", "hidden"]
_MOVING = ("Identity", "Reshape", "Squeeze", "ExpandDims", "Cast", "EnsureShape")  # keep every value
# What comes out of another function, such as a SavedModel, is not looked into; and a sigmoid can be written as a quotient.
_HIDING = ("PartitionedCall", "StatefulPartitionedCall", "EagerPyFunc", "PyFunc", "RealDiv", "Reciprocal")
_ARITHMETIC = (
    "AddV2",
    "Sub",
    "Mul",
    "Neg",
    "Minimum",
    "Maximum",
    "ClipByValue",
    "Mean",
)  # 1 − p, p clipped, mixed p


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
    is_hidden = operation.type in _HIDING or (outputs.shape[-1] == 1 and _is_made_of_probabilities(operation))
    return Ending("hidden" if is_hidden else None, outputs)


def _is_made_of_probabilities(operation: tf.Operation) -> bool:
    """Whether one output is computed from sigmoids of one output; of several the sum of probabilities tells it."""
    left, seen = [operation], set()
    while left:
        operation = left.pop()
        if operation.name in seen:
            continue
        seen.add(operation.name)
        if operation.type == "Sigmoid" and operation.outputs[0].shape[-1] == 1:
            return True
        if operation.type in (*_ARITHMETIC, *_MOVING):
            left += [tensor.op for tensor in operation.inputs]
    return False
