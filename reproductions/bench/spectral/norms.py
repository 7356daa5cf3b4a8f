"""The tools that give a number for a layer's operator norm, each on AlexNet's layers at their real sizes."""

import dataclasses
import math
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import keras_intriguing as ki
from reproductions.bench import cost
from reproductions.bench.spectral import layers, other_tools
from reproductions.shared.code import CODE

ALL = "all eight"


class Tool(NamedTuple):
    """One way to a number.

    Attributes:
        title: in tables.
        run: maps a built layer and its input shape to a lower and an upper value; the same where there is one.
        settings: that decide its values.
        dense: whether it is for dense layers too.
    """

    title: str
    run: Callable[[Any, tuple[int, ...]], tuple[float, float]]
    settings: dict[str, Any]
    dense: bool = True


def bounds(layer: Any, shape: tuple[int, ...]) -> tuple[float, float]:
    """The package's own."""
    found = ki.spectral.operator_norm(layer, shape)
    return found.lower, found.upper


OWN = "operator_norm"
TOOLS = {
    OWN: Tool("operator_norm", bounds, {}),
    "svds": Tool("SciPy svds", other_tools.svds, {"tolerance": other_tools.SVDS_TOLERANCE}),
    "fourier": Tool("FFT + SVD", other_tools.fourier, {}, dense=False),
    "keras": Tool(
        "Keras SpectralNormalization",
        other_tools.spectral_normalization,
        {"power_iterations": other_tools.POWER_ITERATIONS},
    ),
}


@dataclasses.dataclass(frozen=True)
class Norm:
    """What a tool gives, and what it took.

    Attributes:
        seconds: see `cost.Cost`; the kernels are there before.
        cpu_seconds: likewise.
        peak_mib: likewise.
        load: processes that wanted to run, on an average of the run's last minute.
        lower: value; of all eight layers, their product.
        upper: value, likewise; the same where the tool has one.
    """

    seconds: float
    cpu_seconds: float
    peak_mib: float
    load: float
    lower: float
    upper: float


def measure(name: str, kind: str, tool: str, seed: int) -> Norm:
    """One tool on one layer, or the package's own on all eight in a row; made to be called in a fresh process."""
    built = [layers.built(one, kind, seed) for one in (layers.LAYERS if name == ALL else [name])]
    found, taken = cost.measured(lambda: [TOOLS[tool].run(*layer) for layer in built])
    lower, upper = (math.prod(side) for side in zip(*found, strict=True))
    return Norm(*taken, os.getloadavg()[0], lower, upper)


def code_hash(tool: str) -> str:
    """Of what a tool's number rests on; another tool's does not rest on the package's own."""
    return CODE.hash(TOOLS[tool].run.__module__, layers.__name__, cost.__name__)
