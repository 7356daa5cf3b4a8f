"""The search for slopes and penalties that prove most: gradient steps in float32, and the proof in float64."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_intriguing.certificates import propagation
from keras_intriguing.certificates.circuit import Circuit
from keras_intriguing.certificates.region import Region
from keras_intriguing.certificates.steps.step import Enclosure, Variables
from keras_intriguing.classifiers.pixels import Bounds

_RATES = {"slope": 0.05, "penalty": 0.2, "kept": 0.1, "tangent": 0.2}  # of a step, in units of the variables
_REFRESHED = 5  # steps between two enclosures
_MOST_WORK = 2**22  # for bounding a layer's units one by one, an image
_FIRST, _SECOND = 0.9, 0.99  # Adam's


class Problem(NamedTuple):
    """What is to be proved of B images: x [B, …], labels [B] and other classes [B, m], all as NumPy arrays."""

    x: np.ndarray
    label: np.ndarray
    others: np.ndarray


class Optimizer:
    """Bounds of the margins of B images over m classes in a ball and the box.

    Args:
        circuit: of the network.
        images, rows: B and m.
        bounds: of every pixel.
    """

    def __init__(self, circuit: Circuit, images: int, rows: int, bounds: Bounds) -> None:
        self._circuit, self._bounds, self._rounding = circuit, bounds, propagation.rounding_of(circuit)
        self._count = images, rows
        self._variables: list[Variables] = []
        self._moments: list[tuple[tf.Variable, tf.Variable]] = []
        self._compiled = tf.function(self._step, autograph=False)
        self._enclosed = tf.function(self._enclosures, autograph=False)
        self._known: list[Enclosure] = []

    def start(self, problem: Problem, radius: np.ndarray) -> None:
        """Begins anew with a problem, from what is a good choice for a radius [B]."""
        region = self._region(problem.x, radius, tf.float32)
        first = propagation.start(
            self._circuit, propagation.enclosures(self._circuit, region), self._count[1]
        )
        if not self._variables:
            self._variables = [{name: tf.Variable(v) for name, v in of.items()} for of in first]
            zeros = [tf.zeros_like(v) for of in first for v in of.values()]
            self._moments = [(tf.Variable(z), tf.Variable(z)) for z in zeros]
            return
        for own, of in zip(self._variables, first, strict=True):
            for name, value in of.items():
                own[name].assign(value)
        for pair in self._moments:
            for moment in pair:
                moment.assign(tf.zeros_like(moment))

    def improve(self, problem: Problem, radius: np.ndarray, step: int, rate: float) -> np.ndarray:
        """One gradient step; the bounds [B, m] before it, in float32.

        Args:
            problem: that of `start`.
            radius: [B], which may differ from step to step.
            step: counted from 1.
            rate: the share of the largest step.
        """
        region = self._region(problem.x, radius, tf.float32)
        if step % _REFRESHED == 1:  # in between, those of a radius nearby will do for a search
            self._known = self._enclosed(region)
        rows = tf.constant(self._rows(problem), tf.float32)
        counted = tf.constant(float(step), tf.float32), tf.constant(rate, tf.float32)
        return self._compiled(region, self._known, rows, *counted).numpy().astype(np.float64)

    def proved(self, problem: Problem, radius: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Proved lower bounds [B, m] of the margins, with the present choice, and what the steps cost [steps, B, m]."""
        region = self._region(problem.x, radius, tf.float64)
        known = propagation.enclosures(self._circuit, region, self._rounding, _MOST_WORK)
        variables = [{name: tf.cast(v, tf.float64) for name, v in of.items()} for of in self._variables]
        rows = tf.constant(self._rows(problem), tf.float64)
        found, costs = propagation.lower_bounds(self._circuit, region, known, rows, variables, self._rounding)
        found = found.numpy()
        return np.where(np.isnan(found), -np.inf, found), np.stack([cost.numpy() for cost in costs])

    def _rows(self, problem: Problem) -> np.ndarray:
        one_hot = np.eye(self._circuit.size(len(self._circuit.steps) - 1))
        return one_hot[problem.label][:, None] - one_hot[problem.others]

    def _region(self, x: np.ndarray, radius: np.ndarray, dtype: tf.DType) -> Region:
        return Region(*(tf.constant(v, dtype) for v in (x, radius, *self._bounds)))

    def _enclosures(self, region: Region) -> list[Enclosure]:
        return propagation.enclosures(self._circuit, region, most_work=_MOST_WORK)

    def _step(
        self, region: Region, known: list[Enclosure], rows: tf.Tensor, step: tf.Tensor, rate: tf.Tensor
    ) -> tf.Tensor:
        known = [region.enclosure(), *known[1:]]
        flat = [(name, v) for of in self._variables for name, v in of.items()]
        with tf.GradientTape() as tape:
            found, _ = propagation.lower_bounds(self._circuit, region, known, rows, self._variables)
            objective = tf.reduce_sum(found)
        gradients = tape.gradient(objective, [v for _, v in flat])
        for (name, variable), gradient, (first, second) in zip(flat, gradients, self._moments, strict=True):
            if gradient is None:
                continue
            gradient = tf.where(tf.math.is_finite(gradient), gradient, tf.zeros_like(gradient))
            first.assign(_FIRST * first + (1 - _FIRST) * gradient)
            second.assign(_SECOND * second + (1 - _SECOND) * gradient**2)
            move = (first / (1 - _FIRST**step)) / (tf.sqrt(second / (1 - _SECOND**step)) + 1e-20)
            variable.assign_add(rate * _RATES[name] * move)
        return found
