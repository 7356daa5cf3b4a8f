"""What the search for a radius and the verification of one have in common."""

import math
import numbers
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from keras_intriguing.certificates.circuit import Circuit
from keras_intriguing.classifiers.logits import check_one_output
from keras_intriguing.classifiers.request import check_input_type
from keras_intriguing.progress import Progress

_STEPS = {"quick": 0, "standard": 60, "thorough": 300}
BEFORE_PARTS = 0.2  # share of a batch's progress that is told of before branch and bound
_MEMORY = 2**30  # bytes
_OF_A_VALUE = 4 * 60  # bytes of a value in one row: some sixty float32 arrays live at once
# Sizes of batches, few of them, since compiled functions are kept for each.
_SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, with what was certified until then: images that were not reached have their Lipschitz bound.

    Attributes:
        result: a `Certificate` or a `Verification`.
    """

    def __init__(self, result: Any) -> None:
        super().__init__()
        self.result = result


def check_model(model: Any, function: str, x: Any) -> None:
    """Checks that a model has layers, one input and one output.

    Args:
        model: what is given.
        function: that was called.
        x: its images.

    Raises:
        TypeError: it is no Keras model, or takes whole numbers.
        ValueError: it has several inputs or outputs.
    """
    if not isinstance(model, keras.Model):
        raise TypeError(
            f"{function} needs the model's layers: a Keras model of one input, not {type(model).__name__}."
        )
    check_one_output(model, x, needs_layers=True)
    check_input_type(model)


def steps_of(effort: str) -> int:
    """How many steps of optimization an effort is.

    Raises:
        ValueError: there is no such effort.
    """
    if effort not in _STEPS:
        raise ValueError(f"effort must be one of {', '.join(_STEPS)}, not {effort!r}.")
    return _STEPS[effort]


def checked_seconds(seconds: float) -> float:
    """A time.

    Raises:
        ValueError: it is no finite number of at least 0.
    """
    is_number = isinstance(seconds, numbers.Real) and not isinstance(seconds, bool)
    if not is_number or not 0 <= seconds < math.inf:
        raise ValueError(f"seconds must be a finite number of at least 0, not {seconds!r}.")
    return float(seconds)


def part_of(tell: Callable[[float], None], first: float, last: float) -> Callable[[float], None]:
    """Tells of a share of what is between two shares."""
    return lambda share: tell(first + share * (last - first))


def rows_of(margins: np.ndarray) -> int:
    """How many classes besides the label there are."""
    return margins.shape[1] - 1


def images_at_once(circuit: Circuit, rows: int, count: int) -> int:
    """How many images a batch has: no more than their bounds fit the working memory, in batches of about equal size."""
    values = sum(circuit.size(i) for i in range(len(circuit.steps)))
    most = max([1, *(size for size in _SIZES if size <= _MEMORY // (_OF_A_VALUE * values * rows))])
    even = math.ceil(count / math.ceil(count / most))
    return next(size for size in _SIZES if size >= even)


def whole_batches(count: int, size: int) -> Iterator[tuple[np.ndarray, int]]:
    """Batches of positions, all of one size, and how many are done after each; the last repeats the last position."""
    for first in range(0, count, size):
        yield np.minimum(np.arange(first, first + size), count - 1), min(first + size, count)


def telling(show: Progress, done: int, last: int, count: int) -> Callable[[float], None]:
    """A function of how large a share of a batch is done that tells how many of all images are.

    Args:
        show: is told.
        done: images before the batch.
        last: images that are done after it.
        count: of all.
    """
    return lambda share: show(done + share * (last - done), count)


def loosest(bounds: np.ndarray, costs: np.ndarray) -> np.ndarray:
    """The step [B] that costs most, of costs [steps, B, m], in each image's least bound [B, m]."""
    worst = bounds.argmin(axis=1)
    return np.take_along_axis(costs, worst[None, :, None], axis=2)[..., 0].argmax(axis=0)
