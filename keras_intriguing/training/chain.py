"""Chains of layers: what each of them gives, under dropout too, and the two parts of a cut."""

import functools
from typing import NamedTuple

import keras
import tensorflow as tf

UNIT = (0.0, 1.0)  # of pixels and of a sigmoid's outputs
_BOUNDS = {keras.activations.sigmoid: UNIT, keras.activations.relu: (0.0, float("inf"))}


class Cut(NamedTuple):
    """A model cut at a layer's outputs; both parts share the model's variables.

    Attributes:
        below: images [B, …] to the layer's outputs h [B, …].
        above: h to logits [B, K].
        bounds: between which h always lies.
    """

    below: keras.Model
    above: keras.Model
    bounds: tuple[float, float]


class Dropout(NamedTuple):
    """Dropout in training. It is no layer of the model, which stays what it is without.

    Attributes:
        image: the rate on the images.
        hidden: the rate on the outputs of every hidden layer that has weights.
        seed: int32 [2]; the same seed drops the same.
        algorithm: of TensorFlow's random numbers: `"threefry"` inside XLA, where others are slow, `"philox"` elsewhere.
    """

    image: float
    hidden: float
    seed: tf.Tensor
    algorithm: str

    def __call__(self, h: tf.Tensor, rate: float, place: int) -> tf.Tensor:
        """Outputs h [B, …] of which a share is set to zero, and the rest made as much larger."""
        if not rate:
            return h
        seed = self.seed + tf.constant([place, 0]) * 1_000_003
        return tf.nn.experimental.stateless_dropout(h, rate, seed=seed, rng_alg=self.algorithm)


def outputs(model: keras.Model, images: tf.Tensor, dropout: Dropout) -> dict[str, tf.Tensor]:
    """What every layer of a chain gives [B, …], from the images to the logits, by name.

    It is what the layer gave before dropout; the next layer gets it after.
    """
    first, *layers, last = model.layers
    found = {first.name: images}
    h = dropout(images, dropout.image, 0)
    for place, layer in enumerate(layers, start=1):
        found[layer.name] = h = layer(h)
        if layer.trainable_variables:
            h = dropout(h, dropout.hidden, place)
    found[last.name] = last(h)
    return found


@functools.lru_cache(maxsize=8)  # a part is built once
def cut(model: keras.Model, layer: str) -> Cut:
    """Cuts a functional model at a layer's outputs, or before all layers at its input.

    Raises:
        ValueError: unknown layer, one whose outputs' bounds are not known, or one that parallel paths go around.
    """
    known = {one.name: bounds for one in model.layers if (bounds := _bounds(one)) is not None}
    if layer not in known:
        raise ValueError(
            f"No adversarial examples can be generated at {layer!r} of {model.name}. "
            f"Known are its input, sigmoid and ReLU layers: {', '.join(known)}."
        )
    h = model.get_layer(layer).output
    try:
        return Cut(keras.Model(model.input, h), keras.Model(h, model.output), known[layer])
    except ValueError as error:  # Keras says that the graph is disconnected
        raise ValueError(f"The logits of {model.name} do not depend on {layer!r} alone: {error}") from error


def _bounds(layer: keras.layers.Layer) -> tuple[float, float] | None:
    """Between which its outputs always lie: the images' own, a sigmoid's or a ReLU's; None of other layers."""
    if isinstance(layer, keras.layers.InputLayer):
        return UNIT
    return _BOUNDS.get(getattr(layer, "activation", None))
