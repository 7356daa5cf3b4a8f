# What a type checker reads of the public names, which __init__.py loads when they are used.

from keras_intriguing.training import full_batch, minibatches, photographs, quocnet, recipes, settings
from keras_intriguing.training.initialization import initialize
from keras_intriguing.training.preset import train_preset

__all__ = [
    "full_batch",
    "initialize",
    "minibatches",
    "photographs",
    "quocnet",
    "recipes",
    "settings",
    "train_preset",
]
