"""Presets out of weights that other programs trained."""

from keras_intriguing.conversion.preset import convert

__all__ = ["convert"]
