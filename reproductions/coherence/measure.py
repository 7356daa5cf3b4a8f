"""How coherent the images are that maximize units, and random and other directions, of every hidden layer."""

import functools
import hashlib
from typing import Any, NamedTuple

import keras
import numpy as np

import keras_intriguing as ki
from keras_intriguing.directions import MEASURES, Coherence, CoherenceScorer, TopImages
from reproductions.coherence import kinds
from reproductions.coherence.kinds import UNITS
from reproductions.shared.run import Run

PRESETS = ki.presets.packaged()
K = 10
OVERALL = "overall"  # the mean of the four measures' scores
SCORES = (*MEASURES, OVERALL)

# in whose last hidden layer images are compared; the second for the convolutional net itself
_FEATURES, _OTHER_FEATURES = "convnet_mnist", "fc200_200_10_mnist"


class Layer(NamedTuple):
    """A hidden layer of a preset, or of the same net before its training."""

    preset: str
    name: str
    trained: bool

    @property
    def key(self) -> str:
        """Its name among the records."""
        net = self.preset if self.trained else f"untrained-{_recipe(self.preset)['model']}"
        return f"{net}-{self.name}"

    @property
    def untrained(self) -> "Layer":
        """The layer before training: the same for all presets of an architecture, which start alike."""
        architecture = _recipe(self.preset)["model"]
        first = next(preset for preset in PRESETS if _recipe(preset)["model"] == architecture)
        return Layer(first, self.name, trained=False)


def _recipe(preset: str) -> dict[str, Any]:
    return ki.presets.load_metrics(preset)["recipe"]


def layers(run: Run) -> list[Layer]:
    """Every hidden layer of every MNIST preset, and of every architecture before training."""
    found = [
        Layer(preset, name, trained=True)
        for preset in PRESETS
        for name in ki.directions.hidden_layers(run.model(preset))
    ]
    return [*found, *dict.fromkeys(layer.untrained for layer in found)]


def last_layers(run: Run) -> dict[str, list[Layer]]:
    """The last hidden layer of every MNIST net that has one, in all of its training runs."""
    found = {}
    for preset in PRESETS:
        if hidden := ki.directions.hidden_layers(run.model(preset)):
            found[preset] = [Layer(one, hidden[-1], trained=True) for one in run.trained(preset)]
    return found


@functools.cache
def images(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """All images and labels of the data set, test images where it has them, in random order.

    The order decides between equal activations, and `mnist5k` is sorted by digit.
    """
    x, y = run.load("train" if run.dataset == "mnist5k" else "test")
    order = np.random.default_rng(run.seed).permutation(len(x))
    return x[order], y[order]


def images_key(run: Run) -> dict[str, Any]:
    """All images, for a record's key, whatever number is attacked elsewhere; see `Measurement.images`."""
    x, y = images(run)
    digest = hashlib.sha256(x.tobytes() + y.tobytes())
    return {"dataset": run.dataset, "images": len(x), "images_sha256": digest.hexdigest()}


def model(run: Run, layer: Layer) -> Any:
    """The net of a layer, trained or with its starting weights."""
    if layer.trained:
        return run.model(layer.preset)
    net = ki.from_preset(layer.preset)  # one of its own: the run's goes on being the trained one
    ki.training.initialize(net, _recipe(layer.preset)["seed"])
    return net


def feature_net(preset: str) -> str:
    """The preset in whose last hidden layer's space the images of another are compared."""
    return _OTHER_FEATURES if preset == _FEATURES else _FEATURES


@functools.cache
def scorer(run: Run, preset: str) -> CoherenceScorer:
    """What measures sets of images, with the features of a preset."""
    x, y = images(run)
    net = run.model(preset)
    last = ki.directions.hidden_layers(net)[-1]
    return CoherenceScorer(y, x, ki.directions.activations(net, last, x), K)


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
    score = scorer(run, feature_net(layer.preset))
    return measure_layer(model(run, layer), layer.name, images(run)[0], score, K, run.seed)


def measure_layer(
    net: keras.Model, layer: str, x: Any, score: CoherenceScorer, k: int, seed: int
) -> Measured:
    """The coherence of the k top images of all kinds of directions of a net's layer; `score` is that of k images."""
    groups = directions_of(net, layer, x, seed)
    top = ki.directions.top_images(net, layer, x, np.concatenate(list(groups.values())), k + 1)
    ends = np.cumsum([len(group) for group in groups.values()])[:-1]
    parts = zip(groups, np.split(top.indices, ends), np.split(top.activations, ends), strict=True)
    coherence, tied = {}, {}
    for kind, indices, activations in parts:
        coherence[kind] = score(TopImages(indices[:, :k], activations[:, :k]))
        tied[kind] = float((activations[:, k - 1] == activations[:, k]).mean())
    return Measured(coherence, tied, alive=np.asarray(groups[UNITS].any(axis=0)))


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
