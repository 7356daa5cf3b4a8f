"""The numbers of an examination."""

import dataclasses
from collections import Counter
from typing import Any, NamedTuple

import numpy as np

from keras_intriguing.attack.result import Result
from keras_intriguing.certificates import Certificate
from keras_intriguing.classifiers.per_image import grey_level
from keras_intriguing.classifiers.pixels import word
from keras_intriguing.spectral import NetworkBounds

SMALLEST_JPEG = 8  # pixels on a side


class Stored(NamedTuple):
    """What a form of storage leaves, of the images that the attack changed.

    Attributes:
        adversarial: the share whose stored adversarial example still has another label.
        original: the share of stored images that keep their label.
    """

    adversarial: float
    original: float


class Norms(NamedTuple):
    """The norms of a model's layers, and Lipschitz bounds of the whole.

    Attributes:
        network: of the layers and of the whole.
        of_probabilities: the model ends in a softmax or sigmoid, and the whole includes it.
    """

    network: NetworkBounds
    of_probabilities: bool

    def record(self) -> dict[str, Any]:
        """All numbers in JSON's types."""
        found = self.network
        return {
            "lower": found.lower,
            "upper": found.upper,
            "product": found.product,
            "of_probabilities": self.of_probabilities,
            "layers": [layer.record() for layer in found.layers],
        }


@dataclasses.dataclass
class Findings:
    """What is known of a model on B images; a stage that was not measured is None.

    Attributes:
        x: the images [B, …].
        label: int [B], the true labels, or else the model's.
        predicted: int [B], the model's labels.
        has_labels: the labels are given ones.
        names: of the classes.
        result: of the attack.
        storage: by form, such as 8 bits.
        certificate: of the images.
        norms: of the model.
        missing: why a stage was not measured, by its name.
    """

    x: np.ndarray
    label: np.ndarray
    predicted: np.ndarray
    has_labels: bool
    names: list[str] | None = None
    result: Result | None = None
    storage: dict[str, Stored] | None = None
    certificate: Certificate | None = None
    norms: Norms | None = None
    missing: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def accuracy(self) -> float:
        """The share of images that the model gives their label."""
        return float(np.mean(self.predicted == self.label))

    @property
    def word(self) -> str:
        """What one of x is called: an image or an example."""
        return word(self.x.shape)

    @property
    def grey_level(self) -> float | None:
        """A 255th of the range of values; None where they are not those of images, or have no common finite range."""
        if self.result is None or self.word != "image":
            return None
        return grey_level(self.result.provenance)

    @property
    def changed(self) -> np.ndarray:
        """Which images the attack changed, bool [B]."""
        if self.result is None:
            return np.zeros(len(self.x), bool)
        return self.result.success & (self.result.distortion > 0)

    @property
    def counted(self) -> np.ndarray:
        """The images whose distances are told, bool [B]: those that were changed; where there are none, all with the right label."""
        return self.changed if self.changed.any() else self.predicted == self.label

    @property
    def undrawn(self) -> dict[str, str]:
        """Why there are no pictures of the images, or none stored as JPEG, as far as that is not for what a stage tells."""
        if self.word != "image" or not self.changed.any():
            return {}
        channels = self.x.shape[-1] if self.x.ndim == 4 else 1
        if self.x.ndim > 4 or channels not in (1, 3):
            what = (
                f"images of {channels} channels"
                if self.x.ndim == 4
                else f"arrays of shape {self.x.shape[1:]}"
            )
            return {"pictures": f"There are no pictures of {what}, and no JPEG."}
        if self.grey_level is None:
            return {"pictures": "There is not one black and one white for all pixels."}
        if self.storage and (self.x.ndim == 3 or min(self.x.shape[1:3]) < SMALLEST_JPEG):
            return {
                "JPEG": f"It takes images [B, H, W, C] of at least {SMALLEST_JPEG} pixels on each side, not {self.x.shape}."
            }
        return {}

    @property
    def failures(self) -> dict[str, int]:
        """Why the attack failed, and on how many images."""
        if self.result is None:
            return {}
        return dict(Counter(str(reason) for reason in self.result.reason[~self.result.success]))

    def distances(self, of: Result | Certificate) -> dict[str, np.ndarray]:
        """Distances of the images that are `counted`, by their units; grey levels, where there are any, are 255ths of the range."""
        found = {"‖r‖₂": of.l2[self.counted], "‖r‖₂/√n": of.distortion[self.counted]}
        level = self.grey_level
        return found if level is None else {**found, "grey levels of 256": found["‖r‖₂/√n"] / level}

    @property
    def summary(self) -> str:
        """In a few sentences."""
        sentences = []
        if self.has_labels:
            sentences.append(f"{self.accuracy:.1%} of {len(self.x)} {self.word}s are correctly classified.")
        changed, right = self.changed, self.predicted == self.label
        if not right.any():
            sentences.append("Are the labels in the order of the model's classes?")
            sentences.append("Are the values in the range that it was trained on?")
        elif self.result is not None:
            sentences.append(f"The attack changed the label of {changed.sum()} of {right.sum()}.")
            sentences.extend(f"On {count} it failed: {reason}" for reason, count in self.failures.items())
            if changed.any():
                l2, rms, *grey = (quantile(v, 0.5) for v in self.distances(self.result).values())
                levels = f" ({grey[0]:.2g} grey levels)" if grey else ""
                sentences.append(
                    f"Half of these need a change of at most {l2:.3g} in L2, {rms:.3g} root mean square a value{levels}."
                )
        if self.certificate is not None and self.result is not None and self.changed.any():
            share = quantile(
                self.certificate.distortion[self.changed] / self.result.distortion[self.changed], 0.5
            )
            sentences.append(
                f"Certified distances are {share:.2g} of the found ones in the median."
                if share > 0
                else f"For half of the changed {self.word}s or more nothing is proved."
            )
        elif self.certificate is not None and self.counted.any():
            l2 = quantile(self.distances(self.certificate)["‖r‖₂"], 0.5)
            which = f"of {self.counted.sum()} {self.word}s that {'are correctly classified' if self.has_labels else 'were certified'}"
            sentences.append(
                f"For half {which} it is proved that a change needs at least {l2:.3g} in L2."
                if l2 > 0
                else f"For half {which} or more nothing is proved."
            )
        if not sentences:
            sentences.append(
                "Nothing was measured." if self.norms is None else "Norms were measured, no distances."
            )
        return " ".join(sentences)

    def record(self, made: dict[str, Any]) -> dict[str, Any]:
        """All numbers in JSON's types."""
        distances = {
            name: {unit: _quantiles(values) for unit, values in self.distances(of).items()}
            for name, of in (("found", self.result), ("certified", self.certificate))
            if of is not None and (self.changed if of is self.result else self.counted).any()
        }
        return {
            "images": len(self.x),
            "accuracy": self.accuracy if self.has_labels else None,
            "changed": int(self.changed.sum()),
            "failures": self.failures,
            "distances": distances,
            "storage": self.storage and {form: left._asdict() for form, left in self.storage.items()},
            "norms": self.norms and self.norms.record(),
            "missing": self.missing,
            "provenance": made,
        }


def quantile(values: np.ndarray, share: float) -> float:
    """The value of an image that this share of the images does not exceed."""
    return float(np.quantile(values, share, method="lower"))


def _quantiles(values: np.ndarray) -> dict[str, float | None]:
    points = {"smallest": 0.0, "lower quartile": 0.25, "median": 0.5, "upper quartile": 0.75, "largest": 1.0}
    found = {name: quantile(values, q) for name, q in points.items()}
    found["mean"] = float(np.mean(values))
    return {name: value if np.isfinite(value) else None for name, value in found.items()}
