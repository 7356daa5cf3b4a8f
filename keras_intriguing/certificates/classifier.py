"""A model prepared for certificates: its circuit, its margins, and the constants of its pairs of classes."""

import warnings
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_intriguing.certificates import propagation
from keras_intriguing.certificates.circuit import Circuit
from keras_intriguing.certificates.lowering import circuit_of, gives_probabilities, is_probability
from keras_intriguing.certificates.programs import Programs
from keras_intriguing.certificates.region import Region
from keras_intriguing.classifiers.pixels import Bounds
from keras_intriguing.spectral.graph import Node
from keras_intriguing.spectral.layer_settings import weight
from keras_intriguing.spectral.network import LipschitzConstants
from keras_intriguing.spectral.numerics.slopes import activation_slope
from keras_intriguing.spectral.recognition import named

_BATCH_BYTES = 2**26  # of all values of a batch of images
_ONE_BIT = 1 + 1e-12
_HOPELESS = 1e-9  # a certified share of the longest possible change that says nothing


class Classifier:
    """A model as far as certificates need it.

    Args:
        graph: its nodes.
        on_stage: told the name of every layer before it is measured.

    Attributes:
        circuit: steps from the image to the logits, a final softmax left out.
        programs: compiled functions of the circuit.
        pairs: Lipschitz constants of z_i − z_j for all pairs of classes, float64 [K, K], 0 on the diagonal.
    """

    def __init__(self, graph: Sequence[Node], on_stage: Callable[[str], None]) -> None:
        constants = LipschitzConstants(on_stage)
        of_nodes = constants.of_outputs(graph)
        self.circuit: Circuit = circuit_of(graph, constants)
        self.programs = Programs(self.circuit)
        self.pairs = _pairs(graph, of_nodes)

    def margins(self, x: np.ndarray, label: np.ndarray, bounds: Bounds) -> np.ndarray:
        """Proved lower bounds of z_label − z_j for images x [B, …] and all classes: [B, K], 0 for the label itself."""
        values = sum(self.circuit.size(i) for i in range(len(self.circuit.steps)))
        batch = max(1, _BATCH_BYTES // (8 * values))
        rounding, found = propagation.rounding_of(self.circuit), []
        for first in range(0, len(x), batch):
            part = x[first : first + batch].astype(np.float64)
            region = Region.of(part, np.zeros(len(part)), bounds, tf.float64)
            logits = propagation.enclosures(self.circuit, region, rounding)[-1]
            of_label = np.take_along_axis(logits.lower.numpy(), label[first : first + batch, None], axis=1)
            found.append(of_label - logits.upper.numpy())
        margins = np.concatenate(found)
        np.put_along_axis(margins, label[:, None], 0.0, axis=1)
        return margins

    def margins_within(self, margins: np.ndarray, label: np.ndarray, radius: np.ndarray) -> np.ndarray:
        """Proved for all images within distances [B], by the Lipschitz constants alone: [B, K], infinite for the label itself.

        Args:
            margins: of B images, see `margins`.
            label: int [B].
            radius: [B].
        """
        within = margins - self.pairs[label] * radius[:, None] * (1 + 1e-9)
        np.put_along_axis(within, label[:, None], np.inf, axis=1)
        return within

    def names(self, positions: np.ndarray) -> list[str]:
        """Of the layers at positions of the circuit, as certificates tell them."""
        return [self.circuit.names[position] if position else "the ball" for position in positions]

    def lipschitz_radii(self, margins: np.ndarray, label: np.ndarray) -> np.ndarray:
        """Distances in L2 before which class j cannot overtake the label: [B, K], infinite for the label itself.

        A difference of two logits changes by no more than its Lipschitz constant times the distance (Tsuzuku et al. 2018,
        arXiv:1802.04034).
        """
        constants = self.pairs[label] * _ONE_BIT
        radii = np.divide(margins, constants, out=np.where(margins > 0, np.inf, 0.0), where=constants > 0)
        radii = np.maximum(radii, 0)
        np.put_along_axis(radii, label[:, None], np.inf, axis=1)
        return radii


def warn_if_hopeless(radii: np.ndarray, farthest: np.ndarray) -> bool:
    """Says early that nothing worth having will come out: whether Lipschitz radii [B] are nearly nothing."""
    with np.errstate(invalid="ignore"):  # both may be infinite
        share = float(np.median(radii / farthest))
    if 0 < share < _HOPELESS:
        warnings.warn(
            f"The network's Lipschitz bound certifies {share:.1g} of the longest possible change: it is too deep, or its "
            "norms are too large, for a certificate that says anything.",
            stacklevel=4,
        )
        return True
    return False


def _pairs(graph: Sequence[Node], constants: Sequence[float]) -> np.ndarray:
    """By the rows of a last dense layer, ‖w_i − w_j‖ times what is before; else √2 times the whole network's.

    Of one logit z it is that of z itself, whose other logit is 0.
    """
    last = graph[-1]
    is_apart = gives_probabilities(last) and len(graph) > 1
    end = last.sources[0] if is_apart else len(graph) - 1
    layer = graph[end].operation
    is_dense = type(layer) is keras.layers.Dense
    squashes = is_dense and not is_apart and is_probability(layer.activation, last)
    slope = activation_slope(layer.activation, named(layer)).bound if squashes else 1.0
    classes = last.shape[0]
    whole = np.sqrt(min(classes, 2)) * constants[end] / slope * _ONE_BIT
    pairs = np.full((max(classes, 2), max(classes, 2)), whole)
    if is_dense and (squashes or layer.activation is keras.activations.linear):
        rows = weight(layer, "kernel").T
        rows = np.concatenate([np.zeros_like(rows), rows]) if classes == 1 else rows
        apart = np.array([np.linalg.norm(rows - row, axis=1) for row in rows])
        pairs = np.minimum(pairs, apart * constants[graph[end].sources[0]] * _ONE_BIT)
    np.fill_diagonal(pairs, 0)
    return pairs
