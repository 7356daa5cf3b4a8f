"""The search for slopes and penalties that prove most: gradient steps in float32, and the proof in float64."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_intriguing.certificates import propagation
from keras_intriguing.certificates.narrowing import is_affordable, narrow_enclosures, spreading
from keras_intriguing.certificates.programs import Moments, Programs
from keras_intriguing.certificates.region import Region
from keras_intriguing.certificates.steps.step import Enclosure, Variables
from keras_intriguing.classifiers.pixels import Bounds

_REFRESHED = 5  # steps between two enclosures
_REFRESHED_WIDE = 20  # where layers are wide
_SPREADS = 1.5  # in between, their intervals are taken to grow by this power of the radius


class Problem(NamedTuple):
    """What is to be proved of B images: x [B, …], labels [B] and other classes [B, m], all as NumPy arrays."""

    x: np.ndarray
    label: np.ndarray
    others: np.ndarray


class Optimizer:
    """Bounds of the margins of images over classes in a ball and the box.

    Args:
        programs: of the network's circuit.
        bounds: of every pixel.
        narrows: whether to bound the units of wide layers one by one too, where that is affordable.

    Attributes:
        narrows: whether that is done.
    """

    def __init__(self, programs: Programs, bounds: Bounds, narrows: bool = False) -> None:
        self._programs, self._circuit, self._bounds = programs, programs.circuit, bounds
        self._rounding = propagation.rounding_of(self._circuit)
        self._variables: list[Variables] = []
        self._moments: Moments = []
        self._known: list[Enclosure] = []
        self._known_at = np.zeros(0)
        self.narrows = narrows and is_affordable(self._circuit)

    def start(self, problem: Problem, radius: np.ndarray) -> None:
        """Begins anew with a problem, from what is a good choice for a radius [B]."""
        roughly = propagation.enclosures(self._circuit, self._region(problem.x, radius, tf.float32))
        self._variables = propagation.start(self._circuit, roughly, problem.others.shape[1])
        self._moments = [
            {name: (tf.zeros_like(v), tf.zeros_like(v)) for name, v in of.items()} for of in self._variables
        ]

    def improve(self, problem: Problem, radius: np.ndarray, step: int, rate: float) -> np.ndarray:
        """One gradient step; the bounds [B, m] before it, in float32.

        Args:
            problem: that of `start`.
            radius: [B], which may differ from step to step.
            step: counted from 1.
            rate: the share of the largest step.
        """
        region = self._region(problem.x, radius, tf.float32)
        known = self._nearby(region, radius, step)
        rows = tf.constant(self._rows(problem), tf.float32)
        counted = tf.constant(float(step), tf.float32), tf.constant(rate, tf.float32)
        found, self._variables, self._moments = self._programs.step(
            region, known, rows, self._variables, self._moments, *counted
        )
        return found.numpy().astype(np.float64)

    def proved(self, problem: Problem, radius: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Proved lower bounds [B, m] of the margins, with the present choice, and what the steps cost [steps, B, m]."""
        region = self._region(problem.x, radius, tf.float64)
        known = narrow_enclosures(self._programs, region, self._rounding) if self.narrows else None
        variables = [{name: tf.cast(v, tf.float64) for name, v in of.items()} for of in self._variables]
        rows = tf.constant(self._rows(problem), tf.float64)
        found, costs = self._programs.proved(region, known, rows, variables, self._rounding)
        found = found.numpy()
        return np.where(np.isnan(found), -np.inf, found), np.stack([cost.numpy() for cost in costs])

    def _nearby(self, region: Region, radius: np.ndarray, step: int) -> list[Enclosure]:
        """Enclosures, or those of a radius nearby, which will do for a search."""
        if not self.narrows:
            if step % _REFRESHED == 1:
                self._known = self._programs.enclosed(region, 0.0)
            return self._known
        if step % _REFRESHED_WIDE == 1:
            self._known, self._known_at = narrow_enclosures(self._programs, region), radius
        spread = tf.constant((radius / self._known_at) ** _SPREADS, tf.float32)
        return [spreading(of, spread) for of in self._known]

    def _rows(self, problem: Problem) -> np.ndarray:
        one_hot = np.eye(self._circuit.size(len(self._circuit.steps) - 1))
        return one_hot[problem.label][:, None] - one_hot[problem.others]

    def _region(self, x: np.ndarray, radius: np.ndarray, dtype: tf.DType) -> Region:
        return Region.of(x, radius, self._bounds, dtype)
