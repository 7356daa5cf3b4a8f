"""The graph of a Keras model as a list of its operations, models inside it written out."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_intriguing.classifiers.augmentations import AUGMENTATIONS
from keras_intriguing.spectral.recognition import (
    check_model,
    check_precision,
    check_unchanged,
    named,
)

Shape = tuple[Any, ...]  # of a tensor: sizes, None where one is not known
_INFERENCE = {"training": (None, False), "mask": (None,)}  # what a graph may pass to its layers


class Node(NamedTuple):
    """One operation of a graph, or its input.

    Attributes:
        operation: a layer, or an operation of `keras.ops`; None for the input.
        operands: what it is applied to, in order: the position of another node, or a constant in float64.
        input_shapes: of those operands that are nodes, without the batch axis.
        shape: of the output, without the batch axis.
    """

    operation: Any
    operands: tuple[int | np.ndarray, ...]
    input_shapes: tuple[Shape, ...]
    shape: Shape

    @property
    def sources(self) -> list[int]:
        """The positions of the nodes that it is applied to."""
        return [operand for operand in self.operands if isinstance(operand, int)]


def nodes(model: keras.Model) -> list[Node]:
    """The operations of a model of one input and one output, those that others rest on first.

    Returns:
        First the input, last the output.

    Raises:
        ValueError: no built functional or sequential model, one that may compute something else than its graph, or one of
            several inputs or outputs, or of inputs of any size.
    """
    check_model(model)
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ValueError(
            f"A model of one input and one output is needed, not of {len(model.inputs)} and {len(model.outputs)}. Bounds are of one "
            "input; for one of several outputs pass keras.Model(model.input, OUTPUT)."
        )
    shape = tuple(model.inputs[0].shape[1:])
    if None in shape:
        example = tuple(size or 224 for size in shape)
        raise ValueError(
            f"The input {shape} of {model.name} has unknown sizes, and bounds depend on them. Pass a model of one size, for example "
            f"keras.Sequential([keras.Input({example}), model]), which has the same layers."
        )
    listed = [Node(None, (), (), shape)]
    last = _append(model, [0], listed)[0]
    if last != len(listed) - 1:  # the output is a tensor that others rest on too
        listed.append(Node(keras.layers.Identity(), (last,), (listed[last].shape,), listed[last].shape))
    return listed


def _append(model: keras.Model, inputs: Sequence[int], listed: list[Node]) -> list[int]:
    """Appends a model's operations; the positions of its outputs, given those of its inputs.

    A model inside another may have been built for inputs of any size: shapes are those of the inputs that it has here.
    """
    known = {id(tensor): position for tensor, position in zip(model.inputs, inputs, strict=True)}
    for tensor in model.inputs:
        check_precision(tensor._keras_history[0], tensor)
    for tensor in _in_order(model):
        operation, index, _ = tensor._keras_history
        call = operation._inbound_nodes[index]
        if isinstance(operation, keras.Model):
            check_model(operation)
            positions = _append(operation, [known[id(source)] for source in call.input_tensors], listed)
        else:
            listed.append(_node(operation, call, known, listed))
            positions = [len(listed) - 1]
        known.update({id(output): position for output, position in zip(call.outputs, positions, strict=True)})
    return [known[id(tensor)] for tensor in model.outputs]


def _in_order(model: keras.Model) -> list[Any]:
    """A tensor of every operation, those that it rests on first."""
    order: list[Any] = []
    seen = {tensor._keras_history[:2] for tensor in model.inputs}
    pending = [(tensor, False) for tensor in reversed(model.outputs)]
    while pending:
        tensor, ready = pending.pop()
        key = tensor._keras_history[:2]
        if ready:
            order.append(tensor)
        elif key not in seen:
            seen.add(key)
            pending.append((tensor, True))
            operation, index = key
            pending += [(source, False) for source in operation._inbound_nodes[index].input_tensors]
    return order


def _node(operation: Any, call: Any, known: dict[int, int], listed: Sequence[Node]) -> Node:
    check_unchanged(operation)
    if len(call.outputs) != 1:
        raise ValueError(f"{named(operation)} gives {len(call.outputs)} tensors; one has a rule.")
    output = call.outputs[0]
    check_precision(operation, output)
    shape = _shape(operation, call, known, listed)
    for setting, value in call.arguments.kwargs.items():
        if setting == "training" and type(operation) in AUGMENTATIONS:
            continue
        if not any(value is usual for usual in _INFERENCE.get(setting, ())):
            raise ValueError(
                f"{named(operation)} is called with {setting}={value!r}, for which there is no rule. Build the model "
                "without that, or put what it does into a layer of its own and tell of that with keras_intriguing.spectral.register."
            )
    operands = []
    for argument in _flat(call.arguments.args):
        if isinstance(argument, keras.KerasTensor):
            operands.append(known[id(argument)])
        else:
            operands.append(_constant(operation, argument, output))
    node = Node(operation, tuple(operands), (), shape)
    return node._replace(input_shapes=tuple(listed[source].shape for source in node.sources))


def _shape(operation: Any, call: Any, known: dict[int, int], listed: Sequence[Node]) -> Shape:
    """Of an operation's output, without the batch axis, for inputs of the shapes listed.

    Raises:
        ValueError: its settings, which can be changed in place, do not give the shape that the graph has.
    """

    def here(argument: Any) -> Any:
        if not isinstance(argument, keras.KerasTensor):
            return argument
        return keras.KerasTensor((argument.shape[0], *listed[known[id(argument)]].shape), argument.dtype)

    built = tuple(call.outputs[0].shape)
    try:
        arguments = keras.tree.map_structure(here, call.arguments.args)
        now = tuple(operation.compute_output_spec(*arguments).shape)
    except Exception as error:  # of settings that do not fit the input any more, each layer has its own
        raise ValueError(f"{named(operation)} does not fit its input any more: {error}") from error
    fits = len(now) == len(built) and all(
        size in (None, n) for size, n in zip(built[1:], now[1:], strict=True)
    )
    if not fits or now[0] != built[0]:
        raise ValueError(
            f"{named(operation)} was changed after the model was built: its output had the shape {built} and has "
            f"{now}. Build the model anew, for example by keras.models.clone_model and set_weights."
        )
    return now[1:]


def _flat(arguments: Any) -> list[Any]:
    if isinstance(arguments, (list, tuple)):
        return [leaf for argument in arguments for leaf in _flat(argument)]
    return [arguments]


def _constant(operation: Any, value: Any, output: Any) -> np.ndarray:
    """A constant as the operation computes with it, rounded to the output's precision; without a batch axis."""
    try:
        constant = np.asarray(np.asarray(value).astype(str(output.dtype)), np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{named(operation)} is called with {value!r}, for which there is no rule."
        ) from error
    rank = len(output.shape)
    if constant.ndim > rank or (constant.ndim == rank and constant.shape[0] != 1):
        raise ValueError(
            f"{named(operation)} takes a constant of shape {constant.shape}, which differs between the images of a batch."
        )
    if not np.isfinite(constant).all():
        raise ValueError(f"A constant of {named(operation)} is not finite.")
    return constant.reshape(constant.shape[1:]) if constant.ndim == rank else constant
