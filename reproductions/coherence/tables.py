"""Tables of how coherent units are, compared with random and other directions."""

from collections.abc import Sequence

from keras_intriguing.report import Cell, Table
from reproductions.coherence import contrasts
from reproductions.coherence.comparisons import Comparison, LayerRecord, Records, by_net
from reproductions.coherence.contrasts import LEARNED_WHITENED, OFF, RAW, WHITENED
from reproductions.coherence.kinds import KINDS, LEARNING, PAIRS, RANDOM, UNITS, comparison, learned
from reproductions.coherence.measure import OVERALL
from reproductions.coherence.photographs import K as PHOTOGRAPHS_K

_MEASURED = {
    "purity": "share of the commonest label",
    "entropy": "entropy of the labels, bits",
    "pixels": "mean cosine similarity of pixels",
    "features": "mean cosine similarity of another network's features",
}


def by_layer(records: Records) -> Table:
    """How alike the images of units and of other directions are."""
    columns = ["score, units", "score, random", *(comparison(a, b) for a, b in PAIRS)]
    rows = [
        (
            name(record),
            [
                *(_score(record, kind) for kind in (UNITS, RANDOM)),
                *(_difference(record.comparisons[comparison(a, b)][OVERALL]) for a, b in PAIRS),
            ],
        )
        for record in records.values()
    ]
    note = "Differences with 95% intervals by bootstrap over directions, not corrected for their number."
    return Table("Units compared with other directions, by layer", "layer (directions)", columns, rows, note)


def learning(records: Records) -> Table:
    """What training adds, by layer."""
    names = [learned(kind) for kind in LEARNING]
    rows = [
        (
            name(record),
            [*(_difference(record.comparisons[name][OVERALL]) for name in names), _gained(records, key)],
        )
        for key, record in records.items()
        if record.trained
    ]
    note = (
        "Scores after training minus those of the same network's starting weights: what of the coherence is learned, and what "
        "comes from the images; intervals as if the directions before and after were drawn apart. Last column: how much more "
        "units of the whitened space are ahead of its random directions than before training, with the normal 95% interval "
        "over directions that are the same before and after, not corrected."
    )
    return Table(
        "Scores after training minus those before",
        "layer (directions)",
        [*names, LEARNED_WHITENED.name],
        rows,
        note,
    )


def by_depth(records: Records) -> Table:
    """Mean differences over layers."""
    nets = by_net(records)
    last = {preset: layers[-1] for preset, layers in nets.items()}
    groups = {
        "last, dense classifiers": [key for preset, key in last.items() if preset.startswith("fc")],
        "last, the autoencoder": [key for preset, key in last.items() if preset.startswith("ae")],
        "last, the convolutional network": [
            key for preset, key in last.items() if preset.startswith("convnet")
        ],
        "last, all": list(last.values()),
        "first of several": [layers[0] for layers in nets.values() if len(layers) > 1],
        "all": [key for layers in nets.values() for key in layers],
    }
    columns = (RAW, contrasts.before(RAW), OFF, contrasts.before(OFF), WHITENED, contrasts.before(WHITENED))
    rows = [
        (f"{name} ({len(keys)})", [_estimated(contrast, records, keys) for contrast in columns])
        for name, keys in groups.items()
        if keys
    ]
    note = (
        "Mean differences over hidden layers, with normal 95% intervals over the directions that were drawn, which take the networks "
        "as given and are not corrected. Without the mean: units and random directions made uncorrelated with the mean activation. "
        "Whitened: in the space in which no direction has more variance than another. An untrained layer counts as often as the "
        "networks that start from it."
    )
    return Table(
        "Explanations: the difference by depth",
        "hidden layers (how many)",
        [contrast.name for contrast in columns],
        rows,
        note,
    )


def by_measure(records: Records, measure: str) -> Table:
    """One measure, by layer and kind of direction."""
    rows = [
        (
            name(record),
            [
                *(_value(record, kind, measure) for kind in KINDS),
                _difference(record.comparisons[comparison(UNITS, RANDOM)][measure]),
            ],
        )
        for record in records.values()
    ]
    ends = {record.references[measure] for record in records.values()}
    bounds = "; or ".join(
        f"{chance:.3f} for random images, {best:.3f} for the best that were found"
        + (f" (none are beyond {limit:.3f})" if abs(limit - best) > 1e-6 else "")
        for chance, best, limit in sorted(ends)
    )
    other = " The second pair is that of the convolutional network." if len(ends) > 1 else ""
    return Table(
        f"By measure: {_MEASURED[measure]}",
        "layer (directions)",
        [*KINDS, f"{comparison(UNITS, RANDOM)}, score"],
        rows,
        f"Means over directions, and their middle half. {bounds[0].upper() + bounds[1:]}.{other} Last column: the "
        "difference of this measure's scores; other comparisons by it are in the records.",
    )


def photographs(records: Records) -> Table:
    """All units against random and other directions, by layer."""
    names = [comparison(a, b) for a, b in PAIRS] + [learned(kind) for kind in LEARNING]
    rows = [
        (
            f"{layer} ({record.kinds[UNITS].count})",
            [
                *(Cell(f"{record.kinds[kind].scores[OVERALL]:.3f}") for kind in (UNITS, RANDOM)),
                *(_difference(record.comparisons[name][OVERALL]) for name in names),
                _gained(records, layer),
            ],
        )
        for layer, record in records.items()
        if record.trained
    ]
    note = (
        f"Score: 0 for what {PHOTOGRAPHS_K} random photographs have, 1 for the most alike that were found, mean of four measures. "
        "Differences with 95% intervals by bootstrap over directions, not corrected for their number. Last column: how much more "
        "units of the whitened space are ahead than before training."
    )
    columns = ["score, units", "score, random", *names, LEARNED_WHITENED.name]
    return Table(
        "All units compared with other directions, on photographs", "layer (units)", columns, rows, note
    )


def name(record: LayerRecord) -> str:
    """A layer in words, with its number of directions."""
    net = record.preset if record.trained else f"{record.preset}, untrained"
    return f"{net}, {record.layer} ({record.kinds[UNITS].count})"


def _score(record: LayerRecord, kind: str) -> Cell:
    found = record.kinds[kind]
    low, high = found.middle_half(OVERALL)
    return Cell(f"{found.scores[OVERALL]:.3f}", f"{low:.2f}–{high:.2f}")


def _value(record: LayerRecord, kind: str, measure: str) -> Cell:
    """In the measure's own unit, in which scores are linear."""
    found, reference = record.kinds[kind], record.references[measure]
    low, high = sorted(
        reference.chance + score * (reference.best - reference.chance) for score in found.middle_half(measure)
    )
    return Cell(f"{found.values[measure]:.3f}", f"{low:.2f}–{high:.2f}")


def _difference(found: Comparison) -> Cell:
    """A difference of scores with its interval."""
    return Cell(f"{found.difference:+.3f}", f"{found.low:+.3f} to {found.high:+.3f}")


def _gained(records: Records, key: str) -> Cell:
    """How much more units of the whitened space are ahead of its random directions than before training."""
    return _estimated(LEARNED_WHITENED, records, [key])


def _estimated(contrast: contrasts.Contrast, records: Records, keys: Sequence[str]) -> Cell:
    found = contrast.estimate(records, keys)
    return Cell(f"{found.value:+.3f}", f"{found.low:+.3f} to {found.high:+.3f}")
