"""Images as users have them."""

from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_intriguing.classifiers.pixels import as_floats
from keras_intriguing.data.photographs import Photographs


def as_images(x: Any, model: Any = None) -> np.ndarray:
    """Float32 images [B, …] of an array, or of a `tf.data.Dataset` of images or of pairs (images, labels).

    Whether a data set comes in batches is told by the model's input, else by a first axis of no fixed length.

    Raises:
        TypeError: they are no floats, or not images.
        ValueError: there is none, or a data set has no end.
    """
    if isinstance(x, Photographs):
        raise TypeError("x must be the photographs' pixels: pass photographs.images(size).")
    if isinstance(x, dict):
        if len(x) == 1:
            raise TypeError(f"x must be an array of images, not a dict. Pass x[{next(iter(x))!r}].")
        raise TypeError(
            f"x must be an array of images, not a dict ({', '.join(map(str, x))}). {with_the_others_fixed(x, in_a_list=False)}"
        )
    if isinstance(x, (list, tuple)) and len({np.shape(part) for part in x}) > 1:
        shapes = ", ".join(str(np.shape(part)) for part in x[:3])
        raise TypeError(
            f"x must be one array of images; it is a {type(x).__name__} of {len(x)} parts of shapes {shapes}. Labels are passed as "
            "label=; of several inputs all but one are kept fixed in a function."
        )
    return as_floats(_of_dataset(x, _input_shape(model)) if isinstance(x, tf.data.Dataset) else x)


def with_the_others_fixed(names: Iterable[Any], in_a_list: bool) -> str:
    """How an example of a model of several inputs is attacked by the first of them: advice with the code for it.

    The others are variables, so that all examples share a compiled program.

    Args:
        names: of the inputs.
        in_a_list: the model takes a list of them, not a dictionary.
    """
    attacked, *others = range(len(list(names))) if in_a_list else names
    fixed = ", ".join(f"{name!r}: tf.Variable(x[{name!r}][:1])" for name in others)
    repeated = "tf.repeat(f, tf.shape(v)[0], 0)"
    given = (
        f"[v, *({repeated} for f in fixed.values())]"
        if in_a_list
        else f"{{{attacked!r}: v, **{{k: {repeated} for k, f in fixed.items()}}}}"
    )
    return (
        f"One example at a time can be attacked, with the others fixed; by its input {attacked!r}:\n"
        f"    fixed = {{{fixed}}}\n"
        f"    one = lambda v: model({given})\n"
        f"    result = ki.minimal_distortion(one, x[{attacked!r}][:1])\n"
        "and so on for the next, after fixed[name].assign(x[name][1:2])."
    )


def with_the_others_as_constants(names: Iterable[Any], in_a_list: bool) -> str:
    """The same for a certificate, which needs layers: the other inputs are what dense layers of zero weights give.

    Args:
        names: of the inputs.
        in_a_list: the model takes a list of them, not a dictionary.
    """
    certified, *others = range(len(list(names))) if in_a_list else names
    fixed = ", ".join(f"{name!r}: x[{name!r}][:1]" for name in others)
    given = (
        "[v, *map(constant, fixed.values())]"
        if in_a_list
        else f"{{{certified!r}: v, **{{k: constant(f) for k, f in fixed.items()}}}}"
    )
    return (
        f"One example at a time can be certified, with the others fixed; by its input {certified!r}:\n"
        f"    fixed = {{{fixed}}}\n"
        f"    v = keras.Input(x[{certified!r}].shape[1:])\n"
        "    def constant(f):\n"
        "        value = keras.initializers.Constant(f.ravel())\n"
        '        rows = keras.layers.Dense(f.size, kernel_initializer="zeros", bias_initializer=value)(keras.layers.Flatten()(v))\n'
        "        return keras.layers.Reshape(f.shape[1:])(rows)\n"
        f"    one = keras.Model(v, model({given}))\n"
        f"    certified = ki.certified_distortion(one, x[{certified!r}][:1])"
    )


def check_shape(model: Callable, images: np.ndarray) -> None:
    """Checks that a model takes images [B, …] of this shape, as far as it knows.

    Raises:
        ValueError: it does not.
    """
    expected = _input_shape(model)
    if expected and not _fits(images.shape, expected):
        hint = " For a single one pass x[None]." if _fits((1, *images.shape), expected) else ""
        raise ValueError(f"The model takes inputs of shape {expected}, but x has shape {images.shape}.{hint}")


def _input_shape(model: Any) -> tuple[int | None, ...] | None:
    shape = getattr(model, "input_shape", None) if isinstance(model, keras.Model) else None
    return shape if isinstance(shape, tuple) else None


def _of_dataset(dataset: Any, expected: tuple[int | None, ...] | None) -> np.ndarray:
    if dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise ValueError("x is a data set without end. Pass x.take(n).")
    spec = dataset.element_spec
    is_pair = isinstance(spec, (tuple, list))
    first = spec[0] if is_pair else spec
    if not isinstance(first, tf.TensorSpec) or first.shape.rank is None:
        raise TypeError(
            f"x must be a data set of images or of pairs (images, labels), not of {spec}. Map it to one."
        )
    elements = [np.asarray(element[0] if is_pair else element) for element in dataset]
    if not elements:
        raise ValueError("x is a data set without elements.")
    is_batched = first.shape.rank == len(expected) if expected else first.shape[0] is None
    return np.concatenate(elements) if is_batched else np.stack(elements)


def _fits(shape: tuple[int, ...], expected: tuple[int | None, ...]) -> bool:
    return len(shape) == len(expected) and all(
        e is None or s == e for s, e in zip(shape, expected, strict=True)
    )
