"""What the attack returns."""

import dataclasses
from collections.abc import Iterable

import numpy as np


@dataclasses.dataclass(frozen=True)
class Result:
    """Minimal distortions of B images, as NumPy arrays.

    Attributes:
        adversarial: float32 [B, …], inside the bounds; where the attack failed, the image itself.
        success: bool [B]: the model, called afresh on `adversarial`, gives the target, or another label than the one to leave.
        distortion: float64 [B]: ‖r‖₂/√n, the root mean square of the change over the image's n values, in
            the units of the pixels (paper §4.1); NaN where the attack failed.
        target: int32 [B]: the class to reach; where none was given, the nearest other class found.
        label_before: int32 [B]: the model's label of the image.
        label_after: int32 [B]: its label of `adversarial`.
        c: float64 [B]: the largest weight of ‖r‖² that succeeded; NaN for the method "direct".
        survives_rounding: bool [B]: `adversarial` rounded to 256 grey levels is still adversarial.
        forward_passes: int32 [B]: of the model, for that image, everything counted: starts, line searches, and the passes
            that confirm `adversarial`. Of `penalty`, whose batch stays together to its end, all images share the number.
        backward_passes: int32 [B]: a gradient is one forward and one backward pass.
        reason: why the attack failed, a sentence; empty where it succeeded.
    """

    adversarial: np.ndarray
    success: np.ndarray
    distortion: np.ndarray
    target: np.ndarray
    label_before: np.ndarray
    label_after: np.ndarray
    c: np.ndarray
    survives_rounding: np.ndarray
    forward_passes: np.ndarray
    backward_passes: np.ndarray
    reason: np.ndarray

    @classmethod
    def concatenate(cls, results: Iterable["Result"]) -> "Result":
        """The result of all images, from those of consecutive batches."""
        parts = list(results)
        names = [field.name for field in dataclasses.fields(cls)]
        return cls(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})

    def __repr__(self) -> str:
        count, succeeded = len(self.success), int(self.success.sum())
        already = int((self.distortion == 0).sum())
        note = f" ({already} already adversarial)" if already else ""
        others = " of the others" if already else ""
        changed = self.distortion[self.success & (self.distortion > 0)]
        mean = f", mean distortion{others} {changed.mean():.4g}" if len(changed) else ""
        return f"Result({count} images, {succeeded} succeeded{note}{mean})"
