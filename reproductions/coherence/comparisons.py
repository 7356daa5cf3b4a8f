"""The record of a layer: scores by kind of direction, and how kinds compare."""

import itertools
from typing import Any

import numpy as np

from reproductions.coherence import kinds
from reproductions.coherence import measure as coherence
from reproductions.coherence.kinds import KINDS, LEARNING, OF_RANDOM, OF_UNITS, PAIRS, UNITS
from reproductions.coherence.measure import OVERALL, SCORES, Layer, Measured
from reproductions.shared import resampling
from reproductions.shared.run import Run

DRAWS = 2000  # of the bootstrap
# more than 20 times the tests of a full run: with fewer, Holm's correction would leave no p below 0.05
PERMUTATIONS = 50_000
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
STEP = 1e-4  # in which the directions' own scores are kept


def settings(k: int) -> dict[str, int]:
    """What decides a record beside images and nets."""
    return {"k": k, "random": kinds.RANDOM_COUNT, "draws": DRAWS, "permutations": PERMUTATIONS}


def of_layer(run: Run, layer: Layer) -> dict[str, Any]:
    """The record of a layer of an MNIST net."""
    names = [layer.preset, coherence.judge_of(layer.preset)]

    def values() -> dict[str, Any]:
        found = coherence.measured(run, layer)
        if not layer.trained:
            return values_of(layer, found, run.seed)
        before = coherence.measured(run, layer.untrained)
        return values_of(layer, found, run.seed, before, layer.untrained.key)

    return coherence.record(run, f"directions/{layer.key}", names, values, **settings(coherence.K))


def values_of(
    layer: Layer, found: Measured, seed: int, before: Measured | None = None, untrained: str | None = None
) -> dict[str, Any]:
    """A layer's distributions and comparisons, as JSON values.

    Args:
        layer: what was measured.
        found: its scores.
        seed: of the resampling.
        before: those of the layer before training, if it is to be compared with that.
        untrained: the key of the record of the layer before training.
    """
    groups = {f"{a} − {b}": (found.scores(a), found.scores(b)) for a, b in PAIRS}
    if before:
        groups |= {learned(kind): (found.scores(kind), before.scores(kind)) for kind in LEARNING}
    return {
        "preset": layer.preset,
        "layer": layer.name,
        "trained": layer.trained,
        "untrained": untrained,
        "dead": int((~found.alive).sum()),
        "tied": found.tied,
        "references": {m: r._asdict() for m, r in found.coherence[UNITS].references.items()},
        "kinds": {kind: _distribution(found, kind) for kind in KINDS},
        "scores": {kind: _packed(found, kind) for kind in (*OF_UNITS, *OF_RANDOM)},
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


def _packed(found: Measured, kind: str) -> str:
    """Every direction's overall score, in steps; "nan" where a unit is left out. A string, since a list is a line a number."""
    steps = np.rint(found.scores(kind)[:, SCORES.index(OVERALL)] / STEP).astype(int)
    if kind not in OF_UNITS:
        return " ".join(map(str, steps))
    words = np.full(len(found.alive), "nan", dtype=object)
    words[found.alive] = steps
    return " ".join(map(str, words))


def scores_of(record: dict[str, Any], kind: str) -> np.ndarray:
    """Every direction's overall score [D], NaN for a unit that is left out."""
    return STEP * np.array(record["scores"][kind].split(), float)


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
