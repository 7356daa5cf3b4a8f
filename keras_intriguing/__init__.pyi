# What a type checker reads of the public names, which __init__.py loads when they are used.

from keras_intriguing import (
    certificates,
    conversion,
    data,
    directions,
    examination,
    files,
    models,
    plots,
    presets,
    spectral,
    training,
    transfer,
)
from keras_intriguing.attack import Result, minimal_distortion
from keras_intriguing.certificates import Certificate, Verification, certified_distortion, verify
from keras_intriguing.classifiers import evaluation
from keras_intriguing.compiled import keep_compiled
from keras_intriguing.data import photographs
from keras_intriguing.examination import examine
from keras_intriguing.presets import from_preset, list_presets

__version__: str
__all__ = [
    "Certificate",
    "Result",
    "Verification",
    "certificates",
    "certified_distortion",
    "conversion",
    "data",
    "directions",
    "evaluation",
    "examination",
    "examine",
    "files",
    "from_preset",
    "keep_compiled",
    "list_presets",
    "minimal_distortion",
    "models",
    "photographs",
    "plots",
    "presets",
    "spectral",
    "training",
    "transfer",
    "verify",
]
