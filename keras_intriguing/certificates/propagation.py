"""Lower bounds of differences of logits for all images of a region, by a backward pass through the circuit.

A bound of the rows C of logits is carried from the end to the image, as a function of each step's values v:

    C·logits ≥ constant + Σ over the steps that are still open of c·(v − v̂) − ½·t·‖v − v̂‖²,

v̂ being the values at the image itself. A linear map turns c into Wᵀc and t into t·‖W‖²; a unit chooses new slopes and
a new penalty t, and pays for them by a minimum in one dimension. At the end c·r has a minimum over ball and box, and the
penalty costs ½·t·radius². So the ball is kept as a whole through all layers, and every unit's interval is used too. All
slopes and penalties may be chosen freely: any of them gives a proof, and they are improved by gradients.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from keras_intriguing.certificates.circuit import Circuit
from keras_intriguing.certificates.region import Region, least_on
from keras_intriguing.certificates.steps.activation import Activation
from keras_intriguing.certificates.steps.step import Enclosure, OfUnits, Penalized, Variables, by_row, total
from keras_intriguing.spectral.numerics.rounding import gamma

_VALUES = 2**16  # of one array while hidden units are bounded: a processor's cache holds some of them


class Propagated(NamedTuple):
    """Lower bounds of B images and m rows each, and where they come from.

    Attributes:
        bound: [B, m].
        costs: what every step has cost, [B, m] each: first the ball's penalty, then one a step.
        units: what units add to the bound, by the positions of activations; only where it is proved.
        change: of the image, about where the last bound is least, [B, m, *shape].
    """

    bound: tf.Tensor
    costs: list[tf.Tensor]
    units: dict[int, OfUnits]
    change: tf.Tensor


class Gaps(NamedTuple):
    """What bounds [B, m] lack of what an image of the region attains, that about where the last bound is least.

    Attributes:
        attained: rows·v there, [B, m], but for rounding.
        of_units: how far a unit's objective is there above its least, [B, m, *shape], by the positions of activations;
            below 0 only where the image lies outside of the intervals.
        between: the middle of the unit's input there and of where its objective is least, likewise.
    """

    attained: tf.Tensor
    of_units: dict[int, tf.Tensor]
    between: dict[int, tf.Tensor]


def rounding_of(circuit: Circuit) -> float:
    """A bound on the relative error of any sum in float64 that a bound of this circuit consists of; of powers see their step."""
    return gamma(1000 + 8 * max(circuit.size(i) for i in range(len(circuit.steps))))


def work(circuit: Circuit) -> dict[int, int]:
    """Of bounding what activations are applied to one by one: units times all values before them, by position."""
    activated = sorted({step.sources[0] for step in circuit.steps if isinstance(step, Activation)} - {0})
    return {
        position: circuit.size(position) * sum(map(circuit.size, range(position))) for position in activated
    }


def enclosures(
    circuit: Circuit, region: Region, rounding: float = 0.0, most_work: int = 0
) -> list[Enclosure]:
    """Where the values of every step lie for the images of a region; valid where `rounding` is not 0.

    By each step's own means; and what activations are applied to by bounds that are propagated to the image too, where
    their `work` is no more than `most_work`.
    """
    found = [region.enclosure()]
    of_units = work(circuit)
    for position in range(1, len(circuit.steps)):
        step = circuit.step(position)
        known = step.enclose([found[source] for source in step.sources], rounding)
        found.append(known)
        if of_units.get(position, math.inf) <= most_work:
            found[position] = tightened(circuit, region, found, rounding)
    return found


def tightened(circuit: Circuit, region: Region, known: Sequence[Enclosure], rounding: float) -> Enclosure:
    """The last enclosure, narrowed by bounds of all its values from below and above."""
    loose = known[-1]
    size, images = circuit.size(len(known) - 1), loose.centre.shape[0]
    widest = max(circuit.size(i) for i in range(len(known)))
    at_once = max(1, min(_VALUES // (2 * images * widest), size))
    parts = -(-size // at_once)
    variables = [without_tangents(of) for of in start(circuit, known, 2 * at_once)]

    @tf.autograph.experimental.do_not_convert  # which takes seconds where this is not traced, and is not needed
    def bounded(places: tf.Tensor) -> tf.Tensor:
        unit = tf.one_hot(places, size, dtype=loose.centre.dtype)
        rows = tf.reshape(tf.concat([unit, -unit], axis=0), (1, 2 * at_once, *loose.centre.shape[1:]))
        rows = tf.repeat(rows, images, axis=0)
        return lower_bounds(circuit, region, known, rows, variables, rounding).bound

    # the last part repeats a unit, so that all have one shape and the loop's body is traced once
    places = tf.minimum(tf.reshape(tf.range(parts * at_once), (parts, at_once)), size - 1)
    found = tf.map_fn(bounded, places, fn_output_signature=loose.centre.dtype)
    found = tf.reshape(found, (parts, images, 2, at_once))
    found = tf.reshape(tf.transpose(found, (2, 1, 0, 3)), (2, images, -1))[..., :size]
    bounds = tf.reshape(found, (2, *loose.centre.shape))
    lower = tf.clip_by_value(bounds[0], loose.lower, loose.centre)
    upper = tf.clip_by_value(-bounds[1], loose.centre, loose.upper)
    return loose._replace(lower=lower, upper=upper)


def without_tangents(variables: Variables) -> Variables:
    """For many rows, whose tangents would be large arrays."""
    return {name: values for name, values in variables.items() if name != "tangent"}


def start(circuit: Circuit, known: Sequence[Enclosure], rows: int) -> list[Variables]:
    """First values of all that may be chosen, for every step."""
    return [
        {} if step is None else step.start([known[source] for source in step.sources], rows)
        for step in circuit.steps[: len(known)]
    ]


def lower_bounds(
    circuit: Circuit,
    region: Region,
    known: Sequence[Enclosure],
    rows: tf.Tensor,
    variables: Sequence[Variables],
    rounding: float = 0.0,
) -> Propagated:
    """Lower bounds of rows·v for all images of a region, v the values of the last step known; proved if `rounding` is not 0.

    Args:
        circuit: of the network.
        region: of B images.
        known: its `enclosures`, all or up to some step.
        rows: [B, m, *shape of v].
        variables: for every step, of the shapes of `start`.
        rounding: see `rounding_of`; 0 where an estimate is enough.
    """
    zero = tf.zeros(rows.shape[:2], rows.dtype)
    values, last = known[-1].centre[:, None], len(known) - 1
    bound = total(rows * values)
    lost = rounding * total(tf.abs(rows * values))
    costs = [zero] * len(known)
    units: dict[int, OfUnits] = {}
    open_bounds: dict[int, Penalized] = {last: Penalized(rows, zero)}
    for position in range(last, 0, -1):
        if position not in open_bounds:  # nothing rests on it
            continue
        step = circuit.step(position)
        sources = [known[source] for source in step.sources]
        passed = step.pass_on(
            open_bounds.pop(position), sources, known[position], variables[position], rounding
        )
        bound, lost = bound + passed.constant, lost + passed.lost
        costs[position] = -passed.constant
        if passed.units is not None:
            units[position] = passed.units
        for source, of_source in zip(step.sources, passed.sources, strict=True):
            before = open_bounds.get(source)
            both = of_source if before is None else Penalized(before.c + of_source.c, before.t + of_source.t)
            open_bounds[source] = both
    if 0 not in open_bounds:
        still = tf.zeros((*rows.shape[:2], *region.x.shape[1:]), rows.dtype)
        return Propagated(bound - lost, costs, units, still)
    c, t = open_bounds[0]
    least, change = least_on(c, region)
    penalty = 0.5 * t * known[0].radius[:, None] ** 2
    if rounding:
        size = total(tf.abs(c * change)) + tf.sqrt(total(c**2)) * region.radius[:, None]
        lost += rounding * (4 * size + penalty + total(tf.abs(c) * known[0].span[:, None]))
    costs[0] = penalty
    return Propagated(bound + least - penalty - lost, costs, units, change)


def gaps(circuit: Circuit, region: Region, rows: tf.Tensor, found: Propagated) -> Gaps:
    """Where proved bounds of the logits' rows are not tight."""
    images, count = rows.shape[:2]
    length = tf.sqrt(total(found.change**2))
    share = tf.minimum(tf.ones_like(length), region.radius[:, None] / tf.maximum(length, 1e-30))
    there = region.x[:, None] + by_row(share, found.change) * found.change
    values = circuit.values(tf.reshape(there, (images * count, *there.shape[2:])))
    attained = total(rows * tf.reshape(values[-1], rows.shape))
    of_units, between = {}, {}
    for position, units in found.units.items():
        (source,) = circuit.step(position).sources
        s = tf.reshape(values[source], units.at.shape)
        of_units[position] = units.objective(s) - units.least
        between[position] = (s + units.at) / 2
    return Gaps(attained, of_units, between)
