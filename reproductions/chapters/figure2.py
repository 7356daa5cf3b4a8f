"""Figure 2: images that maximize random directions of a convolutional MNIST net."""

from keras_intriguing.report import Section
from reproductions.coherence import kinds
from reproductions.coherence.figures import panels_section
from reproductions.coherence.panels import Panels
from reproductions.shared.chapter import Chapter
from reproductions.shared.measurement import Values
from reproductions.shared.run import Run

PANELS = Panels("figure2/random", kinds.RANDOM)


def _section(run: Run, values: Values) -> Section:
    """The figure."""
    rule = (
        f"The four were drawn at random (seed {run.seed}) from {kinds.RANDOM_COUNT:,}, uniform on the sphere."
    )
    heading = "Figure 2: images that maximize a random direction"
    return panels_section(run, heading, "figure2-random-directions.png", values[PANELS], "direction", rule)


CHAPTER = Chapter("figure2", lambda run: [PANELS], _section)
