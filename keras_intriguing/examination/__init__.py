"""How fragile one's own model is: a page with its distortions, certificates, examples and norms."""

from keras_intriguing.examination.run import Examination, examine
from keras_intriguing.examination.stages import STAGES

__all__ = ["STAGES", "Examination", "examine"]
