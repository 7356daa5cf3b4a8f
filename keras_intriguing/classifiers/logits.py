"""From a model, whatever its last activation, to two or more classes and their logits."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_intriguing.classifiers.ending import Ending, Kind, ending
from keras_intriguing.classifiers.images import (
    Inputs,
    named_inputs,
    with_the_others_as_constants,
    with_the_others_fixed,
)
from keras_intriguing.classifiers.outputs import call, check_outputs, precision

_LEAST = np.finfo(np.float32).tiny
_MOST = 1 - np.finfo(np.float32).epsneg  # the largest probability below 1

# What to do with a model whose softmax or sigmoid is out of sight, for an attack and for a certificate.
_PROBABILITIES = (
    "Pass from_probabilities=True if they are, or a model that gives logits: the values before the softmax or sigmoid. "
    "(Logits that only look so can be told apart by a function that returns a thousand times their value.)"
)
_LAYERS = (
    "A certificate needs Keras' own layers, up to logits or to a softmax or sigmoid of theirs: of a SavedModel, the model that it "
    "was exported from."
)


class Adapted(keras.Model):
    """A model that gives one output, or whose outputs are to be taken for probabilities, as two or more classes.

    Called, it gives what its user would compare: [1 − p, p] of one probability, [0, z] of one logit, else the outputs as
    they are.

    Args:
        model: of one output, or of probabilities.
        is_single: it has one output.
        has_probabilities: its outputs are probabilities.

    Attributes:
        is_single: whether it has one output.
    """

    def __init__(self, model: Callable, is_single: bool, has_probabilities: bool) -> None:
        name = getattr(model, "name", None)
        has_name = isinstance(name, str) and "/" not in name  # as Keras wants them
        super().__init__(name=name if has_name else None, dtype="float32", autocast=False)
        self.model, self.is_single, self._has_probabilities = model, is_single, has_probabilities
        self.built = True

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Float32 [B, K] for images x [B, …]; the largest is the label."""
        return self.classes(tf.cast(call(self.model, x), tf.float32))

    def classes(self, outputs: tf.Tensor) -> tf.Tensor:
        """The same for outputs of `model`."""
        if not self.is_single:
            return outputs
        other = 1 - outputs if self._has_probabilities else tf.zeros_like(outputs)
        return tf.concat([other, outputs], axis=-1)

    def logits(self, traced: Ending, outputs: tf.Tensor) -> tf.Tensor:
        """Of the traced outputs of `model`: what is before its softmax or sigmoid, where that is to be seen.

        Otherwise the logarithm of the probabilities. Those that round to zero count as 1e-38, and one that rounds to 1 as
        the number below it, so that logarithms are finite; the gradient there is zero.
        """
        if not self.is_single:
            return traced.before if traced.kind == "softmax" else tf.math.log(tf.maximum(outputs, _LEAST))
        if not self._has_probabilities or traced.kind == "sigmoid":
            z = traced.before
        else:
            p = tf.clip_by_value(outputs, _LEAST, _MOST)
            z = tf.math.log(p) - tf.math.log1p(-p)
        return tf.concat([tf.zeros_like(z), z], axis=-1)


class Trace:
    """A model's logits and their gradient by the image, traced once for batches of any size.

    Args:
        model: a Keras model, a function of tensors, or what `adapted` gives.
        shape: of one image.

    Attributes:
        kind: how the model ends.
        precision: of its outputs: the distance of 1 and the next number of their type.
        coarsest: the same of the coarsest type that it computes in; at least that of float32.
        graph: from images [B, …] and a cotangent, [B, K] or [1, 1], to logits [B, K] and the gradient of their product by
            the images.
        is_differentiable: whether there is that gradient.

    Raises:
        ValueError: the model cannot be traced.
    """

    def __init__(self, model: Callable, shape: tuple[int, ...]) -> None:
        endings = []

        def with_gradient(images: tf.Tensor, cotangent: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor | None]:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(images)
                logits, *ending_and_precision = _logits(model, images)
            endings.append(ending_and_precision)
            return logits, tape.gradient(logits, images, tf.broadcast_to(cotangent, tf.shape(logits)))

        function = tf.function(with_gradient, autograph=False)
        try:
            with tf.device(None):  # the replicas of a strategy share it
                self._function = function.get_concrete_function(
                    tf.TensorSpec((None, *shape)), tf.TensorSpec((None, None))
                )
        except Exception as error:  # whatever the model's code raises where it meets no values
            first = str(error).strip().partition("\n")[0]
            raise ValueError(
                "TensorFlow cannot differentiate the model's logits by the image, since it cannot trace what the model computes "
                f"({first}). Compute them with Keras or TensorFlow operations only, without NumPy in between: by model(x), not by "
                "model.predict(x)."
            ) from error
        self.kind: Kind | None
        self.precision: float
        self.kind, self.precision = endings[-1]
        self.graph: Any = self._function.graph
        self.coarsest = _coarsest(self.graph.as_graph_def())
        self.is_differentiable = self._function.structured_outputs[1] is not None

    def logits(self, images: Any) -> tf.Tensor:
        """Float32 [B, K] for images [B, …]."""
        return self._function(tf.convert_to_tensor(images, tf.float32), tf.zeros((1, 1)))[0]


def _coarsest(definition: Any) -> float:
    functions = definition.library.function
    nodes = [*definition.node, *(node for function in functions for node in function.node_def)]
    types = {value.type for node in nodes for value in node.attr.values()}
    half = [kind for kind in (tf.float16, tf.bfloat16) if kind.as_datatype_enum in types]
    return max(precision(kind) for kind in (tf.float32, *half))


class Traced(NamedTuple):
    """A model as two or more classes, its trace, and what it gave for the few images that it was tried on."""

    model: Callable
    trace: Trace
    outputs: Any


def adapted(model: Callable, few: np.ndarray, from_probabilities: bool | None = False) -> Traced:
    """The model itself where it has two or more logits or ends in a softmax; else as two or more classes.

    Args:
        model: a Keras model or a function of tensors.
        few: images to try it on, [B, …].
        from_probabilities: the outputs are probabilities; None where that cannot be said, since layers are needed.

    Raises:
        ValueError: it cannot be traced; its outputs are of another form, or labels that do not exclude each other; or it
            cannot be told whether they are logits or probabilities.
    """
    outputs = call(model, few)
    check_outputs(outputs, len(few))
    trace = Trace(model, few.shape[1:])
    kind, is_single = trace.kind, outputs.shape[-1] == 1
    values = np.asarray(tf.cast(outputs, tf.float32))
    looks_like_probabilities = values.min() >= 0 and values.max() <= 1
    if is_single and kind == "softmax":
        raise ValueError(
            "The model ends in a softmax of one output, which is always 1. It needs two, or a sigmoid."
        )
    if from_probabilities:
        _check_probabilities(values, outputs, is_single)
    elif kind == "hidden" and looks_like_probabilities:
        what = "a probability" if is_single else "probabilities, each for itself or together"
        raise ValueError(
            f"The model's outputs look like {what} (all are between 0 and 1), and what they are computed from cannot be seen. "
            + (_LAYERS if from_probabilities is None else _PROBABILITIES)
        )
    elif kind == "sigmoid" and not is_single:
        _refuse_many_labels(model, outputs.shape[-1], needs_layers=from_probabilities is None)
    if not is_single and not from_probabilities:
        return Traced(model, trace, outputs)
    classes = Adapted(model, is_single, bool(from_probabilities) or kind == "sigmoid")
    return Traced(classes, Trace(classes, few.shape[1:]), classes.classes(tf.cast(outputs, tf.float32)))


def logits_function(model: Callable) -> Callable[[tf.Tensor], tf.Tensor]:
    """The function from images [B, …] to float32 logits [B, K] behind a model.

    Of a model that ends in softmax it is the same computation without that softmax, on the same variables: the model
    itself is not changed, and the function follows later changes of its weights.

    Args:
        model: a Keras model, which must have been built, any function of TensorFlow tensors, or what `adapted` gives.

    Raises:
        ValueError: a Keras model with several outputs.
    """
    check_one_output(model.model if isinstance(model, Adapted) else model)
    compiled = tf.function(lambda images: _logits(model, images)[0], autograph=False, reduce_retracing=True)
    compiled._omit_frequent_tracing_warning = True  # a trace for each shape of batch
    return lambda images: compiled(images) if tf.executing_eagerly() else _logits(model, images)[0]


def _logits(model: Callable, images: tf.Tensor) -> tuple[tf.Tensor, Kind | None, float]:
    """The logits of symbolic images, how the model ends, and its outputs' precision; while a function is traced."""
    whole = model.model if isinstance(model, Adapted) else model
    given = call(whole, images)
    outputs = tf.cast(given, tf.float32)
    traced = ending(outputs)
    if isinstance(model, Adapted):
        logits = model.logits(traced, outputs)
    else:
        logits = traced.before if traced.kind == "softmax" else outputs
    return tf.cast(logits, tf.float32), traced.kind, precision(given.dtype)


def check_one_output(model: Any, x: Any = None, needs_layers: bool = False) -> None:
    """Checks that a Keras model has one output and one input, as far as it knows.

    Args:
        model: any function.
        x: what is given as its images; advice on several inputs is for it.
        needs_layers: it is to be certified, so that a function in its place will not do.

    Raises:
        ValueError: it has several; the message tells how to take one.
    """
    if not isinstance(model, keras.Model):
        return
    outputs, inputs = getattr(model, "outputs", None) or [], getattr(model, "inputs", None) or []
    if len(outputs) > 1:
        names = model.output if isinstance(model.output, dict) else model.output_names
        chosen = repr(next(iter(names))) if isinstance(model.output, dict) else 0
        raise ValueError(
            f"{model.name} has {len(outputs)} outputs ({', '.join(map(str, names))}); one is needed. Choose it, for example "
            f"keras.Model(model.input, model.output[{chosen}])."
        )
    if len(inputs) > 1:
        shapes = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in named_inputs(model).items())
        advice = with_the_others_as_constants if needs_layers else with_the_others_fixed
        raise ValueError(
            f"{model.name} has {len(inputs)} inputs ({shapes}); one is needed. " + advice(Inputs.of(model, x))
        )


def check_logits(model: Callable, trace: Trace, logits: tf.Tensor, outputs: Any, needs_layers: bool) -> None:
    """Checks that what is taken for logits is not probabilities, and ranks the classes as the model does.

    Args:
        model: that gives them, as two or more classes.
        trace: of it.
        logits: [B, K].
        outputs: of the model, [B, K].
        needs_layers: it is to be certified, so that other advice is for it.

    Raises:
        ValueError: no logit is negative and every row sums to one; or the largest logit is not the class
            that the model gives.
    """
    values, given = np.asarray(logits), np.asarray(tf.cast(outputs, tf.float32))
    tolerance = 1e-2 if trace.precision > 1e-4 else 1e-4
    is_single = isinstance(model, Adapted) and model.is_single  # 0 and z, which is 1 for some image
    if not is_single and values.min() >= 0 and np.abs(values.sum(axis=1) - 1).max() < tolerance:
        raise ValueError(
            "The model gives probabilities (no output is negative, every row sums to 1), and this needs logits: the values before "
            "the softmax. Of a model that ends in the softmax they are found; "
            + (
                "leave out what comes behind it."
                if needs_layers
                else "of any other pass from_probabilities=True, or a function that leaves the softmax out. "
                "(Logits that only look so can be told apart by a function that returns a thousand times their value.)"
            )
        )
    differs = _falls_short(given, values.argmax(axis=1), max(1e-3, 2 * trace.precision))
    # other programs round the logits otherwise
    differs &= _falls_short(values, given.argmax(axis=1), 4 * trace.coarsest)
    if trace.kind == "softmax" and differs.any():
        raise ValueError(
            "The model's softmax could not be taken out: what lies before it ranks the classes otherwise than "
            "the model. Pass a model, or a function, that gives the logits."
        )


def _falls_short(values: np.ndarray, classes: np.ndarray, share: float) -> np.ndarray:
    """Whether the values [B, K] of these classes [B] are below the largest by more than a share of the largest number."""
    of_class = np.take_along_axis(values, classes[:, None], axis=1)[:, 0]
    return of_class < values.max(axis=1) - share * np.abs(values).max(axis=1)


def _check_probabilities(values: np.ndarray, outputs: Any, is_single: bool) -> None:
    tolerance = 1e-2 if tf.as_dtype(outputs.dtype).size < 4 else 1e-4
    if values.min() < 0 or values.max() > 1 + tolerance:
        raise ValueError(
            f"from_probabilities=True, but the model's outputs range from {values.min():.6g} to {values.max():.6g}. Leave it out "
            "for logits."
        )
    if not is_single and np.abs(values.sum(axis=1) - 1).max() > tolerance:
        raise ValueError(
            "from_probabilities=True, but the model's outputs do not sum to 1: labels that do not exclude each other. Pass a "
            "function of one of them, such as lambda x: model(x)[:, :1], for whether an image has that label."
        )


def _refuse_many_labels(model: Any, count: int, needs_layers: bool) -> None:
    # only a graph tells which layer is the last; a subclassed model lists its layers as they were assigned
    outputs = getattr(model, "outputs", None) if isinstance(model, keras.Model) else None
    last: Any = outputs[0]._keras_history.operation if outputs else None
    where = f" (layer {last.name!r})" if last is not None else ""
    label = min(3, count - 1)
    column = f"{label}:{label + 1}"
    if not needs_layers:
        of_one = f"a function of that output, such as lambda x: model(x)[:, {column}] with from_probabilities=True."
    elif last is not None and type(last) is keras.layers.Dense:
        of_one = (
            f"a model of that output:\n    last = model.get_layer({last.name!r})\n"
            "    one = keras.layers.Dense(1, 'sigmoid', use_bias=last.use_bias)\n"
            "    single = keras.Model(model.inputs[0], one(last.input))\n"
            f"    one.set_weights([values[..., {column}] for values in last.get_weights()])"
        )
    else:
        of_one = "a model that ends in that logit and its sigmoid."
    raise ValueError(
        f"{getattr(model, 'name', 'The model')} ends in a sigmoid{where} of {count} outputs: its classes do not exclude each other, so "
        "that an image has any number of labels. If the largest output is the label, drop the sigmoid. For whether an image has label "
        f"{label}, pass {of_one}"
    )
