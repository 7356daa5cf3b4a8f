"""The images that maximize directions of a layer."""

import math
from pathlib import Path
from typing import Any, Literal, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_intriguing.directions import features

_BLOCK = 16_000_000  # values ⟨φ, v⟩ at once, over images, positions and directions
_LARGEST = float(np.finfo(np.float32).max)


class TopImages(NamedTuple):
    """For every one of M directions the k images with the largest activation, falling; of equal ones the first.

    Attributes:
        indices: int32 [M, k], in the order in which the images came.
        activations: float32 [M, k], ⟨φ(x), v⟩.
    """

    indices: np.ndarray
    activations: np.ndarray


def top_images(
    model: keras.Model | str | Path,
    layer: str | keras.layers.Layer,
    images: Any,
    directions: np.ndarray,
    k: int = 10,
    *,
    reduce: Literal["max", "mean", "flatten"] = "max",
) -> TopImages:
    """The images x with the largest ⟨φ(x), v⟩ for every direction v of a layer's outputs φ (paper §3).

    Only k images a direction are kept while the images stream by. The result is the same, bit by bit, in
    whatever batches they come. Images that are equal count alike and in their order, where TensorFlow rounds every
    row of a product alike, as it does on CPUs.

    Args:
        model: any Keras model of images [B, …], or the path of a saved one; one that is not built is built by the first image.
        layer: of the model: itself or its name. Where its `data_format` is `channels_first`, its channels count as
            the last axis.
        images: array [N, …], or batches of images: an iterable of arrays [B, …], a batched `tf.data.Dataset`; a
            batch may be a tuple whose first part are the images.
        directions: [M, D], one direction a row; D is the size of the layer's last axis.
        k: images a direction.
        reduce: for outputs with positions, [B, …, D] as of a convolution: an image counts by its best position
            (`"max"`) or by the average over positions (`"mean"`); or, `"flatten"`, directions live in the whole
            flattened space, and D is the product of all axes.

    Raises:
        ValueError: an unknown layer (the message lists the model's), directions of another width or not finite, k
            below 1 or above the number of images, no images or what holds none, a data set that never ends,
            activations that are not finite, or so large that ⟨φ(x), v⟩ may be beyond float32.
    """
    given = np.asarray(directions)
    with np.errstate(over="ignore"):  # what float32 does not hold is refused
        rows = np.real(given).astype(np.float32, copy=False)
        # every partial sum of ⟨φ, v⟩ is at most max|φ|·‖v‖₁
        most = _LARGEST / max(1, np.abs(rows).sum(axis=-1).max(initial=0))
    if rows.ndim != 2 or not len(rows) or np.iscomplexobj(given) or not np.isfinite(rows).all():
        raise ValueError(
            f"directions of shape {rows.shape} must be finite real numbers [M, D], at least one row."
        )
    if reduce not in ("max", "mean", "flatten"):
        raise ValueError(f"Unknown reduce {reduce!r}. Known: max, mean, flatten.")
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise ValueError(f"k must be a whole number of at least 1, not {k!r}.")
    if len(getattr(images, "shape", ())) and k > len(images) > 0:
        raise ValueError(_too_large(k, len(images)))
    blocks: list[_Block] = []
    seen = 0
    for chunk in features.stream(model, layer, images):
        arranged = _arranged(chunk.outputs, reduce)
        if not blocks:
            _check_width(rows, chunk.outputs, reduce)
            positions = math.prod(arranged.shape[1:-1])
            blocks = _blocks(rows, k, max(1, _BLOCK // (len(arranged) * positions)))
        if not tf.reduce_max(tf.abs(arranged)) <= most:
            raise ValueError(
                f"⟨φ, v⟩ may overflow float32 in images {chunk.first} to {chunk.first + chunk.size - 1}. Scale the "
                "directions down; their length changes no order."
            )
        blocks = [block.merged(arranged, chunk) for block in blocks]
        seen += chunk.size
    if k > seen:
        raise ValueError(_too_large(k, seen))
    return TopImages(*(np.concatenate([np.asarray(b[i]) for b in blocks]) for i in (1, 2)))


class _Block(NamedTuple):
    """Some of the directions [M, D], and of each the k best so far: indices and activations [M, k]."""

    directions: tf.Tensor
    indices: tf.Tensor
    activations: tf.Tensor

    def merged(self, outputs: tf.Tensor, chunk: features.Chunk) -> "_Block":
        merge = _merge_positions if len(outputs.shape) == 3 else _merge
        return _Block(self.directions, *merge(*self, outputs, chunk.first, chunk.size))


def _blocks(directions: np.ndarray, k: int, most: int) -> list[_Block]:
    parts = np.array_split(directions, math.ceil(len(directions) / most))
    return [
        _Block(tf.constant(part), tf.fill([len(part), k], -1), tf.fill([len(part), k], -math.inf))
        for part in parts
    ]


def _arranged(outputs: tf.Tensor, reduce: str) -> tf.Tensor:
    """Outputs [B, …, D] as [B, D], or where the best of several positions counts as [B, P, D]."""
    if reduce == "flatten":
        return tf.reshape(outputs, [len(outputs), -1])
    if len(outputs.shape) == 2:
        return outputs
    positions = tf.reshape(outputs, [len(outputs), -1, outputs.shape[-1]])
    return tf.reduce_mean(positions, axis=1) if reduce == "mean" else positions


_MATRIX, _COUNT = tf.TensorSpec([None, None]), tf.TensorSpec([], tf.int32)
_SO_FAR = [_MATRIX, tf.TensorSpec([None, None], tf.int32), _MATRIX]  # a block


@tf.function(autograph=False, input_signature=[*_SO_FAR, _MATRIX, _COUNT, _COUNT])
def _merge(
    directions: tf.Tensor,
    indices: tf.Tensor,
    activations: tf.Tensor,
    outputs: tf.Tensor,
    first: tf.Tensor,
    count: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """The k best of those so far and of outputs [B, D], of which `count` are of images; `first` is the first's index."""
    products = tf.matmul(directions, outputs, transpose_b=True)
    return _best(indices, activations, products[:, :count], first)


@tf.function(autograph=False, input_signature=[*_SO_FAR, tf.TensorSpec([None] * 3), _COUNT, _COUNT])
def _merge_positions(
    directions: tf.Tensor,
    indices: tf.Tensor,
    activations: tf.Tensor,
    outputs: tf.Tensor,
    first: tf.Tensor,
    count: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """The same for outputs [B, P, D], of which the best position counts."""
    images, positions, width = tf.unstack(tf.shape(outputs))
    products = tf.matmul(directions, tf.reshape(outputs, [-1, width]), transpose_b=True)
    best = tf.reduce_max(tf.reshape(products, [-1, images, positions]), axis=2)
    return _best(indices, activations, best[:, :count], first)


def _best(
    indices: tf.Tensor, activations: tf.Tensor, new: tf.Tensor, first: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """`tf.math.top_k` puts the first of equal values first: earlier images stand first in both calls."""
    k = tf.shape(indices)[1]
    values, places = tf.math.top_k(new, tf.minimum(k, tf.shape(new)[1]))
    values, chosen = tf.math.top_k(tf.concat([activations, values], axis=1), k)
    return tf.gather(tf.concat([indices, first + places], axis=1), chosen, batch_dims=1), values


def _check_width(directions: np.ndarray, outputs: tf.Tensor, reduce: str) -> None:
    shape = tuple(outputs.shape[1:])
    width = math.prod(shape) if reduce == "flatten" else shape[-1]
    if directions.shape[1] != width:
        raise ValueError(
            f"The directions have {directions.shape[1]} values, but the layer gives outputs {shape} an image: with "
            f"reduce={reduce!r} directions must be [M, {width}]."
        )


def _too_large(k: int, count: int) -> str:
    return f"k is {k}, but there are only {count} images."
