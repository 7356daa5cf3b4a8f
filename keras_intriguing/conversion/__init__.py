"""Presets out of weights that other programs trained."""

from keras_intriguing.conversion.alexnet import convert

__all__ = ["convert"]
