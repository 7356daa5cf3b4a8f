"""Intervals of the units of wide layers, unit by unit: by lines that all units share, so without optimization."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from keras_intriguing.certificates import propagation
from keras_intriguing.certificates.circuit import Circuit
from keras_intriguing.certificates.programs import MOST_WORK, Programs
from keras_intriguing.certificates.region import Region
from keras_intriguing.certificates.steps.activation import Activation
from keras_intriguing.certificates.steps.step import Enclosure, Variables, by_row

_MOST_WORK = 2**28  # for an image: units times all values before them
_VALUES = 2**20  # of one array


def is_affordable(circuit: Circuit) -> bool:
    """Whether layers are too wide for `propagation.enclosures`, and not for `narrow_enclosures`."""
    work = propagation.work(circuit).values()
    return max(work, default=0) > MOST_WORK and sum(work) <= _MOST_WORK


def narrow_enclosures(programs: Programs, region: Region, rounding: float = 0.0) -> list[Enclosure]:
    """Where the values of every step lie for the images of a region; valid where `rounding` is not 0.

    As `propagation.enclosures`; and every unit on whose interval its activation is not constant by lines that are carried
    to the image.
    """
    circuit = programs.circuit
    curves = {step.sources[0]: step.curve for step in circuit.steps if isinstance(step, Activation)}
    of_units = propagation.work(circuit)
    found: list[Enclosure] = [region.enclosure()]
    lines: list[Variables] = [{}]
    for position in range(1, len(circuit.steps)):
        step = circuit.step(position)
        sources = [found[source] for source in step.sources]
        found.append(step.enclose(sources, rounding))
        lines.append({})
        if position in curves:
            if of_units[position] <= MOST_WORK:
                found[-1] = programs.tightened(region, list(found), rounding)
            for sign in (-1.0, 1.0):
                low, high = curves[position].enclose(found[-1].lower, found[-1].upper)
                found[-1] = _narrowed(programs, region, found, lines, (low < high).numpy(), sign, rounding)
        lines[-1] = step.lines(sources, found[-1], rounding)
    return found


def spreading(of: Enclosure, factor: tf.Tensor) -> Enclosure:
    """As far from the centre times a factor [B]: an estimate for another radius."""
    each = by_row(factor, of.centre)
    lower, upper = (of.centre + each * (end - of.centre) for end in (of.lower, of.upper))
    return Enclosure(of.centre, lower, upper, factor * of.radius)


def _next_power(count: int) -> int:
    """Of 2, that is no less: few shapes, since a function is compiled for each."""
    return 1 << max(0, count - 1).bit_length()


def _narrowed(
    programs: Programs,
    region: Region,
    known: Sequence[Enclosure],
    lines: Sequence[Variables],
    wanted: np.ndarray,
    sign: float,
    rounding: float,
) -> Enclosure:
    """The last enclosure, with the lower (sign 1) or upper (−1) ends of the wanted units moved in."""
    last = known[-1]
    images, shape = len(wanted), last.centre.shape
    wanted = wanted.reshape(images, -1)
    count = int(wanted.sum(axis=1).max())
    widest = max(int(np.prod(of.centre.shape[1:])) for of in known)
    at_once = max(1, min(_VALUES // (images * widest), _next_power(count)))
    places = np.argsort(~wanted, axis=1, kind="stable")
    least = np.full(wanted.shape, -np.inf)
    for first in range(0, count, at_once):
        # the last part repeats places, so that all have one shape
        part = places[:, np.minimum(np.arange(first, first + at_once), count - 1)]
        of_type = tf.constant(sign, last.centre.dtype)
        bounds = programs.bounded(region, list(known), list(lines), tf.constant(part), of_type, rounding)
        np.put_along_axis(least, part, bounds.numpy(), axis=1)
    least = tf.constant(np.where(np.isnan(least), -np.inf, least).reshape(shape), last.centre.dtype)
    if sign > 0:
        return last._replace(lower=tf.clip_by_value(least, last.lower, last.centre))
    return last._replace(upper=tf.clip_by_value(-least, last.centre, last.upper))
