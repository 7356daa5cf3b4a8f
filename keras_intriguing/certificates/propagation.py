"""Linear bounds through a chain of dense layers on a ball of images: CROWN (Zhang et al. 2018, arXiv:1811.00866).

Two things are done beyond it. The bound's minimum is taken over the ball *and* the box of valid pixels, and the
touching points of the relaxing lines are improved: the bound of C·z is a maximum over lines of a minimum over images,
so lines are moved towards those that are best at the present minimum, by ever smaller steps (fictitious play).
"""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_intriguing.certificates.relaxation import KNOWN, Relaxation, relaxed
from keras_intriguing.spectral.dense_chain import Affine
from keras_intriguing.spectral.numerics import slopes
from keras_intriguing.spectral.numerics.rounding import gamma

_STEPS = 10  # improvements of the lines for the margins; those for hidden units gain little by it
_SECULAR = 3  # steps towards the multiplier of the ball; any multiplier gives a bound
_MEMORY = 2**26  # bytes of one [B, m, n] array; about ten live at once
_MOST_IMAGES = 128


class Region(NamedTuple):
    """The images x' with ‖x' − x‖ ≤ radius and lowest ≤ x' ≤ highest: float64 x [B, n], radius [B], scalars."""

    x: tf.Tensor
    radius: tf.Tensor
    lowest: tf.Tensor
    highest: tf.Tensor


class _Hidden(NamedTuple):
    """A layer whose inputs are bounded.

    Attributes:
        matrix, bias: z = matrix·a + bias.
        relaxation: of its activation.
        start: the first touching points [B, n].
    """

    matrix: tf.Tensor
    bias: tf.Tensor
    relaxation: Relaxation
    start: tf.Tensor


def has_relaxation(layers: Sequence[Affine]) -> bool:
    """Whether all activations between the layers can be relaxed, and that behind the last keeps the classes' order."""
    *between, last = [slopes.name_of(layer.activation) for layer in layers]
    return set(between) <= set(KNOWN) and last in ("linear", "softmax")


def images_at_once(layers: Sequence[Affine]) -> int:
    """How many images' bounds fit the working memory."""
    rows = max(layer.kernel.shape[1] for layer in layers)
    return max(1, min(_MOST_IMAGES, _rows_at_once(max(len(layer.kernel) for layer in layers)) // rows))


def _rows_at_once(inputs: int) -> int:
    return max(1, _MEMORY // (8 * inputs))


def margin_bounds(layers: Sequence[Affine]) -> Callable[[Region, tf.Tensor], tf.Tensor]:
    """A compiled function of a region and labels [B]: lower bounds [B] of z_label − max of the other logits."""
    weights = [(tf.constant(layer.kernel.T), tf.constant(layer.bias)) for layer in layers]
    compiled = _compiled(tuple(slopes.name_of(layer.activation) for layer in layers[:-1]))
    return lambda region, label: compiled(weights, region, label)


@functools.lru_cache
def _compiled(activations: tuple[str, ...]) -> Callable:
    """One program for all networks of the same activations and sizes."""

    @tf.function(autograph=False)
    def bound(weights: list[tuple[tf.Tensor, tf.Tensor]], region: Region, label: tf.Tensor) -> tf.Tensor:
        hidden: list[_Hidden] = []
        a, size = region.x, tf.abs(region.x) + region.radius[:, None]
        lost = gamma(4 * sum(matrix.shape[1] + 10 for matrix, _ in weights))
        for name, (matrix, bias) in zip(activations, weights[:-1], strict=True):
            z = _affine(a, matrix, bias)
            lower = tf.minimum(_lower_bound(matrix, bias, hidden, region, lost * size), z)
            upper = tf.maximum(-_lower_bound(-matrix, -bias, hidden, region, lost * size), z)
            relaxation = relaxed(name, lower, upper)
            hidden.append(_Hidden(matrix, bias, relaxation, relaxation.start(z)))
            a = getattr(keras.activations, name)(z)
            size = _affine(size, tf.abs(matrix), tf.abs(bias))
            size = (
                tf.maximum(size, tf.maximum(-lower, upper)) + 3
            )  # slopes are at most 1, intercepts 3 or |lower|
        matrix, bias = weights[-1]
        difference = tf.gather(matrix, label)[:, None] - matrix
        constants = tf.gather(bias, label)[:, None] - bias
        bounds = _lower_bound(difference, constants, hidden, region, lost * size, _STEPS if hidden else 1)
        is_label = tf.one_hot(label, bias.shape[0], on_value=True, off_value=False)
        return tf.reduce_min(tf.where(is_label, tf.constant(np.inf, tf.float64), bounds), axis=-1)

    return bound


def _affine(a: tf.Tensor, matrix: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    return tf.matmul(a, matrix, transpose_b=True) + bias


def _lower_bound(
    rows: tf.Tensor,
    constants: tf.Tensor,
    hidden: Sequence[_Hidden],
    region: Region,
    lost: tf.Tensor,
    steps: int = 1,
) -> tf.Tensor:
    """Lower bounds [B, m] of rows·a + constants, where a is what the hidden layers give (none: the image).

    Args:
        rows: [m, n] or [B, m, n].
        constants: [m] or [B, m].
        hidden: the layers below.
        region: of the images.
        lost: [B, n], what rounding may do to each a, and to what is multiplied by it.
        steps: rounds of improving the lines.
    """
    count, total = region.x.shape[0], rows.shape[-2]
    rows = tf.broadcast_to(rows, (count, *rows.shape[-2:]))
    constants = tf.broadcast_to(constants, (count, total))
    at_once = max(1, _rows_at_once(max(region.x.shape[1], rows.shape[-1])) // count)
    parts = []
    for first in range(0, total, at_once):
        part = slice(first, first + at_once)
        bound = _improved(rows[:, part], constants[:, part], hidden, region, steps)
        rounding = tf.linalg.matvec(tf.abs(rows[:, part]), lost) + gamma(4) * tf.abs(constants[:, part])
        parts.append(bound - rounding)
    return tf.concat(parts, axis=1)


def _improved(
    rows: tf.Tensor, constants: tf.Tensor, hidden: Sequence[_Hidden], region: Region, steps: int
) -> tf.Tensor:
    """The best bounds [B, m] of some rounds; fictitious play on the touching points."""
    shape = rows.shape[:2]
    touching = [tf.broadcast_to(h.start[:, None], (*shape, h.start.shape[-1])) for h in hidden]
    found = _propagated(rows, constants, hidden, touching, region)

    def improve(step: tf.Tensor, best: tf.Tensor, touching: list, found: tuple) -> tuple:
        _, a, lines = found
        moved = []
        for layer, points, (slope, intercept) in zip(hidden, touching, lines, strict=True):
            z = _affine(a, layer.matrix, layer.bias)
            moved.append(points + 2 / (step + 2) * (layer.relaxation.respond(z) - points))
            a = slope * z + intercept
        found = _propagated(rows, constants, hidden, moved, region)
        return step + 1, tf.maximum(best, found[0]), moved, found

    start = tf.constant(0.0, tf.float64), found[0], touching, found
    return tf.while_loop(lambda *_: True, improve, start, maximum_iterations=steps - 1)[1]


def _propagated(
    rows: tf.Tensor,
    bound: tf.Tensor,
    hidden: Sequence[_Hidden],
    touching: Sequence[tf.Tensor],
    region: Region,
) -> tuple[tf.Tensor, tf.Tensor, list[tuple[tf.Tensor, tf.Tensor]]]:
    """The bounds [B, m] for given lines, images [B, m, n] that attain them, and every layer's slopes and intercepts."""
    lines = []
    for layer, points in zip(reversed(hidden), reversed(touching), strict=True):
        slope, intercept = layer.relaxation.lines(rows >= 0, points)
        lines.insert(0, (slope, intercept))
        bound += tf.reduce_sum(rows * intercept, axis=-1)
        rows = rows * slope
        bound += tf.linalg.matvec(rows, layer.bias)
        rows = tf.matmul(rows, layer.matrix)
    bound += tf.squeeze(tf.matmul(rows, region.x[..., None]), -1)
    least, change = _least_on(rows, region)
    return bound + least, region.x[:, None] + change, lines


@tf.function(autograph=False, jit_compile=True)  # elementwise work, three times as fast when it is fused
def _least_on(a: tf.Tensor, region: Region) -> tuple[tf.Tensor, tf.Tensor]:
    """A lower bound [B, m] of min a·r over the region's changes r, and an r [B, m, n] near the minimum; a [B, m, n].

    For every multiplier μ ≥ 0 of the ball, min over the box of a·r + μ/2·(‖r‖² − radius²) is a bound, and its
    minimum is r = −a/μ, clipped. The best μ solves ‖r‖ = radius, step by step for the pixels that are not clipped.
    """
    radius = region.radius[:, None]
    lowest, highest = (region.lowest - region.x)[:, None], (region.highest - region.x)[:, None]
    length = tf.norm(a, axis=-1)
    tiny = tf.constant(1e-300, tf.float64)
    inverse = radius / tf.maximum(length, tiny)
    for _ in range(_SECULAR):
        r = -inverse[..., None] * a
        is_free = (r >= lowest) & (r <= highest)
        free = tf.reduce_sum(tf.where(is_free, a**2, tf.zeros_like(a)), axis=-1)
        taken = tf.reduce_sum(
            tf.where(is_free, tf.zeros_like(a), tf.clip_by_value(r, lowest, highest) ** 2), axis=-1
        )
        next_inverse = tf.sqrt(tf.maximum(radius**2 - taken, 0) / tf.maximum(free, tiny))
        inverse = tf.where(free > 0, tf.minimum(next_inverse, 1e6 * inverse), 4 * inverse)
    r = tf.clip_by_value(-inverse[..., None] * a, lowest, highest)
    multiplier = 1 / tf.maximum(inverse, tiny)
    dual = tf.reduce_sum(a * r, axis=-1) + multiplier / 2 * (tf.reduce_sum(r**2, axis=-1) - radius**2)
    in_box = tf.reduce_sum(tf.minimum(a * lowest, a * highest), axis=-1)
    return tf.maximum(tf.maximum(dual, in_box), -length * radius), r
