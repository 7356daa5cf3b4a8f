"""The tools that give a number for a layer's operator norm, each on AlexNet's layers at their real sizes."""

import os
from collections.abc import Callable
from typing import Any, NamedTuple

import keras_intriguing as ki
from reproductions.bench import cost, norm_layers, norm_tools
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
    "svds": Tool("SciPy svds", norm_tools.svds, {"tolerance": norm_tools.SVDS_TOLERANCE}),
    "fourier": Tool("FFT + SVD", norm_tools.fourier, {}, dense=False),
    "keras": Tool(
        "Keras SpectralNormalization",
        norm_tools.spectral_normalization,
        {"power_iterations": norm_tools.POWER_ITERATIONS},
    ),
}


def measure(name: str, kind: str, tool: str, seed: int) -> dict[str, Any]:
    """One tool on one layer, or the package's own on all eight in a row; made to be called in a fresh process.

    Returns:
        lower, upper: what it gives; None for all eight.
        seconds, cpu_seconds, peak_mib: see `cost.Cost`; the kernels are there before.
        load: processes that wanted to run, on an average of the run's last minute.
    """
    layers = [norm_layers.built(one, kind, seed) for one in (norm_layers.LAYERS if name == ALL else [name])]
    found, taken = cost.measured(lambda: [TOOLS[tool].run(*layer) for layer in layers])
    lower, upper = found[0] if len(found) == 1 else (None, None)
    return {"lower": lower, "upper": upper, **taken._asdict(), "load": os.getloadavg()[0]}


def code_hash(tool: str) -> str:
    """Of what a tool's number rests on; another tool's does not rest on the package's own."""
    return CODE.hash(TOOLS[tool].run.__module__, norm_layers.__name__, cost.__name__)
