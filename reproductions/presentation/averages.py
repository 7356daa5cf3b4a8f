"""The average of several numbers."""

from collections.abc import Sequence

from reproductions.shared.intervals import Number


def average(numbers: Sequence[Number]) -> Number:
    """Of numbers over the same images, without runs; its interval is, if anything, too wide."""
    value, low, high = (
        sum(getattr(n, end) for n in numbers) / len(numbers) for end in ("value", "low", "high")
    )
    return Number(value, low, high, numbers[0].n, [])
