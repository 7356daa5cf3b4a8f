"""Values of images and their bounds; needs no TensorFlow."""

import warnings
from typing import Any, NamedTuple

import numpy as np

_ROUNDING = 1e-5  # of the range of values: what is so little outside is clipped


class Bounds(NamedTuple):
    """The smallest and the largest value of every pixel: numbers, or float32 of the shape of an image; may be infinite."""

    lower: Any
    upper: Any

    @property
    def are_finite(self) -> bool:
        """All of them."""
        return bool(np.isfinite(self.lower).all() and np.isfinite(self.upper).all())

    def flat(self) -> "Bounds":
        """Of images as rows of values: numbers, or float32 [n]."""
        return Bounds(*(b if np.ndim(b) == 0 else np.reshape(b, -1) for b in self))

    def finite(self, x: np.ndarray) -> "Bounds":
        """The bounds themselves; where they are infinite, values twice as far from zero as any that images x [B, …] have there."""
        if self.are_finite:
            return self
        far = 2 * np.abs(x).max(axis=0)
        far = np.where(far > 0, far, max(1.0, far.max()))
        return Bounds(
            np.where(np.isfinite(self.lower), self.lower, np.minimum(-far, self.upper - far)),
            np.where(np.isfinite(self.upper), self.upper, np.maximum(far, self.lower + far)),
        )


def checked_bounds(bounds: Any, shape: tuple[int, ...]) -> Bounds:
    """The bounds in float32: numbers where all pixels have the same.

    Args:
        bounds: two numbers, or two arrays that broadcast to an image.
        shape: of an image.

    Raises:
        ValueError: they are something else, or NaN, or do not rise.
    """
    try:
        lower, upper = (np.asarray(b, np.float32) for b in bounds)
        if lower.ndim or upper.ndim:
            lower, upper = (np.broadcast_to(b, shape) for b in (lower, upper))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"bounds must be two numbers (lowest, highest), or two arrays that broadcast to an {word((1, *shape))} of shape {shape}, not "
            f"{_described(bounds)}."
        ) from error
    falls = ~(lower < upper)  # so does NaN
    if falls.any():
        place = np.unravel_index(np.argmax(falls), falls.shape)
        where = f" at {', '.join(map(str, map(int, place)))}" if falls.ndim else ""
        raise ValueError(
            f"bounds must be (lowest, highest), numbers and rising, not {_number(lower[place])} to {_number(upper[place])}{where}. They may be infinite. "
            "Where both are to be equal, so that a value stays as it is: leave it out of x, and pass a function that puts it back and calls the model."
        )
    if lower.ndim and (lower == lower.flat[0]).all() and (upper == upper.flat[0]).all():
        lower, upper = lower.flat[0], upper.flat[0]
    return Bounds(*(b if b.ndim else float(b) for b in (lower, upper)))


def _described(bounds: Any) -> str:
    """What was given instead of bounds, in a few words."""
    if isinstance(bounds, (tuple, list)) and len(bounds) == 2 and any(np.ndim(b) for b in bounds):
        return f"arrays of shapes {' and '.join(str(np.shape(b)) for b in bounds)}"
    if isinstance(bounds, (tuple, list)):
        numbers = (isinstance(b, (np.number, np.ndarray)) and np.ndim(b) == 0 for b in bounds)
        plain = (str(b) if is_number else repr(b) for b, is_number in zip(bounds, numbers, strict=True))
        return f"({', '.join(plain)})"
    return repr(bounds)


def as_floats(x: Any, name: str = "x") -> np.ndarray:
    """Float32 images [B, …]; messages call them by their name.

    Raises:
        TypeError: they are no floats.
        ValueError: there is none.
    """
    images = np.asarray(x)
    if images.dtype.kind not in "biuf" and not images.dtype.name.startswith("bfloat"):
        given = f"an array of {images.dtype}" if isinstance(x, np.ndarray) else f"of type {type(x).__name__}"
        raise TypeError(f"{name} must be an array of floats [B, …]; it is {given}.")
    if images.dtype.kind in "biu":
        raise TypeError(
            f"{name} holds {images.dtype}, and floats are needed, in the range that the model was trained on: "
            f"{name}.astype('float32') / 255 for [0, 1], say, or {name}.astype('float32') with bounds=(0, 255)."
        )
    images = images.astype(np.float32)
    if images.ndim < 2 or images.size == 0:
        hint = f" For a single one pass {name}[None]." if images.ndim == 1 and images.size else ""
        raise ValueError(
            f"{name} must hold at least one {word(images.shape)}, [B, …]; its shape is {images.shape}.{hint}"
        )
    return images


def word(shape: tuple[int, ...]) -> str:
    """What an entry of an array [B, …] is called: an image, or an example where it is a row of values."""
    return "example" if len(shape) < 3 else "image"


def within(images: np.ndarray, bounds: Bounds, name: str = "x") -> np.ndarray:
    """Images [B, …] of which it is known that they are finite and within the bounds.

    What is outside by rounding is clipped, with a warning. Messages call the images by their name.

    Raises:
        ValueError: they are not.
    """
    finite = np.isfinite(images).reshape(len(images), -1).all(axis=1)
    if not finite.all():
        one = word(images.shape)
        raise ValueError(
            f"{name} has NaN or infinite values in {int((~finite).sum())} of {len(images)} {one}s, "
            f"first in {one} {int(np.argmin(finite))}."
        )
    excess = np.maximum(bounds.lower - images, images - bounds.upper)
    if excess.max() <= 0:
        return images
    spans = np.asarray(bounds.upper) - bounds.lower
    spans = np.where(np.isfinite(spans), spans, np.abs(images).max(axis=0))
    if (excess > _ROUNDING * spans).any():
        raise ValueError(
            f"{name} ranges from {_number(images.min())} to {_number(images.max())}, outside the bounds {shown(bounds)}. Bring {name} into "
            "the range that the model was trained on, and pass that as bounds."
        )
    warnings.warn(
        f"{name} has {int((excess > 0).sum())} values outside the bounds {shown(bounds)} by rounding, at most by {excess.max():.2g}: "
        "they are clipped.",
        stacklevel=4,
    )
    return np.clip(images, *bounds)


def shown(bounds: Bounds) -> str:
    """Bounds in a sentence."""
    lower, upper = (np.asarray(b) for b in bounds)
    if not lower.ndim:
        return f"({_number(lower)}, {_number(upper)})"
    return f"(each its own, from {_number(lower.min())} to {_number(upper.max())})"


def _number(value: Any) -> str:
    """As few digits as tell a float32 from its neighbours."""
    return np.format_float_positional(np.float32(value), trim="-")
