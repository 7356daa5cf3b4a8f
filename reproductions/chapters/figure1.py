"""Figure 1: images that maximize single units of a convolutional MNIST net."""

from keras_intriguing.report import Section
from reproductions.coherence import kinds
from reproductions.coherence.figures import panels_section
from reproductions.coherence.panels import Panels
from reproductions.shared.chapter import Chapter
from reproductions.shared.measurement import Values
from reproductions.shared.run import Run

PANELS = Panels("figure1/units", kinds.UNITS)


def _section(run: Run, values: Values) -> Section:
    """The figure."""
    rule = f"The four units were drawn at random (seed {run.seed})."
    heading = "Figure 1: images that maximize a unit"
    return panels_section(run, heading, "figure1-units.png", values[PANELS], "unit", rule)


CHAPTER = Chapter("figure1", lambda run: [PANELS], _section)
