"""Figure 3: photographs that maximize single units of the AlexNet-style net."""

from keras_intriguing.report import Section
from reproductions.coherence import figures, kinds, photographs
from reproductions.shared.chapter import Chapter
from reproductions.shared.measurement import Values
from reproductions.shared.run import Run


def _section(run: Run, values: Values) -> Section:
    """The panels of units."""
    rule = f"The units were drawn at random (seed {run.seed})."
    heading = "Figure 3: photographs that maximize a unit"
    return figures.photographs_section(run, photographs.records(values), kinds.UNITS, heading, rule)


CHAPTER = Chapter("figure3", photographs.plan, _section, photographs=True)
