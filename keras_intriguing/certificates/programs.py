"""The compiled functions of a circuit, which later calls take again."""

from collections.abc import Callable

import tensorflow as tf

from keras_intriguing.certificates import propagation
from keras_intriguing.certificates.circuit import Circuit
from keras_intriguing.certificates.region import Region
from keras_intriguing.certificates.steps.step import Enclosure, Variables

RATES = {
    "slope": 0.05,
    "penalty": 0.2,
    "kept": 0.1,
    "tangent": 0.2,
    "added": 0.05,
}  # of a step, in units of the variables
MOST_WORK = 2**22  # for bounding a layer's units one by one, an image
_LEAST_WORK = 2**13  # from which a proof is compiled: of less, it is done sooner than traced
_FIRST, _SECOND = 0.9, 0.99  # Adam's

Moments = list[dict[str, tuple[tf.Tensor, tf.Tensor]]]  # Adam's two of every variable


class Programs:
    """What the search for slopes and penalties repeats, traced once for every number of images and rows.

    Args:
        circuit: of the network.

    Attributes:
        circuit: of the network.
        enclosed: maps a `Region` of B images and `rounding` to where every step's values lie, or to estimates where that is 0.
        step: maps such a region, its enclosures, rows [B, m, K], variables, their moments, the number of the step, from 1,
            and the share of the largest step to the bounds before the step [B, m] and the new variables and moments.
        proved: maps a region in float64, enclosures or None for those by each layer's own means and by `tightened`, rows,
            variables and `rounding` to proved lower bounds [B, m] and what the steps cost, see `Propagated`.
        explained: maps the same to proved lower bounds and their `Gaps`.
        tightened: maps a region, enclosures up to some step and `rounding` to the last enclosure, narrowed.
        bounded: maps a region, enclosures up to some step, its steps' lines, places [B, m] among that step's values, a sign and
            `rounding` to lower bounds of sign·value at these places.
    """

    def __init__(self, circuit: Circuit) -> None:
        self.circuit = circuit

        def compiled(function: Callable) -> Callable:
            traced = tf.function(function, autograph=False)
            # TensorFlow counts the traces of all nets together, and would warn of them.
            traced._omit_frequent_tracing_warning = True
            return traced

        self.enclosed = compiled(self._enclosed)
        self.step = compiled(self._step)
        self.explained = compiled(self._explained)
        self.tightened = compiled(self._tightened)
        self.bounded = compiled(self._bounded)
        is_compiled = max(propagation.work(circuit).values(), default=0) >= _LEAST_WORK
        self.proved = compiled(self._proved) if is_compiled else self._proved

    def _enclosed(self, region: Region, rounding: float) -> list[Enclosure]:
        return propagation.enclosures(self.circuit, region, rounding, MOST_WORK)

    def _proved(
        self,
        region: Region,
        known: list[Enclosure] | None,
        rows: tf.Tensor,
        variables: list[Variables],
        rounding: float,
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        if known is None:
            known = propagation.enclosures(self.circuit, region, rounding, MOST_WORK)
        found = propagation.lower_bounds(self.circuit, region, known, rows, variables, rounding)
        return found.bound, found.costs

    def _explained(
        self,
        region: Region,
        known: list[Enclosure],
        rows: tf.Tensor,
        variables: list[Variables],
        rounding: float,
    ) -> tuple[tf.Tensor, propagation.Gaps]:
        found = propagation.lower_bounds(self.circuit, region, known, rows, variables, rounding)
        return found.bound, propagation.gaps(self.circuit, region, rows, found)

    def _tightened(self, region: Region, known: list[Enclosure], rounding: float) -> Enclosure:
        return propagation.tightened(self.circuit, region, known, rounding)

    def _bounded(
        self,
        region: Region,
        known: list[Enclosure],
        lines: list[Variables],
        places: tf.Tensor,
        sign: tf.Tensor,
        rounding: float,
    ) -> tf.Tensor:
        centre = known[-1].centre
        rows = sign * tf.one_hot(places, self.circuit.size(len(known) - 1), dtype=centre.dtype)
        rows = tf.reshape(rows, (*places.shape, *centre.shape[1:]))
        others = propagation.start(self.circuit, known, places.shape[1])
        variables = [
            of or propagation.without_tangents(other) for of, other in zip(lines, others, strict=True)
        ]
        return propagation.lower_bounds(self.circuit, region, known, rows, variables, rounding).bound

    def _step(
        self,
        region: Region,
        known: list[Enclosure],
        rows: tf.Tensor,
        variables: list[Variables],
        moments: Moments,
        step: tf.Tensor,
        rate: tf.Tensor,
    ) -> tuple[tf.Tensor, list[Variables], Moments]:
        known = [region.enclosure(), *known[1:]]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            found = propagation.lower_bounds(self.circuit, region, known, rows, variables).bound
            objective = tf.reduce_sum(found)
        gradients = tape.gradient(objective, variables, unconnected_gradients="zero")
        moved: list[Variables] = []
        new_moments: Moments = []
        for of, of_gradients, of_moments in zip(variables, gradients, moments, strict=True):
            moved.append({})
            new_moments.append({})
            for name, variable in of.items():
                gradient, (first, second) = of_gradients[name], of_moments[name]
                gradient = tf.where(tf.math.is_finite(gradient), gradient, tf.zeros_like(gradient))
                first = _FIRST * first + (1 - _FIRST) * gradient
                second = _SECOND * second + (1 - _SECOND) * gradient**2
                move = (first / (1 - _FIRST**step)) / (tf.sqrt(second / (1 - _SECOND**step)) + 1e-20)
                moved[-1][name] = variable + rate * RATES[name] * move
                new_moments[-1][name] = first, second
        return found, moved, new_moments
