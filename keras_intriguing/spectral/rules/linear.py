"""Norms of the linear layers: dense ones exactly, convolutions exactly where they are small."""

import dataclasses
import math

import numpy as np

from keras_intriguing.spectral.bounds import NormBounds
from keras_intriguing.spectral.convolutions.convolution import Convolution
from keras_intriguing.spectral.convolutions.symbol import (
    Symbol,
    embedding_bound,
    embedding_sizes,
    one_thread,
    supremum,
)
from keras_intriguing.spectral.numerics import krylov
from keras_intriguing.spectral.numerics.matrix import matrix_norm
from keras_intriguing.spectral.numerics.rounding import gamma

_DENSE_SIDE = 4000
_DENSE_WORK = 1.5e11  # of groups · side³
_GRID = 20_000  # frequencies up to which the real size is taken into account
_ENOUGH = 1e-4


def dense(kernel: np.ndarray) -> NormBounds:
    """The norm of x ↦ x·kernel, kernel [inputs, outputs]."""
    norm = matrix_norm(kernel.T)
    return NormBounds(norm.lower, norm.upper, "dense", (norm.vector, np.zeros_like(norm.vector)))


def convolution(operator: Convolution) -> NormBounds:
    """The norm of a convolution at its real size.

    Where a group's matrix is small its singular value is computed and proved; else Lanczos iteration gives the
    lower bound, and the upper is the embedding bound, or for very large maps the supremum over frequencies.
    """
    side = min(math.prod(operator.input_shape), math.prod(operator.output_shape)) // operator.groups
    if side <= _DENSE_SIDE and operator.groups * side**3 <= _DENSE_WORK:
        return _small(operator)
    return _large(operator)


def _small(operator: Convolution) -> NormBounds:
    norms = [matrix_norm(group(operator, g).matrix()) for g in range(operator.groups)]
    best = max(range(len(norms)), key=lambda g: norms[g].lower)
    witness = np.zeros((*operator.input_shape[:-1], operator.groups, operator.kernel.shape[-2]))
    witness[..., best, :] = norms[best].vector.reshape(*operator.input_shape[:-1], -1)
    witness = witness.reshape(operator.input_shape)
    upper = max(norm.upper for norm in norms)
    return NormBounds(norms[best].lower, upper, "dense", (witness, np.zeros_like(witness)))


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

        def gram(y: np.ndarray) -> np.ndarray:
            return operator.apply(operator.transpose(y.reshape(1, *outputs))).ravel()

        y = krylov.top_vector(gram, math.prod(outputs))
        vector = operator.transpose(y.reshape(1, *outputs))[0]
    else:

        def gram(x: np.ndarray) -> np.ndarray:
            return operator.transpose(operator.apply(x.reshape(1, *shape))).ravel()

        vector = krylov.top_vector(gram, math.prod(shape)).reshape(shape)
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
