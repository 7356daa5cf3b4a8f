"""A network as the steps that bounds are propagated through."""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from keras_intriguing.certificates.steps.activation import Activation
from keras_intriguing.certificates.steps.curves import Curve
from keras_intriguing.certificates.steps.linear import Apply, Linear
from keras_intriguing.certificates.steps.lipschitz import Lipschitz
from keras_intriguing.certificates.steps.local_response import LocalResponse
from keras_intriguing.certificates.steps.maximum import Maximum
from keras_intriguing.certificates.steps.merging import Concatenation, Sum
from keras_intriguing.certificates.steps.step import Step
from keras_intriguing.spectral.network import LipschitzConstants


class Circuit:
    """Steps in order of computation, the last of which gives the logits.

    Position 0 is the image; every method appends a step and returns its position.

    Args:
        shape: of the image.
        constants: of the layers, which are measured once.

    Attributes:
        steps: None for the image.
        names: of the layers that the steps belong to.
    """

    def __init__(self, shape: Sequence[int], constants: LipschitzConstants) -> None:
        self.steps: list[Step | None] = [None]
        self.names = ["the image"]
        self.constants = constants
        self.naming = ""
        self._shapes = [tuple(shape)]

    def step(self, position: int) -> Step:
        """At a position behind the image's.

        Raises:
            IndexError: the image is no step.
        """
        step = self.steps[position]
        if step is None:
            raise IndexError(f"At {position} is the image.")
        return step

    def shape(self, position: int) -> tuple[int, ...]:
        """Of a step's values."""
        return self._shapes[position]

    def size(self, position: int) -> int:
        """How many values a step has."""
        return int(np.prod(self._shapes[position]))

    def values(self, x: tf.Tensor) -> list[tf.Tensor]:
        """Of every step, for images x [B, …]."""
        values = [x]
        for position in range(1, len(self.steps)):
            step = self.step(position)
            values.append(step.value([values[source] for source in step.sources]))
        return values

    def linear(
        self,
        source: int,
        shape: Sequence[int],
        apply: Apply,
        weights: Sequence[np.ndarray] = (),
        bias: np.ndarray | float = 0.0,
        norm: float = 1.0,
        keeps_angles: bool = False,
    ) -> int:
        """W·x + bias; see `Linear`."""
        step = Linear(source, shape, apply, weights, bias, norm, keeps_angles)
        step.source_shape = self._shapes[source]
        return self._append(step)

    def scaled(self, source: int, factors: np.ndarray | float, bias: np.ndarray | float = 0.0) -> int:
        """Values times factors, both broadcast to their shape, plus bias."""
        shape = self._shapes[source]
        norm = float(np.max(np.abs(factors))) * (1 + 1e-14)
        return self.linear(
            source,
            shape,
            lambda w, x: x * w[0],
            [np.broadcast_to(factors, shape)],
            np.broadcast_to(bias, shape),
            norm,
            keeps_angles=bool(np.ptp(np.abs(factors)) == 0),
        )

    def activation(self, source: int, curve: Curve) -> int:
        """A function of every value."""
        return self._append(Activation(source, self._shapes[source], curve))

    def maximum(self, source: int) -> int:
        """The largest value along the last axis."""
        *shape, count = self._shapes[source]
        return self._append(Maximum(source, shape, count))

    def total(self, sources: Sequence[int], signs: Sequence[float]) -> int:
        """Σ signs·values."""
        return self._append(Sum(sources, self._shapes[sources[0]], signs))

    def concatenation(self, sources: Sequence[int], axis: int) -> int:
        """Values side by side along an axis, counted without the batch axis."""
        return self._append(Concatenation(sources, [self._shapes[s] for s in sources], axis))

    def local_response(
        self, source: int, size: int, bias: float, alpha: float, beta: float, constant: float
    ) -> int:
        """Values over a power of the energy of the channels beside them; see `LocalResponse`."""
        return self._append(LocalResponse(source, self._shapes[source], size, bias, alpha, beta, constant))

    def lipschitz(self, source: int, shape: Sequence[int], function: Callable, constant: float) -> int:
        """Any function with a Lipschitz constant."""
        return self._append(Lipschitz(source, shape, function, constant))

    def _append(self, step: Step) -> int:
        self.steps.append(step)
        self.names.append(self.naming)
        self._shapes.append(step.shape)
        return len(self.steps) - 1
