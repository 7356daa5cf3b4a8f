"""What a model computes, apart from its weights: the graph from weights and images to logits and their gradient.

Models with the same graph share the compiled steps of the attack, which take the weights as arguments.
"""

import hashlib
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_intriguing.attack.digests import Digests
from keras_intriguing.classifiers.logits import Trace, logits_function

_CALLS_OF_PYTHON = ("PyFunc", "EagerPyFunc", "PyFuncStateless")
_CALLS_OF_FUNCTIONS = ("PartitionedCall", "StatefulPartitionedCall")


class Network:
    """What a model computes now, by a trace of its logits and of their gradient by the image.

    Networks with equal keys compute the same function of weights and images: the same operations with the same
    attributes, constants and wiring, on the same captured values, forward and backward.

    Args:
        model: a Keras model or a function of tensors.
        shape: of one image.
        trace: of the model, where there is one already.

    Attributes:
        shape: of one image.
        key: what is compared; equal to no other where the graph calls back to Python, since it does not tell what that computes.
        calls_python: whether it does.
        has_convolutions: whether the graph holds any.
        precision: of the coarsest type that it computes in, at most float32: the distance of 1 and the next number.
    """

    def __init__(self, model: Any, shape: tuple[int, ...], trace: Trace | None = None) -> None:
        self.shape = shape
        self._logits = logits_function(model)
        self._variables: list[keras.Variable] = model.weights if isinstance(model, keras.Model) else []
        trace = trace or Trace(model, shape)
        graph = trace.graph
        definition = graph.as_graph_def()
        functions = definition.library.function
        nodes = [*definition.node, *(node for function in functions for node in function.node_def)]
        operations = {node.op for node in nodes}
        self.has_convolutions = any("Conv" in operation for operation in operations)
        self.precision = trace.coarsest
        # A layer that is a function of TensorFlow keeps its first trace, which must be of the layer's own variables.
        if not operations.isdisjoint(_CALLS_OF_FUNCTIONS):
            self._variables = []
        self._of_weights = self._traced_logits() if self._variables else None
        self.calls_python = not operations.isdisjoint(_CALLS_OF_PYTHON)
        self.key = object() if self.calls_python else self._key(graph, Digests(definition))

    def weights(self) -> list[tf.Tensor]:
        """The weights as they are now, on the device where this is called, for `function`."""
        return [tf.convert_to_tensor(variable.value) for variable in self._variables]

    def function(self) -> Callable[[list[tf.Tensor], tf.Tensor], tf.Tensor]:
        """From weights and images [B, …] to float32 logits [B, K]; differentiable by the images, not by the weights.

        Later changes of the model's graph leave it as it is. There are no weights where the model is no Keras model, a
        layer of it is a function of TensorFlow, or `_traced_logits` says so: then it reads their variables.
        """

        def backward(weights: list[tf.Tensor], images: tf.Tensor, cotangent: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(images)
                outputs = self._forward(weights, images)
            return tape.gradient(outputs, images, cotangent)

        logits = self._of_weights
        if logits is None:
            logits = _traced(self._forward, *self._specifications())
        if any(operation.op_def.is_stateful for operation in logits.graph.get_operations()):
            return logits
        # TensorFlow's own gradient of `logits` takes axes, as of a concatenation, from the outputs of `logits`. XLA must know
        # axes when it compiles, would take all that goes into `logits` for constants, and compile anew for every other value.
        # Here they are constants of `gradient`. That it computes the logits again costs nothing: equal operations are merged,
        # but for those with a state, as of a variable that is read or counts.
        gradient = _traced(backward, *self._specifications(), tf.TensorSpec(logits.output_shapes))

        def function(weights: list[tf.Tensor], images: tf.Tensor) -> tf.Tensor:
            @tf.custom_gradient
            def of_images(images: tf.Tensor) -> tuple[tf.Tensor, Callable]:
                def by_images(cotangent: tf.Tensor, variables: Sequence[tf.Variable] = ()) -> Any:
                    slope = gradient(weights, images, cotangent)
                    return (slope, [None] * len(variables)) if variables else slope

                return logits(weights, images), by_images

            return of_images(images)

        return function

    def _traced_logits(self) -> Any:
        """The logits as a function of weights and images, traced also where a kept program is taken: its key rests on it.

        None where a layer reads a weight otherwise than Keras hands it out, as the `tf.Variable` behind it, or
        differentiates by one: then weights are no arguments, and `function` reads their variables.
        """
        own = {id(variable.value.handle) for variable in self._variables}
        try:
            logits = _traced(self._forward, *self._specifications())
            if not any(id(outer) in own for outer, _ in logits.graph.captures):
                return logits
        except Exception:  # whatever the model's code raises where it meets no variables
            pass
        self._variables = []
        return None

    def _specifications(self) -> tuple[list[tf.TensorSpec], tf.TensorSpec]:
        """Of the weights and of images."""
        weights = [tf.TensorSpec(variable.shape, variable.dtype) for variable in self._variables]
        return weights, tf.TensorSpec((None, *self.shape))

    def _forward(self, weights: list[tf.Tensor], images: tf.Tensor) -> tf.Tensor:
        # Nobody asks for their gradients, and a function's gradient is that of all its arguments.
        values = [tf.stop_gradient(weight) for weight in weights]
        mapping = list(zip(self._variables, values, strict=True))
        with keras.StatelessScope(mapping, initialize_variables=False):
            return self._logits(images)

    def _key(self, graph: Any, digests: Digests) -> Hashable:
        """The graph, with what it captures and where, and the weights' shapes."""
        weights = {id(variable.value.handle): place for place, variable in enumerate(self._variables)}
        captured = [(inner.name, weights.get(id(outer), outer)) for outer, inner in graph.captures]
        return (
            digests.of_graph([*(name for name, _ in captured), *(output.name for output in graph.outputs)]),
            tuple(value if isinstance(value, int) else _value(value) for _, value in captured),
            tuple((tuple(variable.shape), variable.dtype) for variable in self._variables),
            self.shape,
        )


def fingerprint(trace: Trace) -> str | None:
    """A hash of what a traced model computes with its present weights: 64 hexadecimal digits, in every process the same.

    None where the graph calls back to Python, or rests on something that cannot be read.
    """
    graph = trace.graph
    definition = graph.as_graph_def()
    nodes = [
        *definition.node,
        *(node for function in definition.library.function for node in function.node_def),
    ]
    if not {node.op for node in nodes}.isdisjoint(_CALLS_OF_PYTHON):
        return None
    variables = {id(variable.handle): variable for variable in graph.variables}
    digest = hashlib.sha256()
    names = [inner.name for _, inner in graph.captures] + [output.name for output in graph.outputs]
    digest.update(Digests(definition).of_graph(names).encode())
    for outer, _ in graph.captures:
        value = variables.get(id(outer), outer)
        if value is outer and outer.dtype in (tf.resource, tf.variant):
            return None
        digest.update(tf.io.serialize_tensor(value).numpy())
    return digest.hexdigest()


class _Identity:
    """A resource, such as a variable: which one it is, however it is seen."""

    def __init__(self, resource: tf.Tensor) -> None:
        self._resource = resource  # kept, so that no other takes its place in memory

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and self._resource is other._resource

    def __hash__(self) -> int:
        return id(self._resource)


def _traced(function: Callable, *specifications: Any) -> Any:
    with tf.device(None):  # the replicas of a strategy share it
        return tf.function(function, autograph=False).get_concrete_function(*specifications)


def _value(captured: tf.Tensor) -> Hashable:
    """Of a constant what it holds; of a variable which one it is."""
    if captured.dtype in (tf.resource, tf.variant):
        return _Identity(captured)
    return hashlib.sha256(tf.io.serialize_tensor(captured).numpy()).digest()
