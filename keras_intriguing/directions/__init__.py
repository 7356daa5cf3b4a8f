"""Images that maximize a unit or a direction of a layer, and how alike they are (paper §3, Figures 1 and 2)."""

from keras_intriguing.directions.bases import (
    Moments,
    principal_directions,
    random_directions,
    rotated_basis,
    units,
    whitened,
    without_mean,
)
from keras_intriguing.directions.coherence import MEASURES, Coherence, CoherenceScorer, Reference, coherence
from keras_intriguing.directions.features import activations, hidden_layers, moments
from keras_intriguing.directions.search import TopImages, top_images

__all__ = [
    "MEASURES",
    "Coherence",
    "CoherenceScorer",
    "Moments",
    "Reference",
    "TopImages",
    "activations",
    "coherence",
    "hidden_layers",
    "moments",
    "principal_directions",
    "random_directions",
    "rotated_basis",
    "top_images",
    "units",
    "whitened",
    "without_mean",
]
