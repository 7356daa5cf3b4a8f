"""What all recipes have in common."""

import abc
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_intriguing.training.progress import OnProgress

if TYPE_CHECKING:
    import numpy as np

    from keras_intriguing.data.photographs import Photographs


@dataclasses.dataclass(frozen=True)
class Sources:
    """Where training data come from.

    Attributes:
        data_dir: of prepared TFDS data; see `data.load`.
        images: folder of photographs with `train` and `val` in it, None for Imagenette; see `photographs.load`.
        skip_unreadable: see `photographs.load`.
    """

    data_dir: str | None = None
    images: Path | None = None
    skip_unreadable: bool = False

    def digits(self, dataset: str, split: str) -> "tuple[np.ndarray, np.ndarray]":
        """Digits and their labels, as of `data.load`.

        Raises:
            ValueError: photographs are given.
        """
        from keras_intriguing import data

        if self.images is not None:
            raise ValueError(
                f"This preset is trained on {dataset}, not on photographs of one's own (images)."
            )
        return data.load(dataset, split, self.data_dir)

    def photographs(self) -> "tuple[Photographs, Photographs]":
        """Photographs to train on and to validate on, as of `photographs.load`."""
        from keras_intriguing.data import photographs

        def load(split: str) -> "Photographs":
            return photographs.load(
                self.images, split, data_dir=self.data_dir, skip_unreadable=self.skip_unreadable
            )

        return load("train"), load("val")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe(abc.ABC):
    """Everything that decides a checkpoint, and how it is trained.

    Attributes:
        model: class of `keras_intriguing.models`.
        note: what the card says of the choice.
        dataset: `"mnist"` or `"imagenette"`.
        seed: of the starting weights and of everything random in the training.
    """

    model: str
    note: str
    dataset: str
    seed: int = 0

    def record(self) -> dict[str, Any]:
        """The recipe as JSON values."""
        return dataclasses.asdict(self)

    def initialize(self, model: Any) -> None:
        """Sets the starting weights of a model of the class `self.model`."""
        from keras_intriguing.training.initialization import initialize

        initialize(model, self.seed)

    @abc.abstractmethod
    def train(
        self, model: Any, sources: Sources, checkpoint: Path, on_progress: OnProgress
    ) -> dict[str, Any]:
        """Trains a model, in place, going on from the checkpoint if there is one, and measures it.

        Args:
            model: of the class `self.model`, with its starting weights.
            sources: where the data are.
            checkpoint: a file that is written again and again.
            on_progress: told of every round or epoch.

        Returns:
            What `metrics.json` records of it, as JSON values: `train_error`, `train_images`, `test_error`,
            `test_images`, `stages`, and more of some kinds.

        Raises:
            ValueError: data that do not fit the recipe, or the checkpoint of another training.
            FileNotFoundError: the training data are not available.
            FloatingPointError: the objective is not finite.
        """

    @abc.abstractmethod
    def card(self, metrics: dict[str, Any]) -> str:
        """The model card of a preset with these metrics, in Markdown."""
