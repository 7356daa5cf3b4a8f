"""How every preset is trained: what `keras-intriguing train PRESET` follows.

A recipe imports TensorFlow only when it trains, so that the command can list them all at once.
"""

from keras_intriguing.training.recipes.base import Recipe, Sources
from keras_intriguing.training.recipes.catalogue import NAMES, RECIPES, SEEDS, get, seeded
from keras_intriguing.training.recipes.full_batch import FullBatchRecipe
from keras_intriguing.training.recipes.minibatches import MinibatchRecipe
from keras_intriguing.training.recipes.photographs import PhotographRecipe
from keras_intriguing.training.recipes.quocnet import QuocNetRecipe

__all__ = [
    "NAMES",
    "RECIPES",
    "SEEDS",
    "FullBatchRecipe",
    "MinibatchRecipe",
    "PhotographRecipe",
    "QuocNetRecipe",
    "Recipe",
    "Sources",
    "get",
    "seeded",
]
