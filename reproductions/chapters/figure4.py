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
    layer = photographs.LAYERS[0]
    found = hypothesis.decided({layer: [photographs.records(values)[layer]]}, f"the directions of {layer}")
    return [
        dataclasses.replace(
            found,
            statement="On photographs, too, units and random directions are equally alike",
            evidence=f"{found.evidence} Of this one network: only its directions are taken as drawn.",
        )
    ]


CHAPTER = Chapter("figure4", lambda run: photographs.plan(), _section, _claims, photographs=True)
