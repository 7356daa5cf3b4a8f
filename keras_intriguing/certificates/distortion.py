"""Distortions below which an image's label is proved to stay."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_intriguing.certificates import propagation
from keras_intriguing.classifiers import evaluation
from keras_intriguing.classifiers.request import Request, checked
from keras_intriguing.spectral.dense_chain import DenseChain, dense_chain
from keras_intriguing.spectral.graph import nodes
from keras_intriguing.spectral.network import lipschitz_bound
from keras_intriguing.spectral.numerics import slopes

_TOLERANCE = 1e-3  # of the search on the radius, relative
_TRIALS = 40
_FLOAT32 = 1e-5  # what a forward pass in float32 is taken to lose, in shares of the largest output
_BATCH = 128


@dataclasses.dataclass(frozen=True)
class Certificate:
    """Certified distortions of B images, as NumPy arrays.

    Attributes:
        distortion: float64 [B]: no image within the bounds whose change has a smaller root mean square ‖r‖₂/√n has
            another label; the larger of the two below. Infinite where no image within the bounds has one.
        label: int32 [B]: the class that is certified.
        network: float64 [B], from the margin and the Lipschitz bound of the whole network.
        relaxation: float64 [B], from linear bounds through the layers; NaN where the network is not made of dense
            layers with sigmoid, tanh or ReLU.
    """

    distortion: np.ndarray
    label: np.ndarray
    network: np.ndarray
    relaxation: np.ndarray

    def __repr__(self) -> str:
        return f"Certificate({len(self.label)} images, mean distortion {self.distortion.mean():.4g})"


def certified_distortion(
    model: keras.Model,
    x: Any,
    *,
    label: Any = None,
    bounds: tuple[float, float] = (0.0, 1.0),
    on_batch: Callable[[int, int], None] | None = None,
) -> Certificate:
    """For every image a distortion below which no change of it can change its label.

    Of any network with a Lipschitz bound L (see `analyze`): two logits cannot change places before their difference
    has been used up, margin/(√2·L) (Tsuzuku et al. 2018, arXiv:1802.04034). Of dense networks also by linear bound
    propagation on the ball and the box (see `propagation`), which is far less loose, with a search for the largest
    radius that it proves, to 0.1%. What `minimal_distortion` finds without a target is never smaller.

    The certificate is for the network's function in exact arithmetic: rounding can give an image whose margin is of
    that size another label. Dense networks are evaluated in float64, with rounding accounted for. The margins of others
    come from their own forward pass, less 1e-5 of the largest output for its rounding; of a model that ends in softmax
    they are those of the probabilities.

    Args:
        model: a functional or sequential Keras model of one input and one output, of logits or ending in softmax.
        x: float images [B, …] within the bounds.
        label: int [B] or one int, the class to certify; by default the model's own prediction. Where the model
            gives another, the certified distortion is 0.
        bounds: the smallest and the largest value a pixel may have.
        on_batch: called after every batch with the number of images done and of all.

    Raises:
        ValueError, TypeError: bad input, a layer without a known constant, one that computes in half precision, or a
            model with a call() of its own; the message says what to do.
    """
    if not isinstance(model, keras.Model):
        raise TypeError(
            f"certified_distortion needs the model's layers: a Keras model, not {type(model).__name__}."
        )
    graph = nodes(model)
    request = checked(model, x, None, label, bounds, None)
    lipschitz = lipschitz_bound(model)
    label = request.before if request.label is None else request.label
    chain = dense_chain(graph)
    if chain and propagation.has_relaxation(chain.layers):
        lipschitz /= slopes.activation_slope(chain.layers[-1].activation, model.name).bound  # of the logits
        network, relaxation = _chain_radii(chain, request, label, lipschitz, on_batch)
    else:
        network = _lipschitz_radii(_margins(model, request, label), lipschitz)
        relaxation = np.full(len(network), np.nan)
        if on_batch:
            on_batch(len(network), len(network))
    to_rms = 1 / np.sqrt(request.x[0].size)
    network, relaxation = network * to_rms, relaxation * to_rms
    is_given = request.before == label
    network, relaxation = (np.where(is_given | np.isnan(r), r, 0.0) for r in (network, relaxation))
    return Certificate(np.fmax(network, relaxation), label, network, relaxation)


def _lipschitz_radii(margin: np.ndarray, lipschitz: float) -> np.ndarray:
    """Radii [B] in L2: two outputs must meet, and their difference changes by at most √2·L a unit."""
    return (
        np.maximum(margin, 0) / (np.sqrt(2) * lipschitz) if lipschitz else np.where(margin > 0, np.inf, 0.0)
    )


def _margins(model: keras.Model, request: Request, label: np.ndarray) -> np.ndarray:
    """By how much the output of the label [B] exceeds all others, less what float32 may lose."""
    margins = np.zeros(len(label))
    for first in range(0, len(label), _BATCH):
        part = slice(first, first + _BATCH)
        z = np.asarray(evaluation.call(model, request.x[part]), np.float64)
        others = np.where(np.arange(z.shape[1]) == label[part, None], -np.inf, z).max(axis=1)
        of_label = np.take_along_axis(z, label[part, None], axis=1)[:, 0]
        margins[part] = of_label - others - 2 * _FLOAT32 * np.abs(z).max(axis=1)
    return margins


def _chain_radii(
    chain: DenseChain,
    request: Request,
    label: np.ndarray,
    lipschitz: float,
    on_batch: Callable[[int, int], None] | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Radii [B] in L2, by the network's bound and by linear bounds, both from margins in float64."""
    size = min(propagation.images_at_once(chain.layers), len(label))
    bound = propagation.margin_bounds(chain.layers)
    edges = sorted(chain.scale * b + chain.offset for b in request.bounds)
    x = chain.scale * request.x.astype(np.float64).reshape(len(label), -1) + chain.offset
    network, relaxation = np.zeros((2, len(label)))
    for first in range(0, len(label), size):
        rows = np.minimum(np.arange(first, first + size), len(label) - 1)  # a last batch of the same shape

        def margins(radius: np.ndarray, rows: np.ndarray = rows) -> np.ndarray:
            region = propagation.Region(*(tf.constant(v, tf.float64) for v in (x[rows], radius, *edges)))
            return bound(region, tf.constant(label[rows])).numpy()

        clean = margins(np.zeros(size))
        network[rows] = _lipschitz_radii(clean, lipschitz)
        farthest = np.linalg.norm(np.maximum(x[rows] - edges[0], edges[1] - x[rows]), axis=1)
        start = 2 * abs(chain.scale) * network[rows]
        relaxation[rows] = _largest_radius(margins, clean, start, farthest) / abs(chain.scale)
        if on_batch:
            on_batch(min(first + size, len(label)), len(label))
    return network, relaxation


def _largest_radius(
    margins: Callable[[np.ndarray], np.ndarray], clean: np.ndarray, start: np.ndarray, farthest: np.ndarray
) -> np.ndarray:
    """The largest radii [B] with a positive margin that a search finds; infinite where that of `farthest` is.

    `clean` are the margins of radius 0, `start` the first trial. The margin falls about like a parabola. A line through two points, then a parabola through three, says where it
    is zero; the next trial is a hair beyond or before, so that the root is soon shut in from both sides.
    """
    proved, left = np.zeros_like(start), clean
    lost, right = np.full_like(start, np.inf), np.full_like(start, np.nan)
    radius = np.clip(start, 1e-3 * farthest, farthest)
    for _ in range(_TRIALS):
        is_open = (left > 0) & np.isfinite(proved) & ~(proved >= (1 - _TOLERANCE) * lost)
        if not is_open.any():
            break
        radius = np.where(is_open, radius, 0.0)
        margin = margins(radius)
        holds, fails = is_open & (margin > 0), is_open & ~(margin > 0)
        left, right = np.where(holds, margin, left), np.where(fails, margin, right)
        proved = np.where(holds, np.where(radius >= farthest, np.inf, radius), proved)
        lost = np.where(fails, radius, lost)
        hair = np.where(holds, 1 + _TOLERANCE / 3, 1 - _TOLERANCE / 3)
        with np.errstate(all="ignore"):  # of both cases only one is meant
            ahead = np.clip(hair * _line(clean, proved, left), np.minimum(1.5 * proved, farthest), farthest)
            root = hair * _parabola(clean, proved, left, lost, right)
            root = np.where(np.isfinite(root), root, (proved + lost) / 2)
            edge = 0.05 * (lost - proved)
            radius = np.where(np.isinf(lost), ahead, np.clip(root, proved + edge, lost - edge))
    return proved


def _line(clean: np.ndarray, a: np.ndarray, at_a: np.ndarray) -> np.ndarray:
    """The root of the line through (0, clean) and (a, at_a); infinite where it does not fall."""
    return np.where(at_a < clean, a * clean / (clean - at_a), np.inf)


def _parabola(
    clean: np.ndarray, a: np.ndarray, at_a: np.ndarray, b: np.ndarray, at_b: np.ndarray
) -> np.ndarray:
    """The root between a and b of the parabola through (0, clean), (a, at_a) and (b, at_b); of the line if a is 0."""
    slope = (at_b - at_a) / (b - a)
    curvature = np.where(a > 0, (slope - (at_a - clean) / a) / b, 0.0)
    # at_a + slope·t + curvature·t·(t − (b − a)) = 0 for t = root − a
    linear = slope - curvature * (b - a)
    return a + 2 * at_a / (np.sqrt(linear**2 - 4 * curvature * at_a) - linear)
