"""Images as users have them."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_intriguing.classifiers.pixels import as_floats
from keras_intriguing.data.photographs import Photographs


def as_images(x: Any, model: Any = None, name: str = "x") -> np.ndarray:
    """Float32 images [B, …]; see `as_array`.

    Raises:
        TypeError: they are no floats, or not images.
        ValueError: there is none, or a data set has no end.
    """
    return as_floats(as_array(x, model), name)


def as_array(x: Any, model: Any = None) -> Any:
    """The array [B, …] of a `tf.data.Dataset` of images or of pairs (images, labels); what looks like an array stays as it is.

    Whether a data set comes in batches is told by the model's input, else by a first axis of no fixed length.

    Raises:
        TypeError: they are not one array.
        ValueError: a data set has no elements, or no end.
    """
    if isinstance(x, Photographs):
        raise TypeError("x must be the photographs' pixels: pass photographs.images(size).")
    if isinstance(x, keras.utils.PyDataset):
        raise TypeError(
            f"x must be an array of images, not a {type(x).__name__}, which gives batches. Pass "
            "numpy.concatenate([x[i][0] for i in range(len(x))]), if its batches are pairs (images, labels)."
        )
    if isinstance(x, dict):
        if len(x) == 1 or _input_shape(model):
            raise TypeError(
                f"x must be an array of images, not a dict{_listed(x)}. Pass x[{next(iter(x))!r}]{' alone' if len(x) > 1 else ''}."
            )
        advice = with_the_others_fixed(Inputs(tuple(x), tuple(x)))
        raise TypeError(f"x must be an array of images, not a dict{_listed(x)}. {advice}")
    if isinstance(x, (list, tuple)) and len({np.shape(part) for part in x}) > 1:
        shapes = ", ".join(str(np.shape(part)) for part in x[:3])
        raise TypeError(
            f"x must be one array of images; it is a {type(x).__name__} of {len(x)} parts of shapes {shapes}. Labels are passed as "
            "label=; of several inputs all but one are kept fixed in a function."
        )
    return _of_dataset(x, _input_shape(model)) if isinstance(x, tf.data.Dataset) else x


def _listed(x: dict) -> str:
    return f" ({', '.join(map(str, x))})" if len(x) > 1 else ""


class Inputs(NamedTuple):
    """How the inputs of a model of several are named.

    Attributes:
        of_model: the names of those of a model that takes a dictionary, else None.
        of_x: the keys, or the positions in a list, under which x holds them, in the same order.
    """

    of_model: tuple[Any, ...] | None
    of_x: tuple[Any, ...]

    @classmethod
    def of(cls, model: keras.Model, x: Any) -> "Inputs":
        """Those of a model with a graph; where x is neither a dictionary nor a list, it is taken to be as the model wants it."""
        names, takes_dict = tuple(named_inputs(model)), isinstance(model.input, dict)
        has_names = takes_dict if not isinstance(x, (dict, list, tuple)) else isinstance(x, dict)
        keys: tuple[Any, ...] = names if has_names else tuple(range(len(names)))
        if isinstance(x, dict) and len(x) == len(names) and set(x) != set(names):
            keys = tuple(x)  # other names, in the same order, it may be hoped
        return cls(names if takes_dict else None, keys)

    def given(self, attacked: str, others: str) -> str:
        """The code of what is passed to the model.

        Args:
            attacked: the code of the first input.
            others: the name of a dictionary of the others.
        """
        values = [attacked, *(f"{others}[{key!r}]" for key in self.of_x[1:])]
        if self.of_model is None:
            return f"[{', '.join(values)}]"
        return f"{{{', '.join(f'{name!r}: {value}' for name, value in zip(self.of_model, values, strict=True))}}}"


def named_inputs(model: keras.Model) -> dict[str, Any]:
    """The symbolic inputs of a model with a graph by their names."""
    return model.input if isinstance(model.input, dict) else {tensor.name: tensor for tensor in model.inputs}


def with_the_others_fixed(inputs: Inputs) -> str:
    """How examples of a model of several inputs are attacked by the first of them: advice with the code for it.

    The others are variables, so that all examples share a compiled program.
    """
    attacked, *others = inputs.of_x
    fixed = ", ".join(f"{key!r}: tf.Variable(x[{key!r}][:1])" for key in others)
    return (
        f"One example at a time can be attacked, with the others fixed; by its input {attacked!r}:\n"
        "    import keras_intriguing as ki\n"
        "    import tensorflow as tf\n"
        f"    fixed = {{{fixed}}}\n"
        "    def one(v):\n"
        "        others = {key: tf.repeat(value, tf.shape(v)[0], 0) for key, value in fixed.items()}\n"
        f"        return model({inputs.given('v', 'others')})\n"
        "    results = []\n"
        f"    for i in range(len(x[{attacked!r}])):\n"
        "        for key in fixed:\n"
        "            fixed[key].assign(x[key][i : i + 1])\n"
        f"        results.append(ki.minimal_distortion(one, x[{attacked!r}][i : i + 1]))\n"
        "    result = ki.Result.concatenate(results)"
    )


def with_the_others_as_constants(inputs: Inputs) -> str:
    """The same for a certificate, which needs layers: the other inputs are what dense layers of zero weights give."""
    certified, *others = inputs.of_x
    fixed = ", ".join(f"{key!r}: constant(x[{key!r}][:1])" for key in others)
    return (
        f"One example at a time can be certified, with the others fixed; by its input {certified!r}:\n"
        "    import keras\n"
        "    import keras_intriguing as ki\n"
        f"    v = keras.Input(x[{certified!r}].shape[1:])\n"
        "    def constant(f):\n"
        "        value = keras.initializers.Constant(f.ravel())\n"
        '        rows = keras.layers.Dense(f.size, kernel_initializer="zeros", bias_initializer=value)(keras.layers.Flatten()(v))\n'
        "        return keras.layers.Reshape(f.shape[1:])(rows)\n"
        f"    fixed = {{{fixed}}}\n"
        f"    one = keras.Model(v, model({inputs.given('v', 'fixed')}))\n"
        f"    certified = ki.certified_distortion(one, x[{certified!r}][:1])"
    )


def check_shape(model: Callable, images: np.ndarray) -> None:
    """Checks that a model takes images [B, …] of this shape, as far as it knows.

    Raises:
        ValueError: it does not.
    """
    expected = _input_shape(model)
    if expected and not _fits(images.shape, expected):
        forms = {
            " For a single one pass x[None].": (1, *images.shape),
            " Pass x[..., None], with an axis for its one channel.": (*images.shape, 1),
        }
        hint = next((hint for hint, shape in forms.items() if _fits(shape, expected)), "")
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
