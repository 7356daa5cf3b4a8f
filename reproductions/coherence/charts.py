"""Pictures of the scores of units and of other directions."""

import math

import numpy as np

from keras_intriguing.report import Figure, figures
from reproductions.coherence import hypothesis, tables
from reproductions.coherence.comparisons import LayerRecord, Nets, Records
from reproductions.coherence.contrasts import Estimate
from reproductions.coherence.kinds import (
    KINDS,
    LEARNING,
    OFF_MEAN,
    OFF_MEAN_UNITS,
    RANDOM,
    UNITS,
    WHITE,
    WHITE_UNITS,
)
from reproductions.coherence.measure import OVERALL
from reproductions.shared.run import Run

# title, units, random directions
_COLUMNS = (
    ("as they are", UNITS, RANDOM),
    ("without the mean", OFF_MEAN_UNITS, OFF_MEAN),
    ("whitened", WHITE_UNITS, WHITE),
)


def by_network(run: Run, nets: Nets) -> Figure:
    """The primary hypothesis: the difference in every network, their mean, and the margin."""
    rows = []
    for name, runs in nets.items():
        found = hypothesis.of_net(runs)
        rows.append((name, (found.value, found.low, found.high)))
    mean = hypothesis.effect(nets)
    rows.append(("mean over networks", (mean.value, *mean.interval())))
    path = run.out / "figures" / "directions-networks.png"
    label = "score of units minus score of random directions"
    figures.differences(path, rows, hypothesis.MARGIN, label)
    note = (
        f"Last hidden layers. Grey: differences below {hypothesis.MARGIN:g}, which was fixed beforehand as too small to matter. 95% "
        "intervals: of a network over its directions, of the mean over networks."
    )
    below, above = (sum(one[0] < 0 for _, one in rows[:-1]), sum(one[0] > 0 for _, one in rows[:-1]))
    alt = (
        f"{len(rows) - 1} networks' differences with intervals: {above} above zero, {below} below; last their mean, "
        f"{mean.value:+.3f}."
    )
    return Figure("Units minus random directions, by network", path, note, alt)


def mean_scores(run: Run, trained: Records) -> Figure:
    """Units beside random directions, a row for every layer."""
    means = {
        kind: [_mean_score(record, kind) for record in trained.values()]
        for _, *kinds in _COLUMNS
        for kind in kinds
    }
    panels = [
        (title, {"units": means[own], "random directions": means[other]}) for title, own, other in _COLUMNS
    ]
    path = run.out / "figures" / "directions-scores.png"
    label = "mean score: 0 as random images, 1 the most alike that were found"
    figures.dots(path, [f"{record.preset}, {record.layer}" for record in trained.values()], panels, label)
    note = (
        "Mean score of the images that maximize units (filled) and random directions (open), by hidden layer, with 95% intervals "
        "over directions. Left: directions as they are. Middle: uncorrelated with the mean activation. Right: in the "
        "whitened space."
    )
    above = [
        f"{title}, units lie right of random directions in {sum(a[0] > b[0] for a, b in zip(means[own], means[other], strict=True))}"
        for title, own, other in _COLUMNS
    ]
    alt = f"{len(trained)} rows, one a hidden layer, in three columns: {'; '.join(above)} of them."
    return Figure("Scores of units and of random directions", path, note, alt)


def _mean_score(record: LayerRecord, kind: str) -> tuple[float, float, float]:
    """Of a layer's directions of a kind, with its normal 95% interval over directions."""
    scores = record.scores_of(kind)
    scores = scores[np.isfinite(scores)]
    found = Estimate(float(scores.mean()), float(scores.std(ddof=1) / math.sqrt(len(scores))))
    return found.value, found.low, found.high


def distributions(run: Run, records: Records) -> Figure:
    """Box plots of all kinds of directions, a panel for every layer."""
    panels = []
    for record in records.values():
        if record.untrained is None:
            continue
        boxes = [(kind, record.kinds[kind]) for kind in KINDS]
        before = records[record.untrained].kinds
        boxes += [(f"{kind}, untrained", before[kind]) for kind in LEARNING]
        panels.append(
            (
                tables.name(record),
                [(name, found.quantiles[OVERALL], found.scores[OVERALL]) for name, found in boxes],
            )
        )
    path = run.out / "figures" / "directions-coherence.png"
    figures.boxes(path, panels, "score: 0 as random images, 1 the most alike")
    note = (
        "The score by kind of direction, a panel a layer. Boxes: middle half of the directions with the median; "
        "whiskers: 5% to 95%; diamonds: means."
    )
    alt = f"{len(panels)} panels, one a hidden layer, of {len(KINDS) + len(LEARNING)} box plots each, one a kind of direction."
    return Figure("How scores are distributed", path, note, alt)
