"""The box-constrained L-BFGS attack: minimal distortions of images that change a model's label."""

from keras_intriguing.attack.minimal import minimal_distortion
from keras_intriguing.attack.penalty import WeightSearch
from keras_intriguing.attack.result import Result
from keras_intriguing.attack.timings import StepTime, step_times

__all__ = ["Result", "StepTime", "WeightSearch", "minimal_distortion", "step_times"]
