"""Starting weights."""

import keras


def initialize(model: keras.Model, seed: int) -> None:
    """Draws Glorot's uniform kernels and sets vectors, as biases are, to zero; the same for the same seed and architecture."""
    for i, weight in enumerate(model.weights):
        if len(weight.shape) > 1:
            weight.assign(keras.initializers.GlorotUniform(seed=1000 * seed + i)(weight.shape))
        else:
            weight.assign(keras.ops.zeros(weight.shape))
