"""How fragile one's own model is: a page with its distortions, certificates, examples and norms."""

from keras_intriguing.examination.run import STAGES, Examination, examine

__all__ = ["STAGES", "Examination", "examine"]
