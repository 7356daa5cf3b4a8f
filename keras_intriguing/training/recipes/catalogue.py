"""The recipe of every preset, by the preset's name."""

import dataclasses
from typing import Any

from keras_intriguing.presets.registry import did_you_mean
from keras_intriguing.training.recipes.base import Recipe
from keras_intriguing.training.recipes.full_batch import FullBatchRecipe
from keras_intriguing.training.recipes.minibatches import MinibatchRecipe
from keras_intriguing.training.recipes.photographs import PhotographRecipe
from keras_intriguing.training.recipes.quocnet import QuocNetRecipe
from keras_intriguing.training.settings import (
    FullBatchTraining,
    GradientSteps,
    MinibatchTraining,
    PhotographTraining,
    Pools,
    QuocNetTraining,
    ReconstructionICA,
    SparseAutoencoder,
)

SEEDS = (0, 1, 2, 3, 4)

_CONVEX = (
    "Convex: L-BFGS reaches the one optimum. The paper's λ is read as ½λΣw², which fits its errors; "
    "its printed λΣw²/k does not."
)
_DEEP = "Weight decay λΣw² with the paper's λ per layer, without its division by the number of units."
_HALF = _DEEP + " Trained on one half of the training set only (paper §4.2): P1 or P2, 30,000 images each."
_SHORTENED = (
    "Their changes are shortened, so that they do not reach the decision boundary: with the whole of them the validation "
    "error was higher than without examples."
)


def _fc10(decay: float, paper: tuple[float, float]) -> FullBatchRecipe:
    """Softmax regression (Table 1)."""
    training = FullBatchTraining(decay=(decay / 2,), tolerance=1e-6)
    return FullBatchRecipe(model="FC10", training=training, paper=paper, note=_CONVEX)


def _sigmoid_net(model: str, paper: tuple[float, float], split: str = "train") -> FullBatchRecipe:
    """A net with two hidden layers, on all digits (Table 1) or on half of them (Table 3)."""
    training = FullBatchTraining(decay=(1e-5, 1e-5, 1e-6))
    note = _DEEP if split == "train" else _HALF
    return FullBatchRecipe(model=model, training=training, paper=paper, note=note, split=split)


def _compared(paper: float | None, note: str, **options: Any) -> MinibatchRecipe:
    """One way of training of §4.2's comparison; the rest is the same for all."""
    shared: dict[str, Any] = {"decay": (2e-5, 2e-5, 2e-6), "start": 2.0, "epochs": 100, "learning_rate": 5e-3}
    training = MinibatchTraining(**{**shared, **options})
    return MinibatchRecipe(model="FC100_100_10", training=training, paper=(None, paper), note=note)


_SEED_0: dict[str, Recipe] = {
    "fc10_mnist_decay1e-4": _fc10(1e-4, (6.7, 7.4)),
    "fc10_mnist_decay1e-2": _fc10(1e-2, (10, 9.4)),
    "fc10_mnist_decay1": _fc10(1.0, (21.2, 20)),
    "fc100_100_10_mnist": _sigmoid_net("FC100_100_10", (0, 1.64)),
    "fc200_200_10_mnist": _sigmoid_net("FC200_200_10", (0, 1.54)),
    "ae400_10_mnist": FullBatchRecipe(
        model="AE400_10",
        training=FullBatchTraining(
            decay=(1e-6,),
            tolerance=1e-3,
            autoencoder=SparseAutoencoder(activity=0.1, weight=3.0, decay=1.5e-3, max_iterations=600),
        ),
        paper=(0.57, 1.9),
        note="The paper gives neither the autoencoder's objective nor its sparsity; these are the usual ones of its "
        "time. Its layer is not fine-tuned: only the softmax is trained on its code.",
    ),
    "fc100_100_10_mnist_p1": _sigmoid_net("FC100_100_10", (0, 2.0), "p1"),
    "fc123_456_10_mnist_p1": _sigmoid_net("FC123_456_10", (0, 2.1), "p1"),
    "fc100_100_10_mnist_p2": _sigmoid_net("FC100_100_10", (0, 2.1), "p2"),
    "fc100_100_10_mnist_minibatch": _compared(
        1.6, "The weight decay alone: what the regularizers of §4.2 are compared with."
    ),
    "fc100_100_10_mnist_dropout": _compared(
        1.3,
        "Dropout in training, with less weight decay.",
        decay=(5e-6, 5e-6, 1e-6),
        dropout=(0.2, 0.05),
    ),
    "fc100_100_10_mnist_adversarial": _compared(
        None,
        f"Minimal adversarial examples at the input only. {_SHORTENED}",
        adversarial=Pools(("image",), (0.75,)),
    ),
    "fc100_100_10_mnist_adversarial_layers": _compared(
        1.2,
        f"Minimal adversarial examples at every layer, which train the layers above it. {_SHORTENED}",
        adversarial=Pools(("image", "hidden1", "hidden2"), (0.75, 0.1, 0.1)),
    ),
    "fc100_100_10_mnist_gradient": _compared(
        None,
        "Adversarial examples at the input only, by one step along the gradient for every image of every minibatch.",
        adversarial=GradientSteps(("image",), (0.15,)),
    ),
    "fc100_100_10_mnist_gradient_layers": _compared(
        1.2,
        "Adversarial examples at every layer, which train the layers above it, by one step along the gradient for every "
        "image of every minibatch: the cheap counterpart of the paper's pools.",
        adversarial=GradientSteps(("image", "hidden1", "hidden2"), (0.15, 0.1, 0.1)),
    ),
    "convnet_mnist": MinibatchRecipe(
        model="MNISTConvNet",
        training=MinibatchTraining(decay=(1e-5,) * 4, epochs=12, learning_rate=1e-3, dropout=(0.0, 0.25)),
        paper=(None, None),
        note="The paper shows images of a convolutional MNIST net, but gives neither its architecture nor its error. The "
        "options are usual ones and were not tuned.",
    ),
    "alexnet_small_imagenette": PhotographRecipe(
        model="AlexNetSmall",
        training=PhotographTraining(epochs=170, weight_decay=0.3, smallest_crop=0.25, mixup=0.3, averaged=90),
        note="AlexNet's design, small enough for two cores. Mixup, the strong weight decay and averaging were added after "
        "shorter runs without them had done worse on the validation photographs, and the epochs that are averaged were "
        "raised from 60, after which 83.9% of these were right.",
    ),
    "quocnet_imagenette": QuocNetRecipe(
        model="QuocNet",
        training=QuocNetTraining(
            filters=ReconstructionICA(images=4000, dimensions=(60, 96), reconstruction=1.5, iterations=60),
            positive="n03417042",
            decays=(3e-5, 1e-4, 3e-4, 1e-3, 3e-3),
        ),
        note="The class is WordNet's n03417042, garbage truck, a tenth of the photographs; logit 1 is its, logit 0 that of "
        "the rest. Sizes and options were chosen among some thirty by a classifier on a fifth of the training photographs "
        "that was held out, though with the validation figures in sight. Unlike Le et al., patches are whitened before "
        "filters are learned, and the encoder's filters are the decoder's. The checkpoint that comes with this project was "
        "trained on a copy of Imagenette 2 whose photographs are squeezed to 160×160.",
    ),
}
NAMES = tuple(_SEED_0)


def seeded(preset: str, seed: int) -> str:
    """The name of the preset that was trained by the same recipe from another seed."""
    return preset if seed == 0 else f"{preset}_seed{seed}"


RECIPES: dict[str, Recipe] = {
    seeded(name, seed): dataclasses.replace(recipe, seed=seed)
    for seed in SEEDS
    for name, recipe in _SEED_0.items()
}


def get(preset: str) -> Recipe:
    """The recipe of a preset.

    Raises:
        ValueError: no recipe of that name; the message lists the known ones, and those with the most similar names.
    """
    if preset not in RECIPES:
        raise ValueError(
            f"No recipe for a preset {preset!r}.{did_you_mean(preset, RECIPES)} Known: {', '.join(NAMES)}; each also with _seed1 to "
            "_seed4."
        )
    return RECIPES[preset]
