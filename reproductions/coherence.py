"""How coherent the images are that maximize units, and random and other directions, of every hidden layer."""

import functools
import hashlib
import itertools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np

import keras_intriguing as ki
from keras_intriguing import recipes
from keras_intriguing.directions import MEASURES, Coherence, Judge, Moments, TopImages
from reproductions import resampling
from reproductions.run import Run

PRESETS = [name for name, recipe in recipes.RECIPES.items() if recipe.dataset == "mnist" and recipe.seed == 0]
K = 10
RANDOM_COUNT = 1000  # directions of every random kind
DRAWS = 2000  # of the bootstrap
# more than 20 times the tests of a full run: with fewer, Holm's correction would leave no p below 0.05
PERMUTATIONS = 50_000
OVERALL = "overall"  # the mean of the four measures' scores
SCORES = (*MEASURES, OVERALL)
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)

UNITS, RANDOM, ROTATED, PRINCIPAL = "units", "random", "rotated bases", "principal"
CENTRED, WHITE, WHITE_UNITS = "random, without the mean", "random, whitened", "units, whitened"
KINDS = (UNITS, RANDOM, ROTATED, CENTRED, PRINCIPAL, WHITE_UNITS, WHITE)
# what is compared with what: the second is the rival
PAIRS = (*((UNITS, rival) for rival in (RANDOM, ROTATED, CENTRED, PRINCIPAL, WHITE)), (WHITE_UNITS, WHITE))
LEARNING = (UNITS, RANDOM)  # kinds that are compared with themselves in the untrained net

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


@functools.cache
def judge_of(run: Run, preset: str) -> str:
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
        dead: units that are the same for all images; they are left out.
    """

    coherence: dict[str, Coherence]
    tied: dict[str, float]
    dead: int

    def scores(self, kind: str) -> np.ndarray:
        """[directions, scores], in the order of `SCORES`."""
        by_measure = self.coherence[kind].scores()
        columns = [by_measure[name] for name in MEASURES]
        return np.stack([*columns, np.mean(columns, axis=0)], axis=1)


@functools.cache
def measured(run: Run, layer: Layer) -> Measured:
    """The coherence of all kinds of directions of a layer."""
    judging = judge(run, judge_of(run, layer.preset))
    return of_net(model(run, layer), layer.name, images(run)[0], judging, K, run.seed)


def of_net(net: keras.Model, layer: str, x: Any, judging: Judge, k: int, seed: int) -> Measured:
    """The coherence of the k top images of all kinds of directions of a net's layer, judged by what is made for k."""
    moments = ki.directions.moments(net, layer, x)
    groups = directions_of(moments, seed)
    top = ki.directions.top_images(net, layer, x, np.concatenate(list(groups.values())), k + 1)
    ends = np.cumsum([len(group) for group in groups.values()])[:-1]
    parts = zip(groups, np.split(top.indices, ends), np.split(top.activations, ends), strict=True)
    coherence, tied = {}, {}
    for kind, indices, activations in parts:
        coherence[kind] = judging(TopImages(indices[:, :k], activations[:, :k]))
        tied[kind] = float((activations[:, k - 1] == activations[:, k]).mean())
    return Measured(coherence, tied, len(moments.mean) - len(groups[UNITS]))


def directions_of(moments: Moments, seed: int) -> dict[str, np.ndarray]:
    """The directions [M, D] of every kind; units and principal directions without variance are left out."""
    width = len(moments.mean)
    random = ki.directions.random_directions(width, RANDOM_COUNT, seed)
    bases = [
        ki.directions.rotated_basis(width, RANDOM_COUNT * (seed + 1) + i)  # no draw that `random` has
        for i in range(math.ceil(RANDOM_COUNT / width))
    ]
    found = {
        UNITS: ki.directions.units(width),
        RANDOM: random,
        ROTATED: np.concatenate(bases)[:RANDOM_COUNT],
        CENTRED: ki.directions.centred(random, moments),
        WHITE: ki.directions.whitened(random, moments),
        PRINCIPAL: ki.directions.principal_directions(moments),
        WHITE_UNITS: ki.directions.whitened(ki.directions.units(width), moments),
    }
    alive = _varies(found[UNITS], moments)
    found[UNITS], found[WHITE_UNITS] = found[UNITS][alive], found[WHITE_UNITS][alive]
    found[PRINCIPAL] = found[PRINCIPAL][_varies(found[PRINCIPAL], moments)]
    return found


def _varies(rows: np.ndarray, moments: Moments) -> np.ndarray:
    """Along which unit vectors [M, D] activations vary by more than rounding."""
    variances = np.einsum("md,de,me->m", rows, moments.covariance, rows, optimize=True)
    return variances > 1e-7 * np.trace(moments.covariance)


def of_layer(run: Run, layer: Layer) -> dict[str, Any]:
    """The record of a layer: the distribution of every score by kind of direction, and their comparisons."""
    names = [layer.preset, judge_of(run, layer.preset)]
    settings = {"k": K, "random": RANDOM_COUNT, "draws": DRAWS, "permutations": PERMUTATIONS}

    def values() -> dict[str, Any]:
        before = measured(run, layer.untrained) if layer.trained else None
        return values_of(layer, measured(run, layer), before, run.seed)

    return record(run, f"directions/{layer.key}", names, values, **settings)


def values_of(layer: Layer, found: Measured, before: Measured | None, seed: int) -> dict[str, Any]:
    """A layer's distributions and comparisons, those with the untrained net where it is given, as JSON values."""
    groups = {f"{a} − {b}": (found.scores(a), found.scores(b)) for a, b in PAIRS}
    if before:
        groups |= {learned(kind): (found.scores(kind), before.scores(kind)) for kind in LEARNING}
    return {
        "preset": layer.preset,
        "layer": layer.name,
        "trained": layer.trained,
        "dead": found.dead,
        "tied": found.tied,
        "references": {m: r._asdict() for m, r in found.coherence[UNITS].references.items()},
        "kinds": {kind: _distribution(found, kind) for kind in KINDS},
        "comparisons": compared(groups, seed),
    }


def learned(kind: str) -> str:
    """The name of the comparison of a kind of direction with the same before training."""
    return f"{kind} − {kind}, untrained"


def _distribution(found: Measured, kind: str) -> dict[str, Any]:
    scores = found.scores(kind)
    means = {m: float(values.mean()) for m, values in found.coherence[kind].values.items()}
    return {
        "count": len(scores),
        "values": means,
        "scores": {m: float(column.mean()) for m, column in zip(SCORES, scores.T, strict=True)},
        "quantiles": {
            m: np.quantile(column, QUANTILES).round(5).tolist()
            for m, column in zip(SCORES, scores.T, strict=True)
        },
    }


def compared(
    groups: dict[str, tuple[np.ndarray, np.ndarray]], seed: int
) -> dict[str, dict[str, dict[str, float]]]:
    """Every pair of groups of scores [n, scores]: by score the difference of means, its interval, δ and p.

    Pairs of the same sizes are tested with the same exchanges, at once.
    """
    found = {}

    def sizes(name: str) -> tuple[int, int]:
        return len(groups[name][0]), len(groups[name][1])

    for _, same in itertools.groupby(sorted(groups, key=sizes), key=sizes):
        names = list(same)
        ours, theirs = (np.concatenate([groups[n][i] for n in names], axis=1) for i in (0, 1))
        low, high = resampling.bootstrap_interval(ours, theirs, DRAWS, seed)
        columns = {
            "difference": ours.mean(axis=0) - theirs.mean(axis=0),
            "low": low,
            "high": high,
            "delta": resampling.cliffs_delta(ours, theirs),
            "p": resampling.permutation_p(ours, theirs, PERMUTATIONS, seed),
        }
        for i, (name, score) in enumerate(itertools.product(names, SCORES)):
            found.setdefault(name, {})[score] = {c: float(values[i]) for c, values in columns.items()}
    return {name: found[name] for name in groups}
