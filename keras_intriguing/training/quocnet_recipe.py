"""How QuocNet is trained: the options of its two parts, and the preset's."""

import dataclasses
import math
from typing import Any


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
        numbers = [("iterations", self.iterations, 0), ("images", self.images, 1)]
        for name, value, least in [*numbers, *(("dimensions", count, 1) for count in self.dimensions)]:
            if not isinstance(value, int) or value < least:
                raise ValueError(f"{name} must be a whole number of at least {least}, not {value!r}.")
        if not 0 < self.reconstruction < math.inf:
            raise ValueError(f"reconstruction must be a positive number, not {self.reconstruction!r}.")


@dataclasses.dataclass(frozen=True)
class QuocRecipe:
    """Everything that decides a checkpoint whose filters are learned without labels, with a classifier of one class.

    Attributes:
        model: class of `keras_intriguing.models`.
        filters: how the filters are learned.
        positive: the class that the classifier tells from the rest, by its folder's name.
        decays: the coefficients of Σw² that the classifier's is chosen from, on a fifth of the training photographs; for
            features that are scaled to a variance of 1/their number.
        note: what the card says of the choice.
    """

    model: str
    filters: ReconstructionICA
    positive: str
    decays: tuple[float, ...]
    note: str
    dataset: str = "imagenette"
    seed: int = 0

    def record(self) -> dict[str, Any]:
        """The recipe as JSON values."""
        return dataclasses.asdict(self)


GARBAGE_TRUCK = QuocRecipe(
    "QuocNet",
    ReconstructionICA(images=4000, dimensions=(60, 96), reconstruction=1.5, iterations=60),
    "n03417042",
    (3e-5, 1e-4, 3e-4, 1e-3, 3e-3),
    "The class is WordNet's n03417042, garbage truck, a tenth of the photographs; logit 1 is its, logit 0 that of the "
    "rest. Sizes and options were chosen among some thirty by a classifier on a fifth of the training photographs that "
    "was held out, though with the validation figures in sight. Unlike Le et al., patches are whitened before filters "
    "are learned, and the encoder's filters are the decoder's. The checkpoint that comes with this project was trained "
    "on a copy of Imagenette 2 whose photographs are squeezed to 160×160.",
)
