"""Entries of weight files: checked, and brought to Keras' order of axes."""

from collections.abc import Mapping
from typing import Any

import numpy as np

_SHOWN = 3  # names in a message


class Mismatch(ValueError):
    """Entries that are not those of a form."""


def require_names(expected: list[str], entries: Mapping[str, Any]) -> None:
    """Checks that the entries are the expected ones.

    Raises:
        Mismatch: they are not; the message names some.
    """
    missing = [name for name in expected if name not in entries]
    unknown = [name for name in entries if name not in expected]
    if missing or unknown:
        parts = [
            f"{what} {_some(names)}"
            for what, names in (("it lacks", missing), ("it also has", unknown))
            if names
        ]
        raise Mismatch(
            f"{', and '.join(parts)}. Expected are {len(expected)} arrays, {expected[0]}, {expected[1]} to "
            f"{expected[-1]}, and nothing else."
        )


def _some(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def finite_floats(entries: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The entries in float32.

    Raises:
        Mismatch: one is no array of finite floats.
    """
    found = {}
    for name, value in entries.items():
        if not isinstance(value, np.ndarray):
            raise Mismatch(f"{name} is no array but of class {type(value).__name__}.")
        if value.dtype.kind != "f":
            raise Mismatch(
                f"{name} has numbers of type {value.dtype}; expected are floats of 16, 32 or 64 bits."
            )
        with np.errstate(over="ignore"):
            found[name] = value.astype(np.float32, copy=False)
        if not np.isfinite(found[name]).all():
            raise Mismatch(f"{name} has numbers that are not finite in 32 bits.")
    return found


def channels_first(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that Caffe and PyTorch give a kernel of Keras' shape: output, input, height, width."""
    *taps, inputs, outputs = shape
    return (outputs, inputs, *taps)


def channels_last(kernel: np.ndarray, maps: tuple[int, ...]) -> np.ndarray:
    """A kernel with its axes in Keras' order: height, width, input, output.

    Args:
        kernel: [output, input, height, width], or [output, input].
        maps: of a dense layer on flattened maps, their height, width and channels; else empty. Flattened with
            channels first, they have another order.
    """
    if maps:
        height, width, channels = maps
        kernel = kernel.reshape(-1, channels, height, width)
        return channels_last(kernel, ()).reshape(-1, len(kernel))
    return np.moveaxis(kernel, (0, 1), (-1, -2))
