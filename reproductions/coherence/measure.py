"""How coherent the images are that maximize units, and random and other directions, of every hidden layer."""

import functools
import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np

import keras_intriguing as ki
from keras_intriguing.directions import MEASURES, Coherence, Judge, TopImages
from keras_intriguing.training import recipes
from reproductions.coherence import kinds
from reproductions.coherence.kinds import UNITS
from reproductions.shared.run import Run

PRESETS = [name for name, recipe in recipes.RECIPES.items() if recipe.dataset == "mnist" and recipe.seed == 0]
K = 10
OVERALL = "overall"  # the mean of the four measures' scores
SCORES = (*MEASURES, OVERALL)

_JUDGE, _OTHER_JUDGE = "convnet_mnist", "fc200_200_10_mnist"  # the second for the convolutional net itself


class Layer(NamedTuple):
    """A hidden layer of a preset, or of the same net before its training."""

    preset: str
    name: str
    trained: bool

    @property
    def key(self) -> str:
        """Its name among the records."""
        net = self.preset if self.trained else f"untrained-{recipes.get(self.preset).model}"
        return f"{net}-{self.name}"

    @property
    def untrained(self) -> "Layer":
        """The layer before training: the same for all presets of an architecture, which start alike."""
        architecture = recipes.get(self.preset).model
        first = next(preset for preset in PRESETS if recipes.get(preset).model == architecture)
        return Layer(first, self.name, trained=False)


def layers(run: Run) -> list[Layer]:
    """Every hidden layer of every MNIST preset, and of every architecture before training."""
    found = [
        Layer(preset, name, trained=True)
        for preset in PRESETS
        for name in ki.directions.hidden_layers(run.model(preset))
    ]
    return [*found, *dict.fromkeys(layer.untrained for layer in found)]


@functools.cache
def images(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """All images and labels of the data set, test images where it has them, in random order.

    The order decides between equal activations, and `mnist5k` is sorted by digit.
    """
    x, y = run.load("train" if run.dataset == "mnist5k" else "test")
    order = np.random.default_rng(run.seed).permutation(len(x))
    return x[order], y[order]


@functools.cache
def described(run: Run) -> str:
    """The images, in words."""
    what = "training" if run.dataset == "mnist5k" else "test"
    return f"all {len(images(run)[0]):,} MNIST {what} images of {run.dataset}, the training run of seed 0 of every model"


def record(
    run: Run, name: str, presets: list[str], measure: Callable[[], dict[str, Any]], **settings: Any
) -> dict[str, Any]:
    """A record that rests on all images, whatever number is attacked elsewhere."""
    x, y = images(run)
    return run.record(
        name,
        presets,
        measure,
        images=len(x),
        images_sha256=hashlib.sha256(x.tobytes() + y.tobytes()).hexdigest(),
        **settings,
    )


def model(run: Run, layer: Layer) -> Any:
    """The net of a layer; good until the run's next model."""
    net = run.model(layer.preset)
    if not layer.trained:
        ki.training.initialize(net, recipes.get(layer.preset).seed)
    return net


def judge_of(preset: str) -> str:
    """The preset in whose last hidden layer's space the images of another are compared."""
    return _OTHER_JUDGE if preset == _JUDGE else _JUDGE


@functools.cache
def judge(run: Run, preset: str) -> Judge:
    """What measures sets of images, with the features of a preset."""
    x, y = images(run)
    net = run.model(preset)
    last = ki.directions.hidden_layers(net)[-1]
    return Judge(y, x, ki.directions.activations(net, last, x), K)


class Measured(NamedTuple):
    """The sets of top images of a layer's directions, by kind.

    Attributes:
        coherence: of the sets.
        tied: the share of directions whose k-th image is not larger in activation than the next.
        alive: bool [D]: units that are not the same for all images, at all positions; the others are left out.
    """

    coherence: dict[str, Coherence]
    tied: dict[str, float]
    alive: np.ndarray

    def scores(self, kind: str) -> np.ndarray:
        """[directions, scores], in the order of `SCORES`."""
        by_measure = self.coherence[kind].scores()
        columns = [by_measure[name] for name in MEASURES]
        return np.stack([*columns, np.mean(columns, axis=0)], axis=1)


@functools.cache
def measured(run: Run, layer: Layer) -> Measured:
    """The coherence of all kinds of directions of a layer."""
    judging = judge(run, judge_of(layer.preset))
    return of_net(model(run, layer), layer.name, images(run)[0], judging, K, run.seed)


def of_net(net: keras.Model, layer: str, x: Any, judging: Judge, k: int, seed: int) -> Measured:
    """The coherence of the k top images of all kinds of directions of a net's layer, judged by what is made for k."""
    groups = directions_of(net, layer, x, seed)
    top = ki.directions.top_images(net, layer, x, np.concatenate(list(groups.values())), k + 1)
    ends = np.cumsum([len(group) for group in groups.values()])[:-1]
    parts = zip(groups, np.split(top.indices, ends), np.split(top.activations, ends), strict=True)
    coherence, tied = {}, {}
    for kind, indices, activations in parts:
        coherence[kind] = judging(TopImages(indices[:, :k], activations[:, :k]))
        tied[kind] = float((activations[:, k - 1] == activations[:, k]).mean())
    return Measured(coherence, tied, alive=groups[UNITS].any(axis=0))


def directions_of(net: keras.Model, layer: str, x: Any, seed: int) -> dict[str, np.ndarray]:
    """The directions [M, D] of every kind; units that are exactly the same for all images are left out.

    Raises:
        ValueError: fewer than two units are left, so that there is nothing to compare.
    """
    moments = ki.directions.moments(net, layer, x)
    own = ki.directions.units(len(moments.mean))
    extremes = ki.directions.top_images(net, layer, x, np.concatenate([own, -own]), 1).activations[:, 0]
    largest, smallest = np.split(extremes, 2)
    alive = largest > -smallest
    if alive.sum() < 2:
        raise ValueError(f"Of the units of {layer!r}, {alive.sum()} differ between images; two are needed.")
    return kinds.directions_of(moments, alive, seed)
