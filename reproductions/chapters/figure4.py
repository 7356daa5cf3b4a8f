"""Figure 4: photographs that maximize random directions of the AlexNet-style net, and all units compared with them."""

import dataclasses

from keras_intriguing.report import Claim, Section
from reproductions.coherence import figures, hypothesis, kinds, photographs, tables
from reproductions.shared.chapter import Chapter
from reproductions.shared.measurement import Values
from reproductions.shared.run import Run


def _section(run: Run, values: Values) -> Section:
    """The panels of random directions, and the comparison."""
    records = photographs.records(values)
    rule = f"The directions were drawn at random (seed {run.seed}) from {kinds.RANDOM_COUNT:,}, uniform on the sphere."
    heading = "Figure 4: photographs that maximize a random direction"
    found = figures.photographs_section(run, records, kinds.RANDOM, heading, rule)
    return dataclasses.replace(found, folded=[*found.folded, tables.photographs(records)])


def _claims(run: Run, values: Values) -> list[Claim]:
    """What the last hidden layer says of the paper's first claim, on photographs."""
    nets = photographs.last_layers(run, values)
    (runs,) = nets.values()
    drawn = f"{len(runs)} training runs" if len(runs) > 1 else "the directions"
    found = hypothesis.decided(nets, f"{drawn} of {photographs.LAYERS[0]}")
    return [
        dataclasses.replace(
            found,
            statement="On photographs, too, units and random directions are equally alike",
            evidence=f"{found.evidence} Of this one network: only {drawn} are taken as drawn.",
            of_paper=False,  # decided by the networks of digits
        )
    ]


CHAPTER = Chapter("figure4", photographs.plan, _section, _claims, photographs=True)
