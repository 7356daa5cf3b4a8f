"""The primary hypothesis on units and random directions: one sentence, one measure and one margin, fixed before its numbers.

The paper, §3: "there is no distinction between individual high level units and random linear combinations of high level
units". Read as it was seen there: the images that maximize the activation along a random direction are as alike as those
that maximize a unit's, in the last hidden layer of a network, with nothing done to activations or directions. The
measure is the mean score of a network's units minus that of its random directions. What is drawn is the network: the
mean over networks, each of the same weight whatever its training runs, has the variance of networks, which has that of
their training runs and of their directions in it. Of one network it has that of training runs, of one training run
that of directions.
"""

from collections.abc import Sequence

import numpy as np

from keras_intriguing.report import Cell, Claim
from reproductions.coherence.comparisons import LayerRecord, Nets
from reproductions.coherence.contrasts import Estimate, Term, estimate
from reproductions.coherence.kinds import RANDOM, UNITS
from reproductions.presentation.verdicts import Scale, claim
from reproductions.shared import verdict
from reproductions.shared.effects import RUNS, Effect, Level

STATEMENT = "Units and random directions mean equally much: their images are equally alike"
# of the way from random images to the most alike that were found: a smaller difference counts as none
MARGIN = 0.05
SCORE = Scale(1, 3, "")
_NETWORKS, _DIRECTIONS = "networks", "directions"


def of_net(runs: Sequence[LayerRecord]) -> Estimate:
    """Units minus random directions, mean over the training runs of a network."""
    return estimate(_terms(runs, 1.0))


def effect(nets: Nets) -> Effect:
    """Units minus random directions, mean over networks."""
    unit, drawn = _NETWORKS, list(nets.values())
    if len(drawn) == 1:
        unit, drawn = RUNS, [[record] for record in drawn[0]]
    found = [of_net(records) for records in drawn]
    means = [one.value for one in found]
    if len(means) == 1:
        level = Level(_DIRECTIONS, len(drawn[0][0].scores_of(UNITS)), found[0].deviation ** 2)
    else:
        level = Level(unit, len(means), float(np.var(means, ddof=1)) / len(means))
    return Effect(float(np.mean(means)), (level,))


def decided(nets: Nets, where: str) -> Claim:
    """What these networks say of the hypothesis.

    Args:
        nets: by name.
        where: the layers, in words.
    """
    found = {"Units minus random directions": effect(nets)}
    decision = verdict.alike(list(found.values()), MARGIN)
    (mean,), ((low, high),) = found.values(), decision.intervals
    return claim(
        STATEMENT,
        decision,
        found,
        SCORE,
        f"difference of scores, mean over {where}",
        Cell(SCORE.signed(mean.value), f"{SCORE.signed(low)} to {SCORE.signed(high)}"),
        "“There is no distinction between individual high level units and random linear combinations of high level units”; read "
        f"as: the difference of scores is smaller than {MARGIN:g}.",
    )


def _terms(runs: Sequence[LayerRecord], weight: float) -> list[Term]:
    each = weight / len(runs)
    return [term for record in runs for term in (Term(each, record, UNITS), Term(-each, record, RANDOM))]
