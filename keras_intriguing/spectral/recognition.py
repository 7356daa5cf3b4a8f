"""What may be taken for what it says it is: only the very classes and functions of Keras, unchanged.

A proof rests on knowing what a layer computes. So layers, operations and functions are recognized by identity, never by
a name; and nothing may be laid over them, on the instance or in a subclass.
"""

from collections.abc import Callable
from typing import Any

import keras

# set on instances by Keras itself, or used in training only
_HARMLESS = frozenset(["build", "quantize", "loss", "metrics", "optimizer"])
# what a subclass of a functional model may define: nothing that computes
_DECLARATIONS = frozenset(
    ["__init__", "get_config", "from_config", "from_preset", "build_from_config", "get_build_config"]
)
_FLOATS = ("float32", "float64")


def named(operation: Any) -> str:
    """A layer or an operation in a message: its name and class."""
    what = "layer" if isinstance(operation, keras.layers.Layer) else "operation"
    return f"the {what} {getattr(operation, 'name', operation)!r} of class {type(operation).__name__}"


def operation_class(function: Callable, *shapes: tuple[int, ...]) -> type:
    """The class of the operation that a function of `keras.ops` puts into a graph, for tensors of these shapes."""
    tensors = [keras.KerasTensor(shape) for shape in shapes]
    return type(function(*tensors)._keras_history[0])


def check_unchanged(operation: Any) -> None:
    """Checks that no method was replaced on a layer, a model or an operation, that it is not quantized and has no LoRA.

    Raises:
        ValueError: one was.
    """
    for name, value in vars(operation).items():
        if name not in _HARMLESS and callable(value) and callable(getattr(type(operation), name, None)):
            raise ValueError(
                f"The method {name!r} of {named(operation)} was replaced on the instance, so that it may compute anything. "
                "Put what it does into a layer class of its own, and tell of that with keras_intriguing.spectral.register."
            )
    if getattr(operation, "quantization_mode", None):
        raise ValueError(
            f"{named(operation)} is quantized ({operation.quantization_mode}): it rounds, so that no constant holds. "
            "Load the weights into a model of float32."
        )
    if getattr(operation, "lora_enabled", False):
        raise ValueError(
            f"{named(operation)} has LoRA enabled: its kernel is a sum, which is rounded anew whenever it is used. Build the "
            "model without LoRA, and assign this layer's `kernel`, the sum, to that of the plain layer."
        )


def check_model(model: keras.Model) -> None:
    """Checks that a model computes its graph of layers, and nothing else.

    `keras.Model` and `keras.Sequential` do, and subclasses that build a graph in `__init__` and define no method that
    Keras has.

    Raises:
        ValueError: it has methods of its own, or a graph that is not known.
    """
    if not isinstance(model, keras.Model) or not getattr(model, "inputs", None):
        hint = ""
        if isinstance(model, keras.Model):
            hint = (
                " Of a subclassed model whose layers are Keras' own, with images x:\n    inputs = keras.Input(x.shape[1:])\n"
                "    model = keras.Model(inputs, model.call(inputs))"
            )
        raise ValueError(
            f"A functional or sequential Keras model that is built is needed, not {type(model).__name__}: the layers are "
            f"found in its graph.{hint}"
        )
    for kind in type(model).__mro__:
        if kind is _FUNCTIONAL or kind is keras.Sequential:
            break
        own = [
            name
            for name, value in vars(kind).items()
            if name not in _DECLARATIONS
            and _computes(value)
            and (hasattr(_FUNCTIONAL, name) or hasattr(keras.Sequential, name))
        ]
        if own:
            raise ValueError(
                f"{model.name} is a {kind.__name__}, whose own {own[0]}() may compute something else than its graph of "
                f"layers. Put what {own[0]}() does into layers."
            )
    else:
        raise ValueError(
            f"{model.name} is a {type(model).__name__}, which is no functional or sequential model: the layers are found "
            "in its graph."
        )
    check_unchanged(model)


def check_precision(operation: Any, tensor: Any) -> None:
    """Checks that an operation computes, and gives a symbolic tensor, in float32 or float64.

    Raises:
        ValueError: it rounds to whole numbers or to half precision.
    """
    for dtype in (str(tensor.dtype), getattr(operation, "compute_dtype", "float32")):
        if dtype not in _FLOATS:
            raise ValueError(
                f"{named(operation)} computes in {dtype}. Only of values of type float32 and float64 something can be proved, "
                f"not of type {dtype}. Load the weights into a model of one of these."
            )


def _computes(value: Any) -> bool:
    return callable(value) or isinstance(value, (property, classmethod, staticmethod))


_FUNCTIONAL = type(keras.Model(image := keras.Input((1,)), image))
