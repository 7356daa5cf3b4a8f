"""The tools beside `operator_norm` against dense matrices of small layers, and what the tables say of planted numbers."""

import itertools
from typing import Any

import keras
import numpy as np
import pytest

from reproductions.bench.spectral import layers, norms, other_tools, tables
from reproductions.bench.spectral.norms import Norm

L = keras.layers


def built(layer: Any, shape: tuple[int, ...]) -> Any:
    keras.utils.set_random_seed(0)
    layer.build((None, *shape))
    return layer


def largest(matrix: np.ndarray) -> float:
    return float(np.linalg.svd(matrix, compute_uv=False)[0])


def test_keras_power_iteration_finds_the_norm_of_the_reshaped_kernel() -> None:
    layer = built(L.Conv2D(3, 2), (5, 5, 2))
    found, _ = other_tools.spectral_normalization(layer, (5, 5, 2))
    assert found == pytest.approx(largest(np.asarray(layer.kernel).reshape(-1, 3)), rel=1e-4)


def test_the_fourier_transform_has_the_norm_of_the_periodic_convolution() -> None:
    layer, size = built(L.Conv2D(3, 2, padding="same"), (4, 4, 2)), 4
    kernel = np.asarray(layer.kernel, np.float64)
    matrix = np.zeros((size, size, 3, size, size, 2))
    for i, j, a, b in itertools.product(range(size), range(size), range(2), range(2)):
        matrix[i, j, :, (i + a) % size, (j + b) % size] += kernel[a, b].T
    assert other_tools.fourier(layer, (4, 4, 2))[0] == pytest.approx(largest(matrix.reshape(48, 32)))


@pytest.mark.parametrize("settings", [{"strides": 2}, {"padding": "same"}])
def test_svds_finds_the_norm_of_the_layer(settings: dict[str, Any]) -> None:
    layer = built(L.Conv2D(3, 3, **settings), (7, 7, 2))
    unit = np.eye(98, dtype=np.float32).reshape(98, 7, 7, 2)
    matrix = np.asarray(layer(unit), np.float64).reshape(98, -1)
    assert other_tools.svds(layer, (7, 7, 2))[0] == pytest.approx(largest(matrix), rel=1e-6)


def test_the_layers_are_those_of_table_5() -> None:
    from reproductions.shared.paper import PAPER

    for name, (make, shape) in layers.LAYERS.items():
        layer = make()
        size = PAPER["table5"][name]["size"].split("×")
        assert str(shape[-1]) == size[0]
        assert str(getattr(layer, "filters", None) or layer.units) == size[-1]


def test_kernels_are_the_same_for_the_same_seed() -> None:
    for kind in layers.KERNELS:
        kernels = [np.asarray(layers.built("conv1", kind, seed)[0].kernel) for seed in (0, 0, 1)]
        assert np.array_equal(kernels[0], kernels[1])
        assert not np.array_equal(kernels[0], kernels[2])


def planted(upper: float, seconds: float = 50.0) -> tables.Norms:
    cost = (seconds, seconds, 1000.0, 1.0)
    found: tables.Norms = {}
    for kind in layers.KERNELS:
        found[kind, norms.ALL, norms.OWN] = Norm(*cost, 1.0, upper)
        found[kind, "conv1", norms.OWN] = Norm(*cost, 1.0, upper)
        found[kind, "conv1", "svds"] = Norm(*cost, 1.0005, 1.0005)
    return found


def test_goals_are_met_or_missed() -> None:
    page = tables.page(planted(1.001), seed=0)
    assert page.count("met: a gap of at most") == 2
    assert page.count("met: all eight layers in 60 s") == 2
    assert "| conv1 | 1.000000 | 1.001000 | 1.0e-03 | 1.000000 | – | – |" in page
    page = tables.page(planted(1.005, seconds=70.0), seed=0)
    assert page.count("**missed**: a gap of at most 0.002") == 1  # 0.01 is enough for random ones
    assert page.count("**missed**: all eight layers in 60 s") == 2


def test_a_bound_below_what_another_tool_attains_is_told() -> None:
    assert "**missed**: bounds hold: svds found more on conv1" in tables.page(planted(1.0002), seed=0)
