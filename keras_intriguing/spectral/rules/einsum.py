"""The norm of an EinsumDense layer: that of dense matrices, one for every index that all three operands share."""

import math
import string
from typing import Any

import numpy as np

from keras_intriguing.spectral.bounds import NormBounds
from keras_intriguing.spectral.layer_settings import weight
from keras_intriguing.spectral.numerics.matrix import matrix_norm
from keras_intriguing.spectral.recognition import named


def einsum_dense(layer: Any, shape: tuple[int, ...]) -> NormBounds:
    """Of an `EinsumDense` layer."""
    return einsum_norm(layer.equation, weight(layer, "kernel"), shape, named(layer))


def einsum_norm(equation: str, kernel: np.ndarray, input_shape: tuple[int, ...], owner: str) -> NormBounds:
    """Both sides of the norm of x ↦ einsum(equation, x, kernel) for one image.

    Indices of input, kernel and output make a block-diagonal matrix, whose norm is the largest of its blocks';
    those of input and kernel alone are its columns, those of kernel and output its rows. An index of input and output alone
    repeats the matrix, one of the input alone is summed and gives a factor √size, one of the kernel alone is summed.

    Args:
        equation: as Keras takes it, with the batch axis first, or `...`.
        kernel: in float64.
        input_shape: without the batch axis.
        owner: the layer, for errors.

    Raises:
        ValueError: the input shape does not fit the equation.
    """
    inputs, weights, outputs = _indices(equation, len(input_shape) + 1)
    inputs, outputs = inputs[1:], outputs.replace(inputs[0], "", 1)
    sizes = dict(zip(weights, kernel.shape, strict=True))
    for index, size in zip(inputs, input_shape, strict=True):
        if sizes.setdefault(index, size) != size:
            raise ValueError(
                f"{owner} takes {sizes[index]} values along {index!r} of {equation!r}, but the input shape is {input_shape}."
            )
    blocks = [i for i in weights if i in inputs and i in outputs]
    columns = [i for i in weights if i in inputs and i not in outputs]
    rows = [i for i in weights if i not in inputs and i in outputs]
    matrices = np.einsum(f"{weights}->{''.join(blocks + rows + columns)}", kernel)
    matrices = matrices.reshape(-1, _size(sizes, rows), _size(sizes, columns))
    norms = [matrix_norm(matrix) for matrix in matrices]
    best = max(range(len(norms)), key=lambda i: norms[i].lower)

    summed = [i for i in inputs if i not in weights and i not in outputs]
    factor = math.sqrt(_size(sizes, summed))
    summation = 1 + 2.0**-50 * (1 + _size(sizes, [i for i in weights if i not in blocks + rows + columns]))
    repeated = [i for i in inputs if i not in weights and i in outputs]
    witness = np.multiply.outer(np.eye(len(norms))[best], norms[best].vector)
    witness = np.multiply.outer(witness, np.ones(_size(sizes, summed)) / factor)
    witness = np.multiply.outer(witness, np.eye(_size(sizes, repeated))[0])
    order = blocks + columns + summed + repeated
    witness = witness.reshape([sizes[i] for i in order]).transpose([order.index(i) for i in inputs])
    lower = norms[best].lower * factor / summation
    upper = max(n.upper for n in norms) * factor * summation
    return NormBounds(lower, upper, "dense", (witness, np.zeros(input_shape)))


def _size(sizes: dict[str, int], indices: list[str]) -> int:
    return math.prod(sizes[i] for i in indices)


def _indices(equation: str, input_rank: int) -> tuple[str, str, str]:
    """The index letters of input, kernel and output, an ellipsis written out."""
    equation = equation.replace(" ", "")
    operands, outputs = equation.split("->")
    inputs, weights = operands.split(",")
    free = [letter for letter in string.ascii_letters if letter not in equation]
    written = "".join(free[: input_rank - len(inputs.replace("...", ""))])
    return inputs.replace("...", written), weights, outputs.replace("...", written)
