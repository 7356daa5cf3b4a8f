"""What decides a training beside its model, data and seed, for every kind of training. Imports no TensorFlow."""

import dataclasses
import math


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
class FullBatchTraining:
    """Full-batch L-BFGS on cross-entropy and weight decay; see `keras_intriguing.training.full_batch.fit`.

    Attributes:
        decay: the coefficient of Σw² of every dense kernel that the classifier's training changes, in order.
        tolerance: L-BFGS has converged when 100 iterations lower the objective by no more than this share.
        max_iterations: where the classifier's training stops at the latest.
        autoencoder: a first stage without labels, whose layers are then frozen.
    """

    decay: tuple[float, ...]
    tolerance: float = 5e-3
    max_iterations: int = 2500
    autoencoder: SparseAutoencoder | None = None


@dataclasses.dataclass(frozen=True)
class Pools:
    """Pools of minimal adversarial examples at the outputs of layers: the paper's own way (§4.2).

    See `keras_intriguing.training.pools`.

    Attributes:
        layers: at whose outputs, each with a pool of its own: the input's name or a sigmoid layer's.
        stretches: factors on the minimal perturbations at each. At 1 an example lies on the decision boundary, beyond it
            above.
        size: examples in each pool.
        replaced: how many of them are replaced before every epoch.
        targets: the class that an attack aims at: the `"nearest"` one, or a `"random"` wrong one.
        warmup: epochs before the first examples are generated.
        weight: of the examples' cross-entropy, beside that of the images.
    """

    layers: tuple[str, ...]
    stretches: tuple[float, ...]
    size: int = 20_000
    replaced: int = 5_000
    targets: str = "nearest"
    warmup: int = 2
    weight: float = 1.0

    def __post_init__(self) -> None:
        _require_layers(self.layers)
        _require_whole_numbers(self, size=1, replaced=1, warmup=0)
        _require_positive(self, "weight")
        _require_one_each("stretches", self.stretches, self.layers)
        if self.replaced > self.size:
            raise ValueError(f"{self.replaced} examples cannot be replaced in a pool of {self.size}.")
        if self.targets not in ("nearest", "random"):
            raise ValueError(f"Unknown targets {self.targets!r}. Known: nearest, random.")


@dataclasses.dataclass(frozen=True)
class GradientSteps:
    """Adversarial examples made anew for every minibatch, by one step along the gradient at the outputs of layers.

    See `keras_intriguing.training.gradient_steps`.

    Attributes:
        layers: at whose outputs: the input's name or that of a sigmoid or ReLU layer.
        lengths: of the step at each, in L2, as a share of the spread of the layer's outputs.
        weight: of the examples' cross-entropy, beside that of the images.
    """

    layers: tuple[str, ...]
    lengths: tuple[float, ...]
    weight: float = 1.0

    def __post_init__(self) -> None:
        _require_layers(self.layers)
        _require_positive(self, "weight")
        _require_one_each("lengths", self.lengths, self.layers)


@dataclasses.dataclass(frozen=True)
class MinibatchTraining:
    """Minibatch training by Adam, with adversarial examples or without (paper §4.2).

    See `keras_intriguing.training.minibatches.fit` for what is done with them.

    Attributes:
        decay: the coefficient of Σw² of every kernel, in order.
        adversarial: the examples to train on beside the images, and how they are made.
        start: factor on the kernels of sigmoid layers before the first step; Glorot's are too small for a sigmoid,
            whose slope is ¼ at most.
        epochs: in all.
        batch_size: images in a step, and as many examples.
        learning_rate: at the start; it falls to zero along a cosine.
        dropout: the rates on the image and on the outputs of the hidden layers.
    """

    decay: tuple[float, ...]
    adversarial: Pools | GradientSteps | None = None
    start: float = 1.0
    epochs: int = 40
    batch_size: int = 100
    learning_rate: float = 2e-3
    dropout: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        _require_whole_numbers(self, epochs=1, batch_size=1)
        _require_positive(self, "learning_rate", "start")
        if isinstance(self.adversarial, Pools) and self.adversarial.warmup >= self.epochs:
            raise ValueError(
                f"warmup is {self.adversarial.warmup}, so that {self.epochs} epochs would generate no examples."
            )
        if len(self.dropout) != 2 or not all(0 <= rate < 1 for rate in self.dropout):
            raise ValueError(f"dropout must be two rates of at least 0 and below 1, not {self.dropout!r}.")


@dataclasses.dataclass(frozen=True)
class PhotographTraining:
    """Minibatch training by AdamW on random crops, mirrored and coloured at random.

    See `keras_intriguing.training.photographs.fit`.

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
        _require_whole_numbers(self, epochs=1, batch_size=1, warmup=0, averaged=0)
        if self.warmup + self.averaged >= self.epochs:
            raise ValueError(
                f"warmup and averaged are {self.warmup} and {self.averaged} of {self.epochs} epochs; they must be shorter."
            )
        _require_positive(self, "learning_rate", "averaged_rate")
        _require_not_negative(self, "weight_decay", "mixup")
        _require_below_one(self, "label_smoothing", "colours")
        if not 0 < self.smallest_crop <= 1:
            raise ValueError(f"smallest_crop must be above 0 and at most 1, not {self.smallest_crop!r}.")


@dataclasses.dataclass(frozen=True)
class ReconstructionICA:
    """The training of QuocNet's filters without labels, stage by stage, by full-batch L-BFGS.

    Minimizes over the filters W of every position, for its whitened patches x, the mean over images and positions of
    λ·‖WᵀWx − x‖² + Σ √(1e-6 + H), with H the sums of the squares of Wx over the stage's pooling windows (Le et al. 2011
    and 2012). A window holds a filter each of neighbouring positions, which so come to answer together.

    Attributes:
        images: photographs that are looked at, drawn at random.
        dimensions: that patches are whitened to, for every stage.
        reconstruction: λ.
        iterations: of L-BFGS, for every stage; 0 leaves the filters random.
    """

    images: int
    dimensions: tuple[int, ...]
    reconstruction: float
    iterations: int

    def __post_init__(self) -> None:
        _require_whole_numbers(self, iterations=0, images=1, dimensions=1)
        _require_positive(self, "reconstruction")


@dataclasses.dataclass(frozen=True)
class QuocNetTraining:
    """Filters that are learned without labels, and a classifier of one class on their features.

    See `keras_intriguing.training.quocnet.train`.

    Attributes:
        filters: how the filters are learned.
        positive: the class that the classifier tells from the rest, by its folder's name.
        decays: the coefficients of Σw² that the classifier's is chosen from, on a fifth of the training photographs; for
            features that are scaled to a variance of 1/their number.
    """

    filters: ReconstructionICA
    positive: str
    decays: tuple[float, ...]


def _require_layers(layers: tuple[str, ...]) -> None:
    """Checks that layers are named, and none of them twice.

    Raises:
        ValueError: one is not; the message says so.
    """
    if not layers or len(set(layers)) < len(layers):
        raise ValueError(
            f"At least one layer is needed, and none named twice: {', '.join(layers) or 'none'}."
        )


def _require_one_each(name: str, numbers: tuple[float, ...], layers: tuple[str, ...]) -> None:
    """Checks that there is a finite number above 0 for every layer.

    Raises:
        ValueError: there is not; the message names it.
    """
    is_fit = isinstance(numbers, tuple) and len(numbers) == len(layers)
    if not is_fit or not all(0 < number < math.inf for number in numbers):
        raise ValueError(
            f"{name} must be positive numbers, one for each of {len(layers)} layers, not {numbers!r}."
        )


def _require_whole_numbers(settings: object, **least: int) -> None:
    """Checks that settings, or all members of a tuple, are whole numbers of at least so much each.

    Raises:
        ValueError: one is not; the message names it.
    """
    for name, smallest in least.items():
        value = getattr(settings, name)
        for number in value if isinstance(value, tuple) else (value,):
            if not isinstance(number, int) or number < smallest:
                raise ValueError(f"{name} must be a whole number of at least {smallest}, not {number!r}.")


def _require_positive(settings: object, *names: str) -> None:
    """Checks that settings are finite and above 0.

    Raises:
        ValueError: one is not; the message names it.
    """
    for name in names:
        if not 0 < (value := getattr(settings, name)) < math.inf:
            raise ValueError(f"{name} must be a positive number, not {value!r}.")


def _require_not_negative(settings: object, *names: str) -> None:
    """Checks that settings are finite and at least 0.

    Raises:
        ValueError: one is not; the message names it.
    """
    for name in names:
        if not 0 <= (value := getattr(settings, name)) < math.inf:
            raise ValueError(f"{name} must be a number of at least 0, not {value!r}.")


def _require_below_one(settings: object, *names: str) -> None:
    """Checks that settings are at least 0 and below 1.

    Raises:
        ValueError: one is not; the message names it.
    """
    for name in names:
        if not 0 <= (value := getattr(settings, name)) < 1:
            raise ValueError(f"{name} must be at least 0 and below 1, not {value!r}.")
