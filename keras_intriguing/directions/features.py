"""What a layer of a model gives for images φ(x), streamed in chunks of a size that no caller's batches change."""

import functools
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_intriguing.directions.bases import Moments

_CHUNK = 4_000_000  # values of a chunk of images, or of what the layer makes of it
_MOST = 1000  # images in a chunk
_ACTIVATIONS = (keras.layers.ReLU, keras.layers.LeakyReLU, keras.layers.PReLU, keras.layers.ELU)


class Chunk(NamedTuple):
    """Consecutive images' outputs of a layer, [B, …], and the first one's index."""

    first: int
    features: tf.Tensor


def hidden_layers(model: keras.Model) -> list[str]:
    """The names of a model's hidden layers, from below.

    A hidden layer is one that applies an activation function other than the identity, in itself or as a layer of
    its own, and whose outputs are not the model's. So pooling and reshaping layers are none, nor are the logits.

    Raises:
        ValueError: a model that has no graph of layers, or none yet.
    """
    if not getattr(model, "outputs", None):
        raise ValueError("Hidden layers are found in a functional or sequential Keras model that is built.")
    last = {id(tensor._keras_history.operation) for tensor in model.outputs}
    return [layer.name for layer in model.layers if _is_nonlinear(layer) and id(layer) not in last]


def _is_nonlinear(layer: keras.layers.Layer) -> bool:
    activation = getattr(layer, "activation", None)
    return isinstance(layer, _ACTIVATIONS) or activation not in (None, keras.activations.linear)


def activations(model: keras.Model, layer: str | keras.layers.Layer, images: Any) -> np.ndarray:
    """A layer's outputs for all images, float32 [N, …], in inference mode; all are held in memory.

    Args:
        model: any Keras model of images [B, …].
        layer: of the model: itself or its name.
        images: array [N, …], or batches of images: an iterable of arrays [B, …], a batched `tf.data.Dataset`.

    Raises:
        ValueError: unknown layer (the message lists the model's), no images, or activations that are not finite.
    """
    return np.concatenate([np.asarray(chunk.features) for chunk in stream(model, layer, images)])


def moments(model: keras.Model, layer: str | keras.layers.Layer, images: Any) -> Moments:
    """Mean and covariance of a layer's last axis, over images and positions; memory does not grow with N.

    Args and errors: as of `activations`.
    """
    count, total, square = 0, 0.0, 0.0
    for chunk in stream(model, layer, images):
        rows = np.asarray(chunk.features, np.float64)
        rows = rows.reshape(-1, rows.shape[-1])
        if count == 0:
            shift = rows.mean(
                axis=0
            )  # so that no digits are lost where the mean is large beside the deviation
        count += len(rows)
        total = total + (rows - shift).sum(axis=0)
        square = square + (rows - shift).T @ (rows - shift)
    mean = total / count
    return Moments(shift + mean, square / count - np.outer(mean, mean))


def stream(model: keras.Model, layer: str | keras.layers.Layer, images: Any) -> Iterator[Chunk]:
    """A layer's outputs, chunk by chunk; see `activations`."""
    found = find(model, layer)
    batches = iter([images] if hasattr(images, "shape") else images)
    first = np.zeros(0)
    while not len(first):  # the first that is not empty tells the images' shape
        first = next(batches, None)
        if first is None:
            raise ValueError("There are no images: the data set is empty.")
        first = _images_of(first)
    outputs = _outputs(model, found)
    shape = output_shape(model, found, first.shape[1:])
    size = max(1, min(_MOST, _CHUNK // max(math.prod(shape), math.prod(first.shape[1:]))))
    done = 0
    for chunk in _rechunked(first, batches, size):
        features, finite = outputs(tf.convert_to_tensor(chunk, tf.float32))
        if not finite:
            raise ValueError(
                f"The layer {found.name!r} gives activations that are not finite (NaN or infinite) for images "
                f"{done} to {done + len(chunk) - 1}. Check the images and the model's weights."
            )
        yield Chunk(done, features)
        done += len(chunk)


def find(model: keras.Model, layer: str | keras.layers.Layer) -> keras.layers.Layer:
    """A layer of a model, also within the models that it is made of.

    Raises:
        ValueError: the model has no such layer, or several; the message lists what it has.
    """
    if not isinstance(model, keras.Model):
        raise ValueError(f"Directions are those of a Keras model's layer, not of {model!r}.")
    layers = list(model._flatten_layers(include_self=False))
    matching = [one for one in layers if layer is one or layer == one.name]
    if len(matching) == 1:
        return matching[0]
    name = getattr(layer, "name", layer)
    if matching:
        raise ValueError(f"{model.name} has {len(matching)} layers {name!r}. Give the layer itself.")
    known = ", ".join(one.name for one in layers)
    raise ValueError(f"{model.name} has no layer {name!r}. It has: {known or 'none'}.")


def output_shape(
    model: keras.Model, layer: keras.layers.Layer, image_shape: tuple[int, ...]
) -> tuple[int, ...]:
    """The shape of a layer's outputs for images of a shape, both without the batch axis."""
    spec = tf.TensorSpec([None, *image_shape], tf.float32)
    shape = _outputs(model, layer).get_concrete_function(spec).output_shapes[0]
    if shape.rank is None or shape.rank < 2 or None in shape[1:]:
        raise ValueError(
            f"The layer {layer.name!r} gives outputs of shape {shape}; known sizes [B, …, D] are needed."
        )
    return tuple(shape[1:])


@functools.lru_cache(maxsize=16)  # traced once as long as it is the same layer of the same model
def _outputs(
    model: keras.Model, layer: keras.layers.Layer
) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """A layer's outputs for images [B, …], and whether all are finite, as a compiled function."""

    @tf.function(reduce_retracing=True, autograph=False)
    def outputs(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        seen = []

        def tapped(*args: Any, **kwargs: Any) -> Any:
            seen.append(original(*args, **kwargs))
            return seen[-1]

        # Only listening in on the call finds the outputs in every kind of model: a subclass has no graph of layers.
        original, layer.call = layer.call, tapped
        try:
            model(images, training=False)
        finally:
            del layer.call
        if len(seen) != 1 or not tf.is_tensor(seen[0]):
            raise ValueError(
                f"The layer {layer.name!r} of {model.name} is called {len(seen)} times or gives several tensors; a "
                "layer with one output, called once, is needed."
            )
        features = tf.cast(seen[0], tf.float32)
        return features, tf.reduce_all(tf.math.is_finite(features))

    return outputs


def _images_of(batch: Any) -> np.ndarray:
    """The images of a batch, which may carry labels."""
    images = np.asarray(batch[0] if isinstance(batch, tuple | list) else batch)
    if images.ndim < 2:
        raise ValueError(
            f"A batch of shape {images.shape} holds no images [B, …]. A tf.data.Dataset has to be batched."
        )
    return images


def _rechunked(first: np.ndarray, batches: Iterable[Any], size: int) -> Iterator[np.ndarray]:
    """The images in chunks of one size, the last one smaller: sums come out the same for every batch size."""
    held: list[np.ndarray] = []
    pending: Any = first
    while pending is not None:
        images = _images_of(pending)
        while len(images):
            room = size - sum(map(len, held))
            held.append(images[:room])
            images = images[room:]
            if sum(map(len, held)) == size:
                yield np.concatenate(held)
                held = []
        pending = next(batches, None)
    if held:
        yield np.concatenate(held)
