"""Bounds on the slopes of activation functions."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np

_SELU = 1.0507009873554805 * 1.6732632423543772


class Slope(NamedTuple):
    """The largest |f(a) − f(b)| / |a − b|: a bound, and where it is reached or approached.

    Attributes:
        bound: rounded up where it is no simple number.
        at: between the two inputs of a witness.
    """

    bound: float
    at: float


# The suprema of silu', gelu' and mish' are where their second derivatives vanish.
_SLOPES = {
    "linear": Slope(1.0, 0.0),
    "relu": Slope(1.0, 1.0),
    "relu6": Slope(1.0, 1.0),
    "sigmoid": Slope(0.25, 0.0),
    "hard_sigmoid": Slope(1 / 6 + 1e-16, 0.0),
    "sparse_sigmoid": Slope(0.5, 0.0),
    "tanh": Slope(1.0, 0.0),
    "hard_tanh": Slope(1.0, 0.0),
    "tanh_shrink": Slope(1.0, 20.0),
    "soft_shrink": Slope(1.0, 2.0),
    "softsign": Slope(1.0, 1e-6),
    "softplus": Slope(1.0, 30.0),
    "squareplus": Slope(1.0, 1e5),
    "sparse_plus": Slope(1.0, 2.0),
    "log_sigmoid": Slope(1.0, -30.0),
    "silu": Slope(1.0998393195, 2.3993572805),
    "hard_silu": Slope(1.5, 3.0 - 1e-3),
    "gelu": Slope(1.1290, 1.4142135624),
    "mish": Slope(1.0884984, 1.4906),
    "elu": Slope(1.0, 1.0),
    "celu": Slope(1.0, 1.0),
    "selu": Slope(_SELU * (1 + 1e-15), -2e-3),
    "leaky_relu": Slope(1.0, 1.0),
    # ‖diag(p) − ppᵀ‖ ≤ maxᵢ 2pᵢ(1 − pᵢ) ≤ ½ by Gershgorin, attained for two classes alike
    "softmax": Slope(0.5, 0.0),
}
_INCREASING = frozenset(
    [
        "linear",
        "relu",
        "relu6",
        "sigmoid",
        "hard_sigmoid",
        "sparse_sigmoid",
        "tanh",
        "hard_tanh",
        "tanh_shrink",
        "soft_shrink",
        "softsign",
        "softplus",
        "squareplus",
        "sparse_plus",
        "log_sigmoid",
        "elu",
        "celu",
        "selu",
        "leaky_relu",
    ]
)
_UNBOUNDED = {
    "exponential": "its slope is unbounded",
    "hard_shrink": "it jumps",
    "threshold": "it jumps",
    "glu": "it multiplies its inputs",
}


def known() -> list[str]:
    """The names of the activations that have a bound."""
    return sorted(_SLOPES)


def activation_slope(function: Callable, owner: str) -> Slope:
    """The slope of an activation function of Keras.

    Args:
        function: from `keras.activations`.
        owner: whose it is, for the error.

    Raises:
        ValueError: it has none, or is not known.
    """
    name = name_of(function)
    if name in _UNBOUNDED:
        raise ValueError(f"The activation {name} of {owner} has no Lipschitz constant: {_UNBOUNDED[name]}.")
    if name not in _SLOPES:
        raise ValueError(
            f"No slope bound is known for the activation {getattr(function, '__name__', function)!r} of {owner}. Known are "
            f"Keras' own {', '.join(known())}. For another, use a layer of its own and keras_intriguing.spectral.register."
        )
    return _SLOPES[name]


def leaky_relu_slope(negative: float) -> Slope:
    """Slope 1 above zero and `negative` below."""
    return Slope(max(1.0, abs(negative)), 1.0 if abs(negative) <= 1 else -1.0)


def elu_slope(alpha: float) -> Slope:
    """Slope 1 above zero and α·exp(x) below."""
    return Slope(max(1.0, abs(alpha)), 1.0 if abs(alpha) <= 1 else -2e-3)


def prelu_slope(alpha: Any) -> Slope:
    """Slope 1 above zero and a learned one below, for every value."""
    return Slope(max(1.0, float(np.abs(alpha).max())), 1.0)


def is_increasing(function: Callable) -> bool:
    """Whether every slope of a known activation lies between 0 and its bound."""
    return name_of(function) in _INCREASING


def name_of(function: Callable) -> str:
    """The name under which Keras has an activation; empty for any other function, whatever its own name."""
    name = getattr(function, "__name__", "")
    known = getattr(keras.activations, name, None), getattr(keras.ops, name, None)
    return name if any(function is one for one in known) else ""
