"""The average of several numbers."""

from collections.abc import Sequence

import numpy as np

from reproductions.measurements.transfer import TransferRow
from reproductions.shared.intervals import Number


def average(numbers: Sequence[Number]) -> Number:
    """Of numbers over the same images, without runs; its interval is, if anything, too wide."""
    value, low, high = (
        sum(getattr(n, end) for n in numbers) / len(numbers) for end in ("value", "low", "high")
    )
    return Number(value, low, high, numbers[0].n, [])


def error_on_the_images_of(examples: TransferRow, row: TransferRow) -> float:
    """The average error of all models in a row, in percent, on those images only that another row has examples of.

    The slower method attacks the first of a run's images; what is said beside its examples is to be of the same ones.
    """
    count = min(wrong.shape[-1] for wrong in examples.wrong.values())
    return 100 * float(
        np.mean([np.nanmean(wrong[..., :count].astype(float)) for wrong in row.wrong.values()])
    )
