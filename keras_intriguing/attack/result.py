"""What the attack returns."""

import dataclasses
from collections import Counter

import numpy as np

from keras_intriguing.classifiers.per_image import PerImage, extremes, grey_level
from keras_intriguing.classifiers.pixels import word

_PAIRS = 4  # of classes, the most frequent, that a summary names


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class Result(PerImage):
    """Minimal distortions of B images, as NumPy arrays.

    Attributes:
        adversarial: float32 [B, …], inside the bounds; where the attack failed, the image itself.
        success: bool [B]: the model, called afresh on `adversarial`, gives the target, or another label than the one to leave.
        distortion: float64 [B]: ‖r‖₂/√n, the root mean square of the change over the image's n values, in
            the units of the pixels (paper §4.1); NaN where the attack failed.
        target: int32 [B]: the class to reach; where none was given, the nearest other class found.
        label_before: int32 [B]: the model's label of the image.
        label_after: int32 [B]: its label of `adversarial`.
        c: float64 [B]: the largest weight of ‖r‖² that succeeded; NaN for the method "direct", and where none
            did but the walks before found a point (see `penalty`).
        survives_rounding: bool [B]: `adversarial` rounded to 256 grey levels between the bounds is still adversarial;
            never where a bound is infinite.
        forward_passes: int32 [B]: of the model, for that image, everything counted: starts, line searches, and the passes
            that confirm `adversarial`. Of `penalty`, a minimization counts for all images that it is for as what the longest of
            them took.
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

    @property
    def word(self) -> str:
        """What an entry is called: an image, or an example of tabular data."""
        return word(self.adversarial.shape)

    @property
    def l2(self) -> np.ndarray:
        """‖r‖₂ of the change, float64 [B]: `distortion` times √n; NaN where the attack failed."""
        return self.distortion * np.sqrt(self.adversarial[:1].size)

    def to_dict(self) -> dict[str, np.ndarray]:
        """All but the images, by name, `l2` beside them: `pandas.DataFrame(result.to_dict())`."""
        return {**super().to_dict(), "l2": self.l2}

    def __repr__(self) -> str:
        count, succeeded = len(self.success), int(self.success.sum())
        already = int((self.distortion == 0).sum())
        note = f" ({already} already adversarial)" if already else ""
        others = " of the others" if already else ""
        changed = self.distortion[self.success & (self.distortion > 0)]
        mean = f", mean distortion{others} {changed.mean():.4g}" if len(changed) else ""
        return f"Result({count} {self.word}s, {succeeded} succeeded{note}{mean})"

    def __str__(self) -> str:
        lines = [repr(self)]
        changed = self.success & (self.distortion > 0)
        if changed.sum() > 1:
            lines += extremes("distortion", self.distortion[changed], "root mean square")
            lines += extremes("l2", self.l2[changed], "‖r‖₂")
            if grey_level(self.provenance) and self.word == "image":
                share = self.survives_rounding[changed].mean()
                lines.append(f"  {share:.0%} keep their new label when rounded to 256 grey levels")
        if names := self.provenance.get("classes"):
            pairs = zip(self.label_before[changed], self.label_after[changed], strict=True)
            counts = Counter(f"{names[before]} became {names[after]}" for before, after in pairs)
            most = (f"{pair} ({count})" if count > 1 else pair for pair, count in counts.most_common(_PAIRS))
            more = f", and {len(counts) - _PAIRS} others" if len(counts) > _PAIRS else ""
            lines += [f"  {', '.join(most)}{more}"] if counts else []
        lines += [f"  failed for {np.sum(self.reason == r)}: {r}" for r in sorted({*self.reason} - {""})]
        return "\n".join(lines)
