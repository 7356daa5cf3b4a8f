"""The box-constrained L-BFGS attack: minimal distortions of images that change a model's label."""

from keras_intriguing.attack.minimal import minimal_distortion
from keras_intriguing.attack.result import Result

__all__ = ["Result", "minimal_distortion"]
