"""What a layer of a model gives for images φ(x), streamed in chunks of a size that no caller's batches change."""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_intriguing.classifiers.loading import as_model
from keras_intriguing.data.photographs import Photographs
from keras_intriguing.directions.bases import Moments
from keras_intriguing.models.base import PresetModel

_CHUNK = 4_000_000  # values of a chunk of images, or of what the layer makes of it
_MOST = 1000  # images in a chunk
_ACTIVATIONS = (keras.layers.ReLU, keras.layers.LeakyReLU, keras.layers.PReLU, keras.layers.ELU)
# a softmax gives probabilities, and what it is applied to are logits
_NOT_HIDDEN = (None, keras.activations.linear, keras.activations.softmax)


class Chunk(NamedTuple):
    """What a layer gives for consecutive images.

    Attributes:
        first: the index of the first image.
        size: how many images.
        outputs: float32 [B, …, D]. B is `size` or, where a last chunk was filled up to the size of the others, more:
            products of other sizes round otherwise, and equal images are to have equal outputs.
    """

    first: int
    size: int
    outputs: tf.Tensor


def hidden_layers(model: keras.Model | str | Path) -> list[str]:
    """The names of a model's hidden layers, from below.

    A hidden layer is one that applies an activation function other than the identity and softmax, in itself or as a
    layer of its own, and whose outputs are not the model's. So pooling and reshaping layers are none, nor are the
    logits. Not seen are layers of models inside the model, and operations that are no layers (`keras.ops.relu(x)`).

    Raises:
        ValueError: a model that has no graph of layers, or none yet.
    """
    net = as_model(model)
    if not getattr(net, "outputs", None):
        raise ValueError("Hidden layers are found in a functional or sequential Keras model that is built.")
    last = {id(tensor._keras_history.operation) for tensor in net.outputs}
    return [layer.name for layer in net.layers if _is_nonlinear(layer) and id(layer) not in last]


def _is_nonlinear(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, _ACTIVATIONS) or getattr(layer, "activation", None) not in _NOT_HIDDEN


def activations(model: keras.Model | str | Path, layer: str | keras.layers.Layer, images: Any) -> np.ndarray:
    """A layer's outputs for all images, float32 [N, …, D], in inference mode; all are held in memory.

    Args:
        model: any Keras model of images [B, …], or the path of a saved one; one that is not built is built by the first image.
        layer: of the model: itself or its name. Where its `data_format` is `channels_first`, its channels are moved
            to the last axis.
        images: array [N, …], or batches of images: an iterable of arrays [B, …], a batched `tf.data.Dataset`; a
            batch may be a tuple whose first part are the images.

    Raises:
        ValueError: unknown layer (the message lists the model's), no images or what holds none, a data set that
            never ends, pixels outside [0, 1] for a model of this package, or activations that are not finite.
    """
    return np.concatenate([chunk.outputs[: chunk.size].numpy() for chunk in stream(model, layer, images)])


def moments(model: keras.Model | str | Path, layer: str | keras.layers.Layer, images: Any) -> Moments:
    """Mean and covariance of a layer's last axis, over images and positions; memory does not grow with N.

    Args and errors: as of `activations`.
    """
    count, total, square = 0, np.zeros(()), np.zeros(())
    for chunk in stream(model, layer, images):
        rows = chunk.outputs[: chunk.size].numpy().astype(np.float64)
        rows = rows.reshape(-1, rows.shape[-1])
        if count == 0:  # so that no digits are lost where the mean is large beside the deviation
            shift = rows.mean(axis=0)
        count += len(rows)
        total = total + (rows - shift).sum(axis=0)
        square = square + (rows - shift).T @ (rows - shift)
    mean = total / count
    return Moments(shift + mean, square / count - np.outer(mean, mean))


def stream(model: keras.Model | str | Path, layer: str | keras.layers.Layer, images: Any) -> Iterator[Chunk]:
    """A layer's outputs, chunk by chunk; see `activations`."""
    net = as_model(model)
    if not isinstance(net, keras.Model):
        raise ValueError(f"Directions are those of a Keras model's layer, not of {net!r}.")
    batches = _batches(net, images)
    start = next((batch for batch in batches if len(batch)), None)
    if start is None:
        raise ValueError("There are no images: the data set is empty.")
    if not net.built:
        net(tf.convert_to_tensor(start[:1], tf.float32), training=False)
    found = find(net, layer)
    outputs = _outputs(net, found, start.shape[1:])
    shape = outputs.output_shapes[0]
    if shape.rank is None or shape.rank < 2 or None in shape[1:]:
        raise ValueError(
            f"The layer {found.name!r} gives outputs of shape {shape}; known sizes [B, …, D] are needed."
        )
    size = max(1, min(_MOST, _CHUNK // max(math.prod(shape[1:]), math.prod(start.shape[1:]))))
    for first, count, chunk in _chunks(itertools.chain([start], batches), size):
        features, finite = outputs(tf.convert_to_tensor(chunk))
        if not finite:
            of_image = np.isfinite(features).reshape(len(chunk), -1).all(axis=1)
            raise ValueError(
                f"The layer {found.name!r} gives activations that are not finite (NaN or infinite), first for image "
                f"{first + of_image.argmin()}. Check the images and the model's weights."
            )
        yield Chunk(first, count, features)


def find(model: keras.Model, layer: str | keras.layers.Layer) -> keras.layers.Layer:
    """A layer of a model, also within the models that it is made of.

    Raises:
        ValueError: the model has no such layer, or several; the message lists what it has.
    """
    inputs = keras.layers.InputLayer
    layers = [one for one in model._flatten_layers(include_self=False) if not isinstance(one, inputs)]
    matching = [one for one in layers if layer is one or layer == one.name]
    if len(matching) == 1:
        return matching[0]
    name = getattr(layer, "name", layer)
    if matching:
        raise ValueError(f"{model.name} has {len(matching)} layers {name!r}. Give the layer itself.")
    known = ", ".join(one.name for one in layers)
    raise ValueError(f"{model.name} has no layer {name!r}. It has: {known or 'none'}.")


def _outputs(
    model: keras.Model, layer: keras.layers.Layer, image_shape: tuple[int, ...]
) -> tf.types.experimental.ConcreteFunction:
    """A layer's outputs for images [B, …] of a shape, channels last, and whether all are finite, compiled.

    It is traced afresh for every call, in a fraction of a second: what a kept one would compute could be what the
    model was before it was changed.
    """

    def outputs(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        seen = []

        def tapped(*args: Any, **kwargs: Any) -> Any:
            seen.append(original(*args, **kwargs))
            return seen[-1]

        # Only listening in on the call finds the outputs in every kind of model: a subclass has no graph of layers.
        original, own = layer.call, vars(layer).get("call")
        layer.call = tapped
        try:
            model(images, training=False)
        finally:
            if own is None:
                del layer.call
            else:
                layer.call = own
        if len(seen) != 1:
            raise ValueError(
                f"The layer {layer.name!r} of {model.name} is called {len(seen)} times; one that is called once is needed."
            )
        if not tf.is_tensor(seen[0]):
            raise ValueError(
                f"The layer {layer.name!r} of {model.name} gives not one tensor but {type(seen[0]).__name__}."
            )
        features = tf.cast(seen[0], tf.float32)
        if getattr(layer, "data_format", None) == "channels_first" and len(features.shape) > 2:
            features = keras.ops.moveaxis(features, 1, -1)
        return features, tf.reduce_all(tf.math.is_finite(features))

    compiled = tf.function(outputs, autograph=False)
    return compiled.get_concrete_function(tf.TensorSpec([None, *image_shape], tf.float32))


def _batches(model: keras.Model, images: Any) -> Iterator[np.ndarray]:
    """The images [B, …] of every batch."""
    if isinstance(images, Photographs):
        raise ValueError(
            "Pass the photographs' pixels: photographs.images(size) or photographs.center_crops(size)."
        )
    if isinstance(images, tuple):
        raise ValueError(
            "A tuple is read as one batch with its labels: pass its images alone, or a list of batches."
        )
    if isinstance(images, tf.data.Dataset) and images.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise ValueError("The data set never ends. Give one pass over the images, as by its .take(batches).")
    shape = getattr(model, "input_shape", None)
    for batch in [images] if hasattr(images, "shape") else images:
        found = batch[0] if isinstance(batch, tuple | list) else batch
        if isinstance(found, Mapping):
            raise ValueError(
                f"A batch has to be images or a pair of images and labels, not a dict of {', '.join(map(str, found))}."
            )
        array = np.asarray(found)
        if array.ndim < 2 or _is_of_one(array.shape, shape):
            raise ValueError(
                f"A batch of shape {array.shape} holds no images [B, …]. A tf.data.Dataset has to be batched."
            )
        if isinstance(model, PresetModel) and array.size and not 0 <= array.min() <= array.max() <= 1:
            raise ValueError(
                f"{model.name} takes pixels in [0, 1], but a batch ranges from {array.min():.6g} to {array.max():.6g}."
            )
        yield array


def _is_of_one(shape: tuple[int, ...], inputs: Any) -> bool:
    """Whether an array's shape is that of a single image, for a model's shape of inputs (B, …), where it has one."""
    if not isinstance(inputs, tuple) or len(shape) != len(inputs) - 1:
        return False
    return all(expected in (None, size) for expected, size in zip(inputs[1:], shape, strict=True))


def _chunks(batches: Iterable[np.ndarray], size: int) -> Iterator[tuple[int, int, np.ndarray]]:
    """The images in chunks of one size, float32 [size, …], each with its first image's index and their number.

    Sums come out the same for every batch size. A chunk has its own memory: batches may be views of one buffer.
    """
    first, count, shape = 0, 0, None
    for images in batches:
        shape = shape or images.shape[1:]
        if images.shape[1:] != shape:
            raise ValueError(
                f"There are images of shape {shape} and of shape {images.shape[1:]}; all must be alike."
            )
        while len(images):
            if count == 0:
                chunk = np.empty((size, *shape), np.float32)
            part = images[: size - count]
            chunk[count : count + len(part)] = part
            images, count = images[len(part) :], count + len(part)
            if count == size:
                yield first, count, chunk
                first, count = first + size, 0
    if count and first:
        chunk[count:] = chunk[0]
    if count:
        yield first, count, chunk if first else chunk[:count]
