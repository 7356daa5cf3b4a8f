"""Distortions below which a label is proved to stay."""

from keras_intriguing.certificates.distortion import Certificate, certified_distortion

__all__ = ["Certificate", "certified_distortion"]
