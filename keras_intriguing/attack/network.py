"""What a model computes, apart from its weights: the graph from weights and images to logits.

Two models with the same graph share the programs of the attack; the weights are arguments of these.
"""

import hashlib
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import keras
import tensorflow as tf

from keras_intriguing.classifiers.logits import logits_function

# Attributes of nodes that are new in every trace, whatever is traced: they name functions of Python.
_NAMES_OF_PYTHON = ("_gradient_op_type", "token")
_WITHOUT_MEANING = ("_user_specified_name", "_class")
_IDENTITIES: weakref.WeakKeyDictionary[Any, object] = weakref.WeakKeyDictionary()


class Network:
    """A model's traced graph, which later changes of the model leave as it is.

    Equal networks compute the same function of weights and images: the same operations with the same attributes,
    constants and wiring, on the same captured values. Where the graph calls back to Python, only
    graphs of the same model can be equal.

    Args:
        model: a Keras model or a function of tensors.
        shape: of one image.

    Attributes:
        shape: of one image.
        has_convolutions: whether the graph holds any.
    """

    def __init__(self, model: Callable, shape: tuple[int, ...]) -> None:
        self.shape = shape
        logits, variables = logits_function(model), _variables(model)

        def forward(weights: list[tf.Tensor], images: tf.Tensor) -> tf.Tensor:
            # Nobody asks for their gradients, and a function's gradient is that of all its arguments.
            values = [tf.stop_gradient(weight) for weight in weights]
            with keras.StatelessScope(list(zip(variables, values, strict=True)), initialize_variables=False):
                return logits(images)

        specs = [tf.TensorSpec(variable.shape, variable.dtype) for variable in variables]
        with tf.device(None):  # the replicas of a strategy share it
            self._forward = tf.function(forward, autograph=False).get_concrete_function(
                specs, tf.TensorSpec((None, *shape))
            )
        graph = self._forward.graph.as_graph_def()
        nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
        self.has_convolutions = any("Conv" in node.op for node in nodes)
        calls_python = any(name in node.attr for node in nodes for name in _NAMES_OF_PYTHON)
        results = [output.name for output in self._forward.graph.outputs]
        self._key = (
            _Digests(graph).of_graph(results),
            shape,
            tuple(_value(captured) for captured in self._forward.captured_inputs),
            _IDENTITIES.setdefault(model, object()) if calls_python else None,
        )

    def logits(self, weights: list[tf.Tensor], images: tf.Tensor) -> tf.Tensor:
        """Float32 [B, K] of images [B, …]; differentiable by the images, not by the weights."""
        return self._forward(weights, images)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Network) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


def weights_of(model: Callable) -> list[tf.Tensor]:
    """The weights as they are now, on the device where this is called; none of a function of tensors."""
    return [tf.convert_to_tensor(variable.value) for variable in _variables(model)]


def _variables(model: Callable) -> list[keras.Variable]:
    return model.weights if isinstance(model, keras.Model) else []


def _value(captured: tf.Tensor) -> str | int:
    """Of a constant its value; of a variable which one it is: the graph keeps it, so that its id stays its own."""
    if captured.dtype == tf.resource or captured.dtype == tf.variant:
        return id(captured)
    return hashlib.sha256(captured.numpy().tobytes()).hexdigest()


class _Digests:
    """Hashes of graphs and their functions by all but the names in them, which differ from trace to trace."""

    def __init__(self, graph: Any) -> None:
        self._graph = graph
        self._functions = {function.signature.name: function for function in graph.library.function}

    def of_graph(self, results: Iterable[str]) -> str:
        return self._of_nodes(self._graph.node, (), results)

    def _of_function(self, name: str) -> str:
        function = self._functions[name]
        arguments = [argument.name for argument in function.signature.input_arg]
        results = [function.ret[argument.name] for argument in function.signature.output_arg]
        return self._of_nodes(function.node_def, arguments, results)

    def _of_nodes(self, nodes: Iterable[Any], arguments: Iterable[str], results: Iterable[str]) -> str:
        names = [*arguments, *(node.name for node in nodes)]
        places = {name: str(place) for place, name in enumerate(names)}

        def renamed(reference: str) -> str:
            """`^name`, `name`, `name:1` or, in a function, `name:output:1`."""
            control = reference[: reference.startswith("^")]
            name, *output = reference[len(control) :].split(":")
            return ":".join([control + places[name], *output])

        digest = hashlib.sha256()
        for original in nodes:
            node = type(original)()
            node.CopyFrom(original)
            node.name = places[original.name]
            node.ClearField("experimental_debug_info")
            node.input[:] = [renamed(reference) for reference in original.input]
            for name in (*_NAMES_OF_PYTHON, *_WITHOUT_MEANING):
                node.attr.pop(name, None)
            for value in node.attr.values():
                for function in [*([value.func] if value.HasField("func") else []), *value.list.func]:
                    function.name = self._of_function(function.name)
            digest.update(node.SerializeToString(deterministic=True))
        digest.update(" ".join(renamed(result) for result in results).encode())
        return digest.hexdigest()
