"""Which rule holds for which class of layers."""

from collections.abc import Callable
from typing import Any

import keras

from keras_intriguing.classifiers.augmentations import AUGMENTATIONS
from keras_intriguing.models.local import L2Pooling, LocalContrastNormalization, LocalFilters
from keras_intriguing.models.normalization import LocalResponseNormalization
from keras_intriguing.spectral.bounds import NormBounds
from keras_intriguing.spectral.convolutions.layers import CONVOLUTIONS
from keras_intriguing.spectral.recognition import named
from keras_intriguing.spectral.rules import activation, pooling
from keras_intriguing.spectral.rules.batch_normalization import batch_normalization
from keras_intriguing.spectral.rules.convolution import convolution
from keras_intriguing.spectral.rules.dense import dense
from keras_intriguing.spectral.rules.einsum import einsum_dense
from keras_intriguing.spectral.rules.isometry import isometry, repetition
from keras_intriguing.spectral.rules.l2_pooling import l2_pooling
from keras_intriguing.spectral.rules.local_contrast import local_contrast
from keras_intriguing.spectral.rules.local_filters import local_filters
from keras_intriguing.spectral.rules.local_response import local_response
from keras_intriguing.spectral.rules.rescaling import normalization, rescaling

L = keras.layers
Rule = Callable[[Any, tuple[int, ...]], NormBounds]


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


def is_registered(kind: type) -> bool:
    """Whether a class of layers has a rule."""
    return kind in _RULES


def rule_of(layer: Any) -> Rule:
    """The rule of a layer.

    Raises:
        ValueError: it has none, or useless ones.
    """
    kind = type(layer)
    if kind in _REFUSED:
        raise ValueError(f"{named(layer)} has no useful bound: {_REFUSED[kind]}.")
    if kind not in _RULES:
        raise ValueError(
            f"No operator norm is known for {named(layer)}. If you know a Lipschitz constant of it, say so with "
            f"keras_intriguing.spectral.register({kind.__name__}, lambda layer, input_shape: constant)."
        )
    return _RULES[kind]


def _kinds(pattern: str) -> list[type]:
    """The classes of a pattern for one, two and three dimensions."""
    return [kind for d in (1, 2, 3) if (kind := getattr(L, pattern.format(d), None))]


SPATIAL = {
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
    *AUGMENTATIONS,
)

ACTIVATED = (L.Dense, L.EinsumDense, *CONVOLUTIONS)
"""Classes of layers whose rule leaves out the activation that they apply themselves."""

WITH_WEIGHTS = (*ACTIVATED, LocalFilters, L.BatchNormalization, L.PReLU)

_RULES: dict[type, Rule] = {
    L.Dense: dense,
    L.EinsumDense: einsum_dense,
    **dict.fromkeys(CONVOLUTIONS, convolution),
    **dict.fromkeys(_kinds("AveragePooling{}D"), pooling.average),
    **dict.fromkeys(_kinds("GlobalAveragePooling{}D"), pooling.global_average),
    **dict.fromkeys(_kinds("MaxPooling{}D"), pooling.maximum),
    **dict.fromkeys(_kinds("GlobalMaxPooling{}D"), pooling.global_maximum),
    L.BatchNormalization: batch_normalization,
    LocalResponseNormalization: local_response,
    LocalFilters: local_filters,
    L2Pooling: l2_pooling,
    LocalContrastNormalization: local_contrast,
    L.Rescaling: rescaling,
    L.Normalization: normalization,
    **dict.fromkeys(_ISOMETRIES, isometry),
    **dict.fromkeys((*_kinds("UpSampling{}D"), L.RepeatVector), repetition),
    L.Activation: activation.activation,
    L.ReLU: activation.relu,
    L.LeakyReLU: activation.leaky_relu,
    L.ELU: activation.elu,
    L.PReLU: activation.prelu,
    L.Softmax: activation.softmax,
}

_REFUSED = {
    **dict.fromkeys(
        (L.LayerNormalization, L.GroupNormalization, L.RMSNormalization, L.UnitNormalization),
        "it divides by the spread of its input, so that near a constant input its slope is only limited by ε, "
        "1/√ε times its scale, which says nothing about any real image",
    )
}
