"""Operator norms of Keras layers, and convolutions over all frequencies."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_intriguing.spectral.bounds import NormBounds
from keras_intriguing.spectral.convolutions.convolution import Convolution
from keras_intriguing.spectral.convolutions.layers import CONVOLUTIONS, any_shape, linear_map
from keras_intriguing.spectral.convolutions.symbol import Symbol, supremum
from keras_intriguing.spectral.recognition import check_unchanged, named
from keras_intriguing.spectral.registry import SPATIAL, WITH_WEIGHTS, is_registered, rule_of


def operator_norm(layer: keras.layers.Layer, input_shape: Sequence[int]) -> NormBounds:
    """Both sides of a layer's operator norm from L2 to L2, for inputs of a given size (paper §4.3).

    Of a dense layer or a convolution it is the norm of the linear map, without its bias and its activation
    (`analyze` counts the activation as a step of its own). Of other layers it is the Lipschitz constant in inference mode.

    Args:
        layer: built; of a kind that `supported` lists or that was registered.
        input_shape: without the batch axis.

    Returns:
        Bounds that float64 arithmetic has been accounted for.

    Raises:
        ValueError: a layer that is not built or not known or has no Lipschitz constant, weights that are not
            finite or not float32 or float64, or an input shape that does not fit or is not known.
    """
    shape = _checked_shape(layer, input_shape)
    rule = rule_of(layer)
    check_unchanged(layer)
    if type(layer) in WITH_WEIGHTS and not layer.built:
        raise ValueError(
            f"The layer {layer.name!r} is not built: it has no weights yet. Call it, or build({(None, *shape)})."
        )
    return rule(layer, shape)


def frequency_supremum(layer: keras.layers.Layer, tolerance: float = 1e-6) -> NormBounds:
    """The paper's bound of a convolution: the supremum of its symbol's norm over all frequencies (§4.3).

    It holds for zero-padded images of every size, and is the limit of their norms as the size grows. The paper's
    printed formula lacks a factor of the stride.

    Args:
        layer: a built Conv, DepthwiseConv, SeparableConv or ConvTranspose layer.
        tolerance: on upper / lower − 1. Where the symbol is almost as large everywhere, the search ends earlier.

    Returns:
        Bounds without a witness: the supremum is attained by no finite image.

    Raises:
        ValueError: no convolution, or bad weights; see `operator_norm`.
    """
    operator, error = _checked_operator(layer, "frequency_supremum")
    lower, upper = supremum(Symbol(operator), tolerance)
    return NormBounds(max(0.0, lower - error), upper + error, "supremum over frequencies", None)


def frequency_norms(layer: keras.layers.Layer, points: int) -> np.ndarray:
    """The norm of a convolution's symbol over the frequency cube, for plots; `frequency_supremum` is its largest value.

    Args:
        layer: as for `frequency_supremum`.
        points: along every axis, from −π to π.

    Returns:
        float64 [points] * rank, as computed in float64.

    Raises:
        ValueError: see `frequency_supremum`.
    """
    operator, _ = _checked_operator(layer, "frequency_norms")
    axes = [np.linspace(-np.pi, np.pi, points)] * len(operator.strides)
    frequencies = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
    half = frequencies[: len(frequencies) // 2 + 1]
    norms = np.sqrt(np.maximum(Symbol(operator).squares(half), 0))
    whole = np.concatenate([norms, norms[: len(frequencies) - len(half)][::-1]])  # ±ω are alike
    return whole.reshape([points] * len(axes))


def _checked_operator(layer: Any, function: str) -> tuple[Convolution, float]:
    if type(layer) not in CONVOLUTIONS:
        raise ValueError(f"{named(layer)} is no convolution; {function} is for convolutions only.")
    if not layer.built:
        raise ValueError(f"The layer {layer.name!r} is not built: it has no weights yet.")
    return linear_map(layer, any_shape(layer))


def is_convolution(layer: Any) -> bool:
    """Whether `frequency_supremum` takes a layer."""
    return type(layer) in CONVOLUTIONS


def _checked_shape(layer: Any, input_shape: Any) -> tuple[int, ...]:
    if not isinstance(layer, keras.layers.Layer):
        raise ValueError(f"operator_norm takes a Keras layer, not {type(layer).__name__}.")
    if isinstance(layer, keras.Model) and not is_registered(type(layer)):
        raise ValueError(
            f"operator_norm takes a layer; for the whole model {layer.name!r} use spectral.analyze."
        )
    try:
        shape = tuple(input_shape)
    except TypeError as error:
        raise ValueError(
            f"The input shape {input_shape!r} of {named(layer)} must be a tuple of sizes, without batch axis."
        ) from error
    if any(size is None for size in shape):
        raise ValueError(
            f"The input shape {shape} of {named(layer)} has unknown sizes; the norm depends on them. Give numbers, "
            "without the batch axis."
        )
    if not shape or any(not isinstance(size, (int, np.integer)) or size < 1 for size in shape):
        raise ValueError(
            f"The input shape {shape} of {named(layer)} must be positive sizes, without batch axis."
        )
    rank = SPATIAL.get(type(layer))
    if rank is not None and len(shape) != rank + 1:
        raise ValueError(f"{named(layer)} takes inputs of {rank + 1} axes, but the input shape is {shape}.")
    return tuple(int(size) for size in shape)
