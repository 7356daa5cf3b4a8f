"""Adversarial examples at the outputs of layers by one step along the gradient, made anew for every minibatch.

The cheap counterpart of §4.2's pools: a step of a stated length takes the place of the smallest change that alters the
label, as in Goodfellow et al. 2015, but in the L2 norm.
"""

import tensorflow as tf

_TINY = 1e-15  # beside a gradient's norm; where the gradient is zero there is no direction, and no step


def moved(h: tf.Tensor, gradient: tf.Tensor, length: float, bounds: tuple[float, float]) -> tf.Tensor:
    """The outputs of a layer after the step length·spread·g/‖g‖₂, clipped to their bounds.

    No gradient goes back through them: examples at a layer train the layers above it only.

    Args:
        h: the layer's outputs [B, …].
        gradient: of the loss by them, g [B, …].
        length: of the step in L2, as a share of the outputs' `spread`.
        bounds: of the layer's outputs.
    """
    axes = tuple(range(1, gradient.shape.rank))
    norm = tf.sqrt(tf.reduce_sum(gradient**2, axis=axes, keepdims=True))
    step = length * spread(h) * gradient / (norm + _TINY)
    return tf.stop_gradient(tf.clip_by_value(h + step, *bounds))


def spread(h: tf.Tensor) -> tf.Tensor:
    """The root mean square L2 distance of a layer's outputs [B, …] from their mean; 7.3 of MNIST's images."""
    return tf.sqrt(tf.reduce_sum(tf.math.reduce_variance(h, axis=0)))
