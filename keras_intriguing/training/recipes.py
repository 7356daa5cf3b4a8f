"""How every preset is made: what `keras-intriguing train PRESET` follows."""

import dataclasses
import math
from typing import Any

from keras_intriguing.training.quocnet_recipe import GARBAGE_TRUCK, QuocRecipe


@dataclasses.dataclass(frozen=True)
class SparseAutoencoder:
    """The objective of AE400-10's first stage, in the form of Ng's lecture notes on sparse autoencoders.

    Mean over images of ½‖reconstruction − image‖², plus `decay`·Σw², plus `weight` times the sum over code
    units of the Kullback–Leibler divergence of the unit's mean activity from `activity`.
    """

    activity: float
    weight: float
    decay: float
    max_iterations: int


@dataclasses.dataclass(frozen=True)
class AdversarialTraining:
    """Minibatch training by Adam, with pools of adversarial examples or without (paper §4.2).

    See `keras_intriguing.training.minibatches.train` for what is done with them.

    Attributes:
        decay: the coefficient of Σw² of every kernel, in order.
        layers: at whose outputs adversarial examples are made, each with a pool of its own: the input's name
            or a sigmoid layer's. Empty: training without them.
        pool: examples in each pool.
        replaced: how many of them are replaced before every epoch.
        weight: of the examples' cross-entropy, beside that of the images.
        stretch: factor on the minimal changes. At 1 an example lies on the decision boundary, beyond it above.
        targets: the class an example is made for: the `"nearest"` one, or a `"random"` wrong one.
        warmup: epochs before the first examples are made.
        epochs: in all.
        batch_size: images in a step, and as many examples.
        learning_rate: at the start; it falls to zero along a cosine.
        dropout: the rates on the image and on the outputs of the hidden layers.
    """

    decay: tuple[float, ...]
    layers: tuple[str, ...] = ()
    pool: int = 2560
    replaced: int = 256
    weight: float = 0.5
    stretch: float = 0.5
    targets: str = "nearest"
    warmup: int = 2
    epochs: int = 40
    batch_size: int = 100
    learning_rate: float = 2e-3
    dropout: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        at_least = {"pool": 1, "replaced": 1, "warmup": 0, "epochs": 1, "batch_size": 1}
        for name, least in at_least.items():
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise ValueError(f"{name} must be a whole number of at least {least}, not {value!r}.")
        for name in ("weight", "stretch", "learning_rate"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be a positive number, not {getattr(self, name)!r}.")
        if self.replaced > self.pool:
            raise ValueError(f"{self.replaced} examples cannot be replaced in a pool of {self.pool}.")
        if self.targets not in ("nearest", "random"):
            raise ValueError(f"Unknown targets {self.targets!r}. Known: nearest, random.")
        if len(set(self.layers)) < len(self.layers):
            raise ValueError(f"A layer is named twice: {', '.join(self.layers)}.")
        if self.layers and self.warmup >= self.epochs:
            raise ValueError(f"warmup is {self.warmup}, so that {self.epochs} epochs would make no examples.")
        if len(self.dropout) != 2 or not all(0 <= rate < 1 for rate in self.dropout):
            raise ValueError(f"dropout must be two rates of at least 0 and below 1, not {self.dropout!r}.")


@dataclasses.dataclass(frozen=True)
class PhotographTraining:
    """Minibatch training by AdamW on random crops, mirrored and coloured at random.

    See `keras_intriguing.training.photographs.train`.

    Attributes:
        epochs: in all.
        batch_size: photographs in a step.
        learning_rate: after the warm-up; it falls to zero along a cosine, until the epochs are reached that are averaged.
        warmup: epochs in which it rises from zero.
        weight_decay: decoupled; of the kernels.
        label_smoothing: share of a label that is spread over all classes.
        smallest_crop: share of a photograph's area, at least, that a random crop keeps.
        colours: brightness, contrast and saturation are multiplied by factors between 1 ± this.
        mixup: α of mixup; 0 for none.
        averaged: of all epochs, the last ones, at a constant learning rate, over which weights are averaged (as in
            stochastic weight averaging, Izmailov et al. 2018, but with weights that fall off exponentially); 0 for none.
        averaged_rate: the learning rate of these epochs.
    """

    epochs: int
    batch_size: int = 128
    learning_rate: float = 1e-3
    warmup: int = 2
    weight_decay: float = 0.05
    label_smoothing: float = 0.1
    smallest_crop: float = 0.3
    colours: float = 0.4
    mixup: float = 0.0
    averaged: int = 0
    averaged_rate: float = 3e-4

    def __post_init__(self) -> None:
        for name, least in {"epochs": 1, "batch_size": 1, "warmup": 0, "averaged": 0}.items():
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise ValueError(f"{name} must be a whole number of at least {least}, not {value!r}.")
        if self.warmup + self.averaged >= self.epochs:
            raise ValueError(
                f"warmup and averaged are {self.warmup} and {self.averaged} of {self.epochs} epochs; they must be shorter."
            )
        for name in ("learning_rate", "averaged_rate"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be a positive number, not {getattr(self, name)!r}.")
        for name in ("weight_decay", "mixup"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be a number of at least 0, not {getattr(self, name)!r}.")
        for name in ("label_smoothing", "colours"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 0 and below 1, not {getattr(self, name)!r}.")
        if not 0 < self.smallest_crop <= 1:
            raise ValueError(f"smallest_crop must be above 0 and at most 1, not {self.smallest_crop!r}.")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Everything that decides a checkpoint.

    Attributes:
        model: class of `keras_intriguing.models`.
        decay: the coefficient of Σw² of every dense kernel that the classifier's training changes, in order.
        paper: error on its training images and test error in the paper's Table 1 or 3, in percent.
        note: what the card says of the choice.
        tolerance: L-BFGS has converged when 100 iterations lower the objective by no more than this share.
        autoencoder: a first stage without labels, whose layers are then frozen.
    """

    model: str
    decay: tuple[float, ...]
    paper: tuple[float, float]
    note: str
    tolerance: float = 5e-3
    max_iterations: int = 2500
    autoencoder: SparseAutoencoder | None = None
    dataset: str = "mnist"
    split: str = "train"
    seed: int = 0

    def record(self) -> dict[str, Any]:
        """The recipe as JSON values."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class MinibatchRecipe:
    """Everything that decides a checkpoint that is trained on minibatches: §4.2's comparison, the convolutional net.

    Attributes:
        model: class of `keras_intriguing.models`.
        training: how it is trained.
        paper: error on its training images and test error, in percent; None where the paper gives none.
        note: what the card says of the choice.
    """

    model: str
    training: AdversarialTraining
    paper: tuple[float | None, float | None]
    note: str
    dataset: str = "mnist"
    split: str = "train"
    seed: int = 0

    def record(self) -> dict[str, Any]:
        """The recipe as JSON values."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class PhotographRecipe:
    """Everything that decides a checkpoint that is trained on photographs.

    Attributes:
        model: class of `keras_intriguing.models`.
        training: how it is trained.
        note: what the card says of the choice.
    """

    model: str
    training: PhotographTraining
    note: str
    dataset: str = "imagenette"
    seed: int = 0

    def record(self) -> dict[str, Any]:
        """The recipe as JSON values."""
        return dataclasses.asdict(self)


_CONVEX = (
    "Convex: L-BFGS reaches the one optimum. The paper's λ is read as ½λΣw², which fits its errors; "
    "its printed λΣw²/k does not."
)
_DEEP = "Weight decay λΣw² with the paper's λ per layer, without its division by the number of units."


_HALF = _DEEP + " Trained on one half of the training set only (paper §4.2): P1 or P2, 30,000 images each."
_SIGMOID_DECAY = (1e-5, 1e-5, 1e-6)


def _fc10(decay: float, paper: tuple[float, float]) -> Recipe:
    return Recipe("FC10", (decay / 2,), paper, _CONVEX, tolerance=1e-6)


_HALF_WAY = (
    "Trained on with half their change, half the way to the decision boundary: with the whole of it the validation "
    "error was higher than without them."
)


def _compared(paper: float | None, note: str, **options: Any) -> MinibatchRecipe:
    """One way of training of §4.2's comparison."""
    training = AdversarialTraining(**{"decay": (3e-5, 3e-5, 3e-6), **options})
    return MinibatchRecipe("FC100_100_10", training, (None, paper), note)


_SEED_0 = {
    "fc10_mnist_decay1e-4": _fc10(1e-4, (6.7, 7.4)),
    "fc10_mnist_decay1e-2": _fc10(1e-2, (10, 9.4)),
    "fc10_mnist_decay1": _fc10(1.0, (21.2, 20)),
    "fc100_100_10_mnist": Recipe("FC100_100_10", _SIGMOID_DECAY, (0, 1.64), _DEEP),
    "fc200_200_10_mnist": Recipe("FC200_200_10", _SIGMOID_DECAY, (0, 1.54), _DEEP),
    "ae400_10_mnist": Recipe(
        "AE400_10",
        (1e-6,),
        (0.57, 1.9),
        "The paper gives neither the autoencoder's objective nor its sparsity; these are the usual ones of its "
        "time. Its layer is not fine-tuned: only the softmax is trained on its code.",
        tolerance=1e-3,
        autoencoder=SparseAutoencoder(activity=0.1, weight=3.0, decay=1.5e-3, max_iterations=600),
    ),
    "fc100_100_10_mnist_p1": Recipe("FC100_100_10", _SIGMOID_DECAY, (0, 2.0), _HALF, split="p1"),
    "fc123_456_10_mnist_p1": Recipe("FC123_456_10", _SIGMOID_DECAY, (0, 2.1), _HALF, split="p1"),
    "fc100_100_10_mnist_p2": Recipe("FC100_100_10", _SIGMOID_DECAY, (0, 2.1), _HALF, split="p2"),
    "fc100_100_10_mnist_minibatch": _compared(
        1.6, "The weight decay alone: what the regularizers of §4.2 are compared with."
    ),
    "fc100_100_10_mnist_dropout": _compared(
        1.3, "Dropout in training, without weight decay.", decay=(0.0, 0.0, 0.0), dropout=(0.1, 0.1)
    ),
    "fc100_100_10_mnist_adversarial": _compared(
        None, f"Adversarial examples at the input only. {_HALF_WAY}", layers=("image",)
    ),
    "fc100_100_10_mnist_adversarial_layers": _compared(
        1.2,
        f"Adversarial examples at every layer, which train the layers above it. {_HALF_WAY}",
        layers=("image", "hidden1", "hidden2"),
    ),
    "convnet_mnist": MinibatchRecipe(
        "MNISTConvNet",
        AdversarialTraining(decay=(1e-5,) * 4, epochs=12, learning_rate=1e-3, dropout=(0.0, 0.25)),
        (None, None),
        "The paper shows images of a convolutional MNIST net, but gives neither its architecture nor its error. The "
        "options are usual ones and were not tuned.",
    ),
    "alexnet_small_imagenette": PhotographRecipe(
        "AlexNetSmall",
        PhotographTraining(epochs=170, weight_decay=0.3, smallest_crop=0.25, mixup=0.3, averaged=90),
        "AlexNet's design, small enough for two cores. Mixup, the strong weight decay and averaging were added after "
        "shorter runs without them had done worse on the validation photographs, and the epochs that are averaged were "
        "raised from 60, after which 83.9% of these were right.",
    ),
    "quocnet_imagenette": GARBAGE_TRUCK,
}
NAMES = tuple(_SEED_0)
SEEDS = (0, 1, 2)


def seeded(preset: str, seed: int) -> str:
    """The name of the preset that was trained by the same recipe from another seed."""
    return preset if seed == 0 else f"{preset}_seed{seed}"


RECIPES = {
    seeded(name, seed): dataclasses.replace(recipe, seed=seed)
    for seed in SEEDS
    for name, recipe in _SEED_0.items()
}


def get(preset: str) -> Recipe | MinibatchRecipe | PhotographRecipe | QuocRecipe:
    """The recipe of a preset.

    Raises:
        ValueError: no recipe of that name; the message lists the known ones.
    """
    if preset not in RECIPES:
        raise ValueError(
            f"No recipe for a preset {preset!r}. Known: {', '.join(NAMES)}; each also with _seed1 and _seed2."
        )
    return RECIPES[preset]
