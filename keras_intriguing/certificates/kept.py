"""Models that were prepared for certificates, which are kept for later calls."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import keras

from keras_intriguing.attack.network import fingerprint
from keras_intriguing.certificates import lowering
from keras_intriguing.certificates.classifier import Classifier
from keras_intriguing.classifiers.logits import Trace
from keras_intriguing.spectral import registry
from keras_intriguing.spectral.graph import Node

KEPT = 4
_MOST_WEIGHTS = 2**23  # of a model that is kept: its weights take 20 bytes each
_KEPT: OrderedDict[Hashable, Classifier] = OrderedDict()  # the last used last
_LOCK = threading.Lock()


def classifier_of(graph: Sequence[Node], trace: Trace, on_stage: Callable[[str], None]) -> Classifier:
    """A model prepared for certificates, or what an earlier call has prepared of the same layers with the same weights.

    Args:
        graph: the model's nodes.
        trace: of the model, which tells whether it computes the same as it did.
        on_stage: told the name of every layer before it is measured.
    """
    computed = fingerprint(trace)
    weights = sum(weight.shape.num_elements() for weight in trace.graph.variables)
    if computed is None or weights > _MOST_WEIGHTS:
        return Classifier(graph, on_stage)
    # Layers and rules compare by identity: steps may call the layers themselves, and a rule may have been replaced.
    operations = tuple(node.operation for node in graph if type(node.operation) is not keras.layers.Identity)
    key = computed, operations, tuple(_rules(operation) for operation in operations)
    with _LOCK:
        if key in _KEPT:
            _KEPT.move_to_end(key)
            return _KEPT[key]
    made = Classifier(graph, on_stage)
    with _LOCK:
        _KEPT[key] = made
        if len(_KEPT) > KEPT:
            _KEPT.popitem(last=False)
    return made


def _rules(operation: Any) -> tuple[Hashable, Hashable]:
    """By which its steps are made and its constant is found."""
    kind = type(operation)
    constant = registry.rule_of(operation) if registry.is_registered(kind) else None
    return lowering.RULES.get(kind), constant
