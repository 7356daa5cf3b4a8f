"""Starting weights."""

import keras


def initialize(model: keras.Model, seed: int, sigmoid_scale: float = 1.0) -> None:
    """Draws Glorot's uniform kernels and sets vectors, as biases are, to zero; the same for the same seed and architecture.

    Args:
        model: whose weights are set.
        seed: of the kernels.
        sigmoid_scale: factor on the kernels of sigmoid layers. Glorot's scale is that of a slope of 1, a sigmoid's is ¼
            at most.
    """
    for i, weight in enumerate(model.weights):
        if len(weight.shape) > 1:
            weight.assign(keras.initializers.GlorotUniform(seed=1000 * seed + i)(weight.shape))
        else:
            weight.assign(keras.ops.zeros(weight.shape))
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dense) and layer.activation is keras.activations.sigmoid:
            layer.kernel.assign(sigmoid_scale * layer.kernel)
