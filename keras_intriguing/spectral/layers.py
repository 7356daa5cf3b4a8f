"""Operator norms of Keras layers: which rule holds for which layer."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from keras_intriguing.models.local import L2Pooling, LocalContrastNormalization, LocalFilters
from keras_intriguing.models.normalization import LocalResponseNormalization
from keras_intriguing.spectral import keras_layers
from keras_intriguing.spectral.bounds import NormBounds
from keras_intriguing.spectral.convolutions.convolution import Convolution
from keras_intriguing.spectral.convolutions.symbol import Symbol, supremum
from keras_intriguing.spectral.numerics import slopes
from keras_intriguing.spectral.rules import einsum, elementwise, linear, local, normalization, pooling

L = keras.layers
Rule = Callable[[Any, tuple[int, ...]], NormBounds]


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
    rule = _rule(layer)
    if isinstance(layer, _WITH_WEIGHTS) and not layer.built:
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
    if not isinstance(layer, _CONVOLUTIONS):
        raise ValueError(
            f"{keras_layers.named(layer)} is no convolution; {function} is for convolutions only."
        )
    if not layer.built:
        raise ValueError(f"The layer {layer.name!r} is not built: it has no weights yet.")
    return _operator(layer, _any_shape(layer))


def is_convolution(layer: Any) -> bool:
    """Whether `frequency_supremum` takes a layer."""
    return isinstance(layer, _CONVOLUTIONS)


def register(kind: type, rule: Callable[[Any, tuple[int, ...]], float]) -> None:
    """Tells of a layer class of one's own by how much it can stretch the distance of two inputs.

    Args:
        kind: the layer class; its subclasses are not included.
        rule: maps a layer and its input shape, without the batch axis, to an upper bound of the constant.

    Raises:
        TypeError: rule is no function.
    """
    if not callable(rule):
        raise TypeError(
            f"rule must be a function of a layer and its input shape, not {rule!r}: lambda layer, input_shape: {rule!r}."
        )

    def bounds(layer: Any, shape: tuple[int, ...]) -> NormBounds:
        return NormBounds(0.0, float(rule(layer, shape)), "registered", None)

    _RULES[kind] = bounds


def supported() -> list[str]:
    """The names of the layer classes that have a rule."""
    return sorted(kind.__name__ for kind in _RULES)


def _rule(layer: Any) -> Rule:
    kind = type(layer)
    if kind in _REFUSED:
        raise ValueError(f"{keras_layers.named(layer)} has no useful bound: {_REFUSED[kind]}.")
    if kind not in _RULES:
        raise ValueError(
            f"No operator norm is known for {keras_layers.named(layer)}. If you know a Lipschitz constant of it, say so with "
            f"keras_intriguing.spectral.register({kind.__name__}, lambda layer, input_shape: constant)."
        )
    return _RULES[kind]


def _checked_shape(layer: Any, input_shape: Sequence[int]) -> tuple[int, ...]:
    if not isinstance(layer, keras.layers.Layer):
        raise ValueError(f"operator_norm takes a Keras layer, not {type(layer).__name__}.")
    if isinstance(layer, keras.Model) and type(layer) not in _RULES:
        raise ValueError(
            f"operator_norm takes a layer; for the whole model {layer.name!r} use spectral.analyze."
        )
    try:
        shape = tuple(input_shape)
    except TypeError as error:
        raise ValueError(
            f"The input shape {input_shape!r} of {keras_layers.named(layer)} must be a tuple of sizes, without batch axis."
        ) from error
    if any(size is None for size in shape):
        raise ValueError(
            f"The input shape {shape} of {keras_layers.named(layer)} has unknown sizes; the norm depends on them. Give numbers, "
            "without the batch axis."
        )
    if not shape or any(not isinstance(size, (int, np.integer)) or size < 1 for size in shape):
        raise ValueError(
            f"The input shape {shape} of {keras_layers.named(layer)} must be positive sizes, without batch axis."
        )
    rank = _SPATIAL.get(type(layer))
    if rank is not None and len(shape) != rank + 1:
        raise ValueError(
            f"{keras_layers.named(layer)} takes inputs of {rank + 1} axes, but the input shape is {shape}."
        )
    return tuple(int(size) for size in shape)


def _dense(layer: Any, shape: tuple[int, ...]) -> NormBounds:
    kernel = keras_layers.weight(layer, "kernel")
    if shape[-1] != len(kernel):
        raise ValueError(
            f"{keras_layers.named(layer)} takes {len(kernel)} values on its last axis, but the input shape is {shape}."
        )
    bounds = linear.dense(kernel)
    witness = np.zeros(shape)  # the other axes are like a batch: the norm is that of one row
    witness[(0,) * (len(shape) - 1)] = bounds.witness[0]
    return dataclasses.replace(bounds, witness=(witness, np.zeros(shape)))


def _einsum_dense(layer: Any, shape: tuple[int, ...]) -> NormBounds:
    kernel = keras_layers.weight(layer, "kernel")
    return einsum.norm(layer.equation, kernel, shape, keras_layers.named(layer))


def _operator(layer: Any, shape: tuple[int, ...]) -> tuple[Convolution, float]:
    """The convolution behind a layer, and a bound on the error of its kernel."""
    last = keras_layers.channels_last(layer, shape)
    if isinstance(layer, _TRANSPOSED):
        return keras_layers.transposed(layer, last), 0.0
    if isinstance(layer, _SEPARABLE):
        return keras_layers.separable(layer, last), keras_layers.separable_error(layer)
    if isinstance(layer, _DEPTHWISE):
        return keras_layers.depthwise(layer, last), 0.0
    return keras_layers.convolution(layer, last), 0.0


def _convolution(layer: Any, shape: tuple[int, ...]) -> NormBounds:
    operator, error = _operator(layer, shape)
    bounds = linear.convolution(operator)
    if bounds.witness is None:
        return bounds
    witness = bounds.witness[0]
    if isinstance(layer, _TRANSPOSED):  # the adjoint stretches W·witness as much
        witness = operator.apply(witness[None])[0]
        witness /= np.linalg.norm(witness)
    witness = keras_layers.from_channels_last(layer, witness)
    return NormBounds(
        max(0.0, bounds.lower * (1 - 1e-12) - error),
        bounds.upper + error,
        bounds.method,
        (witness, np.zeros_like(witness)),
    )


def _any_shape(layer: Any) -> tuple[int, ...]:
    """An input shape that the layer takes; the supremum over frequencies does not depend on it."""
    if isinstance(layer, _TRANSPOSED):
        channels = layer.kernel.shape[-1]
    elif isinstance(layer, _SEPARABLE):
        channels = layer.depthwise_kernel.shape[-2]
    else:
        channels = layer.kernel.shape[-2] * getattr(layer, "groups", 1)
    taps = layer.kernel_size
    sizes = [
        (k - 1) * d + 1 for k, d in zip(taps, keras_layers.each(layer.dilation_rate, len(taps)), strict=True)
    ]
    return keras_layers.from_shape(layer, (*sizes, channels))


_CONVOLUTIONS = tuple(
    getattr(L, name)
    for name in [
        "Conv1D",
        "Conv2D",
        "Conv3D",
        "DepthwiseConv1D",
        "DepthwiseConv2D",
        "SeparableConv1D",
        "SeparableConv2D",
        "Conv1DTranspose",
        "Conv2DTranspose",
        "Conv3DTranspose",
    ]
)
_TRANSPOSED = (L.Conv1DTranspose, L.Conv2DTranspose, L.Conv3DTranspose)
_SEPARABLE = (L.SeparableConv1D, L.SeparableConv2D)
_DEPTHWISE = (L.DepthwiseConv1D, L.DepthwiseConv2D)


def _kinds(pattern: str) -> list[type]:
    """The classes of a pattern for one, two and three dimensions."""
    return [kind for d in (1, 2, 3) if (kind := getattr(L, pattern.format(d), None))]


_SPATIAL = {
    kind: d
    for pattern in (
        *("Conv{}D", "DepthwiseConv{}D", "SeparableConv{}D", "Conv{}DTranspose", "AveragePooling{}D"),
        *("MaxPooling{}D", "GlobalAveragePooling{}D", "GlobalMaxPooling{}D", "ZeroPadding{}D", "Cropping{}D"),
    )
    for d in (1, 2, 3)
    if (kind := getattr(L, pattern.format(d), None))
}

_ISOMETRIES = (
    *(L.InputLayer, L.Identity, L.Flatten, L.Reshape, L.Permute, L.ActivityRegularization),
    *(L.Dropout, L.SpatialDropout1D, L.SpatialDropout2D, L.SpatialDropout3D, L.AlphaDropout),
    *(L.GaussianDropout, L.GaussianNoise, *_kinds("ZeroPadding{}D"), *_kinds("Cropping{}D")),
)

_RULES: dict[type, Rule] = {
    L.Dense: _dense,
    L.EinsumDense: _einsum_dense,
    **dict.fromkeys(_CONVOLUTIONS, _convolution),
    **dict.fromkeys(_kinds("AveragePooling{}D"), pooling.average),
    **dict.fromkeys(_kinds("GlobalAveragePooling{}D"), pooling.global_average),
    **dict.fromkeys(_kinds("MaxPooling{}D"), pooling.maximum),
    **dict.fromkeys(_kinds("GlobalMaxPooling{}D"), pooling.global_maximum),
    L.BatchNormalization: elementwise.batch_normalization,
    LocalResponseNormalization: normalization.local_response,
    LocalFilters: local.filters,
    L2Pooling: local.l2_pooling,
    LocalContrastNormalization: local.contrast,
    L.Rescaling: elementwise.rescaling,
    **dict.fromkeys(_ISOMETRIES, elementwise.isometry),
    **dict.fromkeys((*_kinds("UpSampling{}D"), L.RepeatVector), elementwise.repetition),
    L.Activation: elementwise.of_activation,
    L.ReLU: elementwise.of_relu,
    L.LeakyReLU: lambda layer, s: elementwise.activation(
        slopes.of_leaky(float(layer.negative_slope)), layer.call, s
    ),
    L.ELU: lambda layer, s: elementwise.activation(slopes.of_elu(float(layer.alpha)), layer.call, s),
    L.PReLU: lambda layer, s: elementwise.activation(
        slopes.of_prelu(keras_layers.weight(layer, "alpha")), layer.call, s
    ),
    L.Softmax: elementwise.of_softmax,
}

_WITH_WEIGHTS = (L.Dense, L.EinsumDense, *_CONVOLUTIONS, L.BatchNormalization, L.PReLU, LocalFilters)

_REFUSED = {
    **dict.fromkeys(
        (L.LayerNormalization, L.GroupNormalization, L.RMSNormalization, L.UnitNormalization),
        "it divides by the spread of its input, so that near a constant input its slope is only limited by ε, "
        "1/√ε times its scale, which says nothing about any real image",
    )
}
