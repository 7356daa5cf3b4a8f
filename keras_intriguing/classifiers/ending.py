"""The softmax or sigmoid that a model ends in, seen in its traced graph, however the model is written."""

from typing import Literal, NamedTuple

import tensorflow as tf

Kind = Literal["softmax", "sigmoid", "hidden"]
_MOVING = ("Identity", "Reshape", "Squeeze", "ExpandDims", "Cast", "EnsureShape")  # keep every value
# What comes out of another function, such as a SavedModel, is not looked into; and a sigmoid can be written as a quotient.
_HIDING = ("PartitionedCall", "StatefulPartitionedCall", "EagerPyFunc", "PyFunc", "RealDiv", "Reciprocal")
# What leaves a probability one in all but name: 1 − p, p clipped, a mean of several, one column of a softmax.
_ARITHMETIC = (
    "AddV2",
    "AddN",
    "Sub",
    "Mul",
    "Neg",
    "Minimum",
    "Maximum",
    "ClipByValue",
    "Mean",
    "Pack",
    "StridedSlice",
)


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
    if operation.type in _HIDING or (outputs.shape[-1] == 1 and _is_probability(operation, {})):
        return Ending("hidden", outputs)
    return Ending(None, outputs)


def _is_probability(operation: tf.Operation, known: dict[str, bool]) -> bool:
    """Whether what an operation gives is computed, as far as can be seen, from probabilities and constants alone.

    Of one output; that of several is told by their sum. `known` holds what was found, by the operations' names.
    """
    if operation.name not in known:
        made_of = [tensor.op for tensor in operation.inputs if tensor.op.type != "Const"]
        known[operation.name] = operation.type in ("Sigmoid", "Softmax", *_HIDING) or (
            operation.type in (*_ARITHMETIC, *_MOVING)
            and bool(made_of)
            and all(_is_probability(one, known) for one in made_of)
        )
    return known[operation.name]
