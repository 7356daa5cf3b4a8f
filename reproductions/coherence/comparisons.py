"""The record of a layer: scores by kind of direction, and how kinds compare."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_intriguing.directions import Reference
from reproductions.coherence import kinds
from reproductions.coherence import measure as coherence
from reproductions.coherence.kinds import KINDS, LEARNING, PAIRS, RANDOM_KINDS, UNIT_KINDS, UNITS
from reproductions.coherence.measure import OVERALL, SCORES, Layer, Measured
from reproductions.shared import resampling
from reproductions.shared.measurement import Measurement, Values
from reproductions.shared.run import Run

DRAWS = 2000  # of the bootstrap
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
STEP = 1e-4  # in which the directions' own scores are kept


@dataclasses.dataclass(frozen=True)
class Distribution:
    """The coherence of the directions of a kind.

    Attributes:
        count: directions.
        values: means by measure, in the measure's unit.
        scores: means by measure, and `OVERALL`.
        quantiles: of the scores, at `QUANTILES`.
    """

    count: int
    values: dict[str, float]
    scores: dict[str, float]
    quantiles: dict[str, list[float]]

    def middle_half(self, score: str) -> tuple[float, float]:
        """The quartiles of a score."""
        low, high = (self.quantiles[score][QUANTILES.index(q)] for q in (0.25, 0.75))
        return low, high


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Of two groups of scores.

    Attributes:
        difference: of the means.
        low: end of its 95% interval.
        high: the other end.
    """

    difference: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class Panel:
    """Some directions of a kind and the images that maximize them.

    Attributes:
        names: of the directions: a unit's number, or that of the draw.
        indices: of the images of every direction.
        values: by measure, of every direction.
    """

    names: list[int]
    indices: list[list[int]]
    values: dict[str, list[float]]


@dataclasses.dataclass(frozen=True)
class LayerRecord:
    """What was measured of a layer.

    Attributes:
        preset: the net.
        layer: its layer.
        trained: or as it was before training.
        dead: units that are the same for all images, and left out.
        tied: by kind, the share of directions whose last image is not larger in activation than the next.
        references: by measure.
        kinds: by kind of direction.
        scores: by kind, every direction's overall score in steps of `STEP`; "nan" where a unit is left out. A string,
            since a list is a line a number.
        comparisons: by `kinds.comparison` or `kinds.learned`, by score.
        untrained: the key of the record of the layer before training.
        panels: by kind, where some are shown.
    """

    preset: str
    layer: str
    trained: bool
    dead: int
    tied: dict[str, float]
    references: dict[str, Reference]
    kinds: dict[str, Distribution]
    scores: dict[str, str]
    comparisons: dict[str, dict[str, Comparison]]
    untrained: str | None = None
    panels: dict[str, Panel] | None = None

    def scores_of(self, kind: str) -> np.ndarray:
        """Every direction's overall score [D], NaN for a unit that is left out."""
        return STEP * np.array(self.scores[kind].split(), float)


Records = Mapping[str, LayerRecord]  # of layers, by key
Nets = Mapping[str, Sequence[LayerRecord]]  # of a layer in every training run, by network


def settings(k: int) -> dict[str, int]:
    """What decides a record beside images and nets."""
    return {"k": k, "random": kinds.RANDOM_COUNT, "draws": DRAWS}


@dataclasses.dataclass(frozen=True)
class LayerCoherence(Measurement[LayerRecord]):
    """Of a layer of an MNIST net."""

    layer: Layer

    def presets(self, run: Run) -> list[str]:
        """The net and the one whose features compare images."""
        return [self.layer.preset, coherence.feature_net(self.layer.preset)]

    def images(self, run: Run) -> dict[str, Any]:
        """All of the data set."""
        return coherence.images_key(run)

    def settings(self, run: Run) -> dict[str, Any]:
        """Numbers of images, directions and draws."""
        return settings(coherence.K)

    def measure(self, run: Run) -> LayerRecord:
        """See `LayerRecord`."""
        found = coherence.measured(run, self.layer)
        if not self.layer.trained or self.layer.preset not in coherence.PRESETS:
            return layer_record(self.layer, found, run.seed)
        untrained = self.layer.untrained
        return layer_record(self.layer, found, run.seed, coherence.measured(run, untrained), untrained.key)


def plan(run: Run) -> list[LayerCoherence]:
    """The measurements of all layers, trained and not, and of the last ones of further training runs."""
    others = [layer for net in coherence.last_layers(run).values() for layer in net]
    return [_planned(layer) for layer in dict.fromkeys([*coherence.layers(run), *others])]


def _planned(layer: Layer) -> LayerCoherence:
    return LayerCoherence(f"directions/{layer.key}", layer)


def records(run: Run, values: Values) -> Records:
    """Of all layers of the first training runs, by key."""
    return {layer.key: values[_planned(layer)] for layer in coherence.layers(run)}


def last_layers(run: Run, values: Values) -> Nets:
    """Of every network's last hidden layer."""
    nets = coherence.last_layers(run)
    return {name: [values[_planned(layer)] for layer in layers] for name, layers in nets.items()}


def by_net(records: Records) -> dict[str, list[str]]:
    """The keys of the trained layers of every net, from below."""
    nets: dict[str, list[str]] = {}
    for key, record in records.items():
        if record.trained:
            nets.setdefault(record.preset, []).append(key)
    return nets


def layer_record(
    layer: Layer, found: Measured, seed: int, before: Measured | None = None, untrained: str | None = None
) -> LayerRecord:
    """A layer's distributions and comparisons.

    Args:
        layer: what was measured.
        found: its scores.
        seed: of the resampling.
        before: those of the layer before training, if it is to be compared with that.
        untrained: the key of the record of the layer before training.
    """
    groups = {kinds.comparison(a, b): (found.scores(a), found.scores(b)) for a, b in PAIRS}
    if before:
        groups |= {kinds.learned(kind): (found.scores(kind), before.scores(kind)) for kind in LEARNING}
    return LayerRecord(
        preset=layer.preset,
        layer=layer.name,
        trained=layer.trained,
        dead=int((~found.alive).sum()),
        tied=found.tied,
        references=found.coherence[UNITS].references,
        kinds={kind: _distribution(found, kind) for kind in KINDS},
        scores={kind: _packed(found, kind) for kind in (*UNIT_KINDS, *RANDOM_KINDS)},
        comparisons=compared(groups, seed),
        untrained=untrained,
    )


def _distribution(found: Measured, kind: str) -> Distribution:
    scores = found.scores(kind)
    columns = list(zip(SCORES, scores.T, strict=True))
    return Distribution(
        len(scores),
        {m: float(values.mean()) for m, values in found.coherence[kind].values.items()},
        {m: float(column.mean()) for m, column in columns},
        {m: np.quantile(column, QUANTILES).round(5).tolist() for m, column in columns},
    )


def _packed(found: Measured, kind: str) -> str:
    """See `LayerRecord.scores`."""
    steps = np.rint(found.scores(kind)[:, SCORES.index(OVERALL)] / STEP).astype(int)
    if kind not in UNIT_KINDS:
        return " ".join(map(str, steps))
    words = np.full(len(found.alive), "nan", dtype=object)
    words[found.alive] = steps
    return " ".join(map(str, words))


def compared(groups: dict[str, tuple[np.ndarray, np.ndarray]], seed: int) -> dict[str, dict[str, Comparison]]:
    """Every pair of groups of scores [n, scores], by score.

    Pairs of the same sizes are resampled at once.
    """
    found: dict[str, dict[str, Comparison]] = {}

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
        }
        for i, (name, score) in enumerate(itertools.product(names, SCORES)):
            one = Comparison(**{c: float(values[i]) for c, values in columns.items()})
            found.setdefault(name, {})[score] = one
    return {name: found[name] for name in groups}
