"""How every preset is trained: what `keras-intriguing train PRESET` follows.

A recipe imports TensorFlow only when it trains, so that the command lists them all at once.
"""

from keras_intriguing.training.recipes.base import OnProgress, Progress, Recipe, Sources
from keras_intriguing.training.recipes.catalogue import NAMES, RECIPES, SEEDS, get, seeded
from keras_intriguing.training.recipes.full_batch import FullBatchRecipe, SparseAutoencoder
from keras_intriguing.training.recipes.minibatches import MinibatchRecipe, MinibatchTraining
from keras_intriguing.training.recipes.photographs import PhotographRecipe, PhotographTraining
from keras_intriguing.training.recipes.quocnet import QuocNetRecipe, ReconstructionICA

__all__ = [
    "NAMES",
    "RECIPES",
    "SEEDS",
    "FullBatchRecipe",
    "MinibatchRecipe",
    "MinibatchTraining",
    "OnProgress",
    "PhotographRecipe",
    "PhotographTraining",
    "Progress",
    "QuocNetRecipe",
    "Recipe",
    "ReconstructionICA",
    "Sources",
    "SparseAutoencoder",
    "get",
    "seeded",
]
