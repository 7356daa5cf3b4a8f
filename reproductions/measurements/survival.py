"""What becomes of adversarial photographs in files: rounded to 8 bits, compressed as JPEG."""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

import keras_intriguing as ki
from reproductions.measurements.examples import Examples
from reproductions.shared import intervals
from reproductions.shared.intervals import Number
from reproductions.shared.run import Run

STRETCHES = (0.0, 1.0, 1.1, 1.5, 2.0)  # none of the change, as it was found, and longer

Survival = dict[str, dict[str, Number]]  # by `key` of the factor, by storage


def _rounded(x: np.ndarray) -> np.ndarray:
    return (np.rint(x * 255) / 255).astype(np.float32)


def _jpeg(quality: int) -> Callable[[np.ndarray], np.ndarray]:
    """Images as they come back from JPEG files of a quality, chroma at half resolution as is usual."""

    def stored(x: np.ndarray) -> np.ndarray:
        pixels = np.rint(x * 255).astype(np.uint8)
        back = [tf.io.decode_jpeg(tf.io.encode_jpeg(image, quality=quality)).numpy() for image in pixels]
        return np.stack(back).astype(np.float32) / 255

    return stored


STORED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "as computed": lambda x: x,
    "8 bits": _rounded,
    "JPEG, quality 95": _jpeg(95),
    "JPEG, quality 75": _jpeg(75),
}


def key(stretch: float) -> str:
    """The name of a factor on the change."""
    return f"{stretch:g}"


def survival(
    run: Run,
    presets: Sequence[str],
    x: np.ndarray,
    examples: Sequence[Examples],
    wanted: Callable[[np.ndarray], np.ndarray],
) -> Survival:
    """What share of the examples keeps the wanted labels, by the factor on their change and by how they are stored.

    Args:
        run: whose models are asked.
        presets: the attacked training runs of the net.
        x: the original images [N, …].
        examples: of every training run.
        wanted: labels [N] to whether each is wanted, bool [N].
    """
    found: Survival = {}
    for stretch in STRETCHES:
        hits: dict[str, list[np.ndarray]] = {stored: [] for stored in STORED}
        for preset, example in zip(presets, examples, strict=True):
            images = np.clip(x + np.float32(stretch) * (example.arrays["adversarial"] - x), 0, 1)
            for stored, store in STORED.items():
                labels = ki.evaluation.labels(run.model(preset), store(images))
                hits[stored].append(np.where(example.arrays["success"], wanted(labels), np.nan))
        found[key(stretch)] = {stored: intervals.share_of(np.stack(of)) for stored, of in hits.items()}
    return found
