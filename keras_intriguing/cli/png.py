"""Images of 256 grey levels as PNG files."""

from pathlib import Path
from typing import Any

from keras_intriguing import files


def require_pictures(shape: tuple[int, ...], levels: int | None) -> None:
    """Checks that images can be written, before work starts.

    Args:
        shape: of images [N, …].
        levels: that they are asked for in.

    Raises:
        ValueError: they are no pictures in black and white or RGB, or not of 256 levels.
    """
    if levels != 256:
        raise ValueError("--png needs --levels 256: other images do not keep their labels in a PNG file.")
    if len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] not in (1, 3)):
        raise ValueError(
            f"--png writes images [N, H, W], [N, H, W, 1] or [N, H, W, 3], but x has shape {shape}."
        )


def write(folder: Path, images: Any, chosen: Any, bounds: tuple[float, float]) -> None:
    """Writes those images [N, …] that are chosen, bool [N], each by its number, as `folder/00000.png`.

    Args:
        folder: made if it is not there.
        images: on the levels between the bounds.
        chosen: which of them.
        bounds: the values of black and white.
    """
    import numpy as np
    import tensorflow as tf

    lower, upper = bounds
    for number in np.flatnonzero(chosen):
        levels = np.rint((images[number].astype(np.float64) - lower) / (upper - lower) * 255).astype(np.uint8)
        picture = levels if levels.ndim == 3 else levels[..., None]
        with files.replacing(folder / f"{number:05d}.png") as temporary:
            temporary.write_bytes(tf.io.encode_png(picture).numpy())
