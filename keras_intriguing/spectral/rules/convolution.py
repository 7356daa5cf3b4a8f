"""The norm of convolutions: exactly where they are small, else between two bounds."""

import dataclasses
import math
from typing import Any

import numpy as np

from keras_intriguing.spectral.bounds import NormBounds
from keras_intriguing.spectral.convolutions.convolution import Convolution
from keras_intriguing.spectral.convolutions.layers import TRANSPOSED, linear_map
from keras_intriguing.spectral.convolutions.symbol import (
    Symbol,
    embedding_bound,
    embedding_sizes,
    group_bounds,
    one_thread,
    supremum,
)
from keras_intriguing.spectral.layer_settings import from_channels_last
from keras_intriguing.spectral.numerics import krylov
from keras_intriguing.spectral.numerics.matrix import Norm, matrix_norm
from keras_intriguing.spectral.numerics.rounding import gamma

_DENSE_SIDE = 4000
_DENSE_WORK = 1.5e11  # of groups · side³
_GRID = 20_000  # frequencies up to which the real size is taken into account
_ENOUGH = 1e-4
_POWER_STEPS = 10


def convolution(layer: Any, shape: tuple[int, ...]) -> NormBounds:
    """The norm of a Conv, DepthwiseConv, SeparableConv or ConvTranspose layer at its real size."""
    operator, error = linear_map(layer, shape)
    bounds = operator_bounds(operator)
    if bounds.witness is None:
        return dataclasses.replace(bounds, upper=bounds.upper + error)
    witness = bounds.witness[0]
    if type(layer) in TRANSPOSED:  # the adjoint stretches W·witness as much
        witness = operator.apply(witness[None])[0]
        witness /= np.linalg.norm(witness)
    witness = from_channels_last(layer, witness)
    return NormBounds(
        max(0.0, bounds.lower * (1 - 1e-12) - error),
        bounds.upper + error,
        bounds.method,
        (witness, np.zeros_like(witness)),
    )


def operator_bounds(operator: Convolution) -> NormBounds:
    """The norm of a convolution at its real size.

    Where a group's matrix is small its singular value is computed and proved; else Lanczos iteration gives the
    lower bound, and the upper is the embedding bound, or for very large maps the supremum over frequencies.
    """
    side = min(math.prod(operator.input_shape), math.prod(operator.output_shape)) // operator.groups
    if side <= _DENSE_SIDE and operator.groups * side**3 <= _DENSE_WORK:
        return _small(operator)
    return _large(operator)


def _small(operator: Convolution) -> NormBounds:
    """Channels of different groups do not meet: the norm is the largest of the groups'."""
    norms: dict[int, Norm] = {}
    best = 0
    for g, bound in _in_turn(operator):
        if norms and bound <= norms[best].lower:
            continue  # without its matrix it is known not to be the largest
        norms[g] = matrix_norm(group(operator, g).matrix())
        if norms[g].lower >= norms.get(best, norms[g]).lower:
            best = g
    witness = np.zeros((*operator.input_shape[:-1], operator.groups, operator.kernel.shape[-2]))
    witness[..., best, :] = norms[best].vector.reshape(*operator.input_shape[:-1], -1)
    witness = witness.reshape(operator.input_shape)
    upper = max(norm.upper for norm in norms.values())
    return NormBounds(norms[best].lower, upper, "dense", (witness, np.zeros_like(witness)))


def _in_turn(operator: Convolution) -> list[tuple[int, float]]:
    """The groups, those first that may have the largest norm, with upper bounds of their norms."""
    if operator.groups == 1:
        return [(0, math.inf)]
    bounds = group_bounds(Symbol(operator))
    lengths = _stretched(operator)
    first = int(lengths.argmax())
    order = [first, *(int(g) for g in np.argsort(-bounds) if g != first)]
    return [(g, float(bounds[g])) for g in order]


def _stretched(operator: Convolution) -> np.ndarray:
    """About the norm of every group, by power iteration on all of them at once: [groups]."""
    x = np.random.default_rng(0).normal(size=(1, *operator.input_shape))
    for _ in range(_POWER_STEPS):
        x = operator.transpose(operator.apply(x))
        parts = x.reshape(-1, operator.groups, operator.kernel.shape[-2])
        lengths = np.linalg.norm(parts, axis=(0, 2))
        x = (parts / np.maximum(lengths, np.finfo(float).tiny)[:, None]).reshape(x.shape)
    return np.sqrt(lengths)


def group(operator: Convolution, index: int) -> Convolution:
    """One group of a convolution, as one of its own."""
    kernel = operator.grouped[..., index, :, :]
    return dataclasses.replace(
        operator, kernel=kernel, groups=1, input_shape=(*operator.input_shape[:-1], kernel.shape[-2])
    )


@one_thread
def _large(operator: Convolution) -> NormBounds:
    shape = operator.input_shape
    if not operator.kernel.any():
        return NormBounds(0.0, 0.0, "zero", None)
    if math.prod(operator.output_shape) < math.prod(shape):
        outputs = operator.output_shape

        def gram_of_outputs(y: np.ndarray) -> np.ndarray:
            return operator.apply(operator.transpose(y.reshape(1, *outputs))).ravel()

        y = krylov.top_vector(gram_of_outputs, math.prod(outputs))
        vector = operator.transpose(y.reshape(1, *outputs))[0]
    else:

        def gram_of_inputs(x: np.ndarray) -> np.ndarray:
            return operator.transpose(operator.apply(x.reshape(1, *shape))).ravel()

        vector = krylov.top_vector(gram_of_inputs, math.prod(shape)).reshape(shape)
    vector = vector / np.linalg.norm(vector)
    lower = _attained(operator, vector)
    symbol = Symbol(operator)
    if math.prod(embedding_sizes(operator)) <= _GRID:
        upper, method = embedding_bound(operator, symbol, lower * (1 + _ENOUGH)), "embedding"
    else:
        upper, method = supremum(symbol, _ENOUGH)[1], "supremum over frequencies"
    return NormBounds(lower, upper, method, (vector, np.zeros_like(vector)))


def _attained(operator: Convolution, vector: np.ndarray) -> float:
    """‖W·vector‖/‖vector‖, rounded down by the most that rounding in the sums can have added."""
    image = operator.apply(vector[None])[0]
    terms = math.prod(operator.taps) * operator.kernel.shape[-2]
    magnitude = dataclasses.replace(operator, kernel=np.abs(operator.kernel)).apply(np.abs(vector)[None])
    lost = gamma(terms + 2) * np.linalg.norm(magnitude)
    sizes = gamma(image.size + vector.size)
    return max(0.0, float((np.linalg.norm(image) - lost) / np.linalg.norm(vector) * (1 - sizes)))
