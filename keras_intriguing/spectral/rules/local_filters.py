"""The norm of QuocNet's local filters."""

from typing import Any

import numpy as np

from keras_intriguing.spectral.bounds import NormBounds
from keras_intriguing.spectral.layer_settings import weight
from keras_intriguing.spectral.numerics.matrix import matrix_norm
from keras_intriguing.spectral.recognition import named
from keras_intriguing.spectral.rules.pooling import windows_along

_ROUNDING = 1 + 1e-12  # of a few operations, or of sums of a few hundred numbers of one sign


def local_filters(layer: Any, input_shape: tuple[int, ...]) -> NormBounds:
    """The norm of local filters, from the norms of every position's kernel W_p.

    ‖Wx‖² = Σ_p ‖W_p x_p‖² ≤ Σ_p ‖W_p‖²·‖x_p‖², in which a value of x counts with the sum of ‖W_p‖² over the positions p
    that see it. The largest such sum bounds ‖W‖² from above, the largest ‖W_p‖ bounds ‖W‖ from below.

    Raises:
        ValueError: an input shape that is not the layer's.
    """
    kernel = weight(layer, "kernel")
    height, width, size, _, channels, _ = kernel.shape
    expected = layer.compute_output_shape((None, *input_shape))[1:3]
    if (height, width) != expected or channels != input_shape[-1]:
        raise ValueError(
            f"{named(layer)} has filters at {height}×{width} positions for {channels} channels; they do not "
            f"fit the input shape {input_shape}."
        )
    flat = kernel.reshape(height * width, size * size * channels, -1)
    norms = [matrix_norm(np.swapaxes(position, 0, 1)) for position in flat]
    squares = np.array([norm.upper**2 for norm in norms]).reshape(height, width)
    rows, columns = (windows_along("valid", n, size, layer.stride) for n in input_shape[:2])
    best = int(np.argmax([norm.lower for norm in norms]))
    witness = np.zeros(input_shape)
    top, left = (layer.stride * at for at in divmod(best, width))
    witness[top : top + size, left : left + size] = norms[best].vector.reshape(size, size, channels)
    upper = float(np.sqrt((rows.T @ squares @ columns).max())) * _ROUNDING
    return NormBounds(norms[best].lower, upper, "position by position", (witness, np.zeros_like(witness)))
