"""Distances within which a label is proved to stay."""

from keras_intriguing.certificates.distortion import Certificate, certified_distortion
from keras_intriguing.certificates.lowering import register
from keras_intriguing.certificates.search import Interrupted
from keras_intriguing.certificates.verification import Verification, verify

__all__ = ["Certificate", "Interrupted", "Verification", "certified_distortion", "register", "verify"]
