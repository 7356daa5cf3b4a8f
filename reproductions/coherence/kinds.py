"""The kinds of directions that are compared: units, and what they are compared with."""

import math

import numpy as np

import keras_intriguing as ki
from keras_intriguing.directions import Moments

RANDOM_COUNT = 1000  # directions of every random kind

UNITS, RANDOM, ROTATED, PRINCIPAL = "units", "random", "rotated bases", "principal"
OFF_MEAN_UNITS, OFF_MEAN = "units, without the mean", "random, without the mean"
WHITE_UNITS, WHITE = "units, whitened", "random, whitened"
KINDS = (UNITS, RANDOM, ROTATED, PRINCIPAL, OFF_MEAN_UNITS, OFF_MEAN, WHITE_UNITS, WHITE)
# what is compared with what: the second is the rival, which has had done to it what the units have
PAIRS = (
    *((UNITS, rival) for rival in (RANDOM, ROTATED, PRINCIPAL)),
    (OFF_MEAN_UNITS, OFF_MEAN),
    (WHITE_UNITS, WHITE),
)
UNIT_KINDS = (UNITS, OFF_MEAN_UNITS, WHITE_UNITS)  # one direction a unit
RANDOM_KINDS = (RANDOM, OFF_MEAN, WHITE)  # the same random vectors in all layers of a width
LEARNING = (UNITS, RANDOM, WHITE_UNITS, WHITE)  # compared with themselves in the untrained net


def comparison(kind: str, rival: str) -> str:
    """The name of the comparison of a kind with another."""
    return f"{kind} − {rival}"


def learned(kind: str) -> str:
    """The name of the comparison of a kind with the same before training."""
    return f"{kind} − {kind}, untrained"


def directions_of(moments: Moments, alive: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """The directions [M, D] of every kind; the units are those that are `alive`, bool [D].

    Principal directions along which activations vary by rounding only are left out.
    """
    width = len(moments.mean)
    own = ki.directions.units(width)[alive]
    random = ki.directions.random_directions(width, RANDOM_COUNT, seed)
    bases = [
        ki.directions.rotated_basis(width, RANDOM_COUNT * (seed + 1) + i)  # no draw that `random` has
        for i in range(math.ceil(RANDOM_COUNT / width))
    ]
    principal = ki.directions.principal_directions(moments)
    variances = np.einsum("md,de,me->m", principal, moments.covariance, principal, optimize=True)
    return {
        UNITS: own,
        RANDOM: random,
        ROTATED: np.concatenate(bases)[:RANDOM_COUNT],
        PRINCIPAL: principal[variances > moments.rounding],
        OFF_MEAN_UNITS: ki.directions.without_mean(own, moments),
        OFF_MEAN: ki.directions.without_mean(random, moments),
        WHITE_UNITS: ki.directions.whitened(own, moments),
        WHITE: ki.directions.whitened(random, moments),
    }
