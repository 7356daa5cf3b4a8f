"""Units against random directions: tables, the figure of distributions, and verdicts (paper §3, measured)."""

from typing import Any

from keras_intriguing.directions import MEASURES
from keras_intriguing.report import Cell, Figure, Section, Table, figures
from reproductions.coherence import comparisons, contrasts, kinds
from reproductions.coherence import measure as coherence
from reproductions.coherence.claims import (
    LEARNED_WHITENED,
    OFF,
    RAW,
    WHITENED,
    Difference,
    Differences,
    by_net,
    claims_of,
    shown_p,
)
from reproductions.coherence.contrasts import MARGIN
from reproductions.coherence.kinds import KINDS, LEARNING, PAIRS, RANDOM, UNITS
from reproductions.coherence.measure import OVERALL, PRESETS
from reproductions.shared.run import Run

__all__ = ["PRESETS", "claims_of", "difference", "gained", "measure", "section", "steps"]

_MEASURED = {
    "purity": "share of the commonest label",
    "entropy": "entropy of the labels, bits",
    "pixels": "mean cosine similarity of pixels",
    "features": "mean cosine similarity of another net's features",
}


def steps(run: Run) -> int:
    """How many records the measurement takes."""
    return len(coherence.layers(run))


def measure(run: Run) -> dict[str, dict[str, Any]]:
    """The record of every layer, by its key."""
    return {layer.key: comparisons.of_layer(run, layer) for layer in coherence.layers(run)}


def section(run: Run, values: dict[str, dict[str, Any]]) -> Section:
    """Verdicts by layer, before and after training; each measure on its own; the distributions."""
    differences = Differences(values)
    trained = {key: record for key, record in values.items() if record["trained"]}
    untrained = {key: record for key, record in values.items() if not record["trained"]}
    tables = [
        _verdicts(
            "Units against their rivals, trained nets", trained, differences, _note(run, values, differences)
        ),
        _verdicts(
            "The same before training",
            untrained,
            differences,
            "The starting weights of the nets above; one row for presets that start alike.",
        ),
        _learning(values, differences),
        _by_depth(values),
        *(_by_measure(trained, differences, name) for name in MEASURES),
    ]
    return Section(
        "Units and random directions (§3): how alike are the images that maximize them?",
        tables,
        [_figure(run, values)],
        provenance=[("measured on", coherence.described(run))],
    )


def _note(run: Run, values: dict[str, dict[str, Any]], differences: Differences) -> str:
    records = values.values()
    dead = sum(record["dead"] for record in records)
    tied, where = max((record["tied"][kind], _name(record)) for record in records for kind in (UNITS, RANDOM))
    return (
        f"Score: for each direction the {coherence.K} images with the largest activation ({coherence.described(run)}); "
        "four measures of how alike they are (tables below), each scaled to 0 for what as many random images have on "
        "average and 1 for the most alike that were found; their mean. First two columns: mean score, and the middle half "
        "of the directions. Other columns: difference of mean scores, the 95% interval of "
        f"it (bootstrap over directions, {comparisons.DRAWS:,} draws; images and net are given), Cliff's δ as effect size, "
        f"and p of a permutation test of Welch's t ({comparisons.PERMUTATIONS:,} exchanges), corrected by Holm's method for "
        f"all {differences.tests:,} tests of this section (with so many exchanges to at least "
        f"{differences.tests / (comparisons.PERMUTATIONS + 1):.3f}). “More”: the units are more alike; “less”: the rival's "
        f"are; both by the corrected p. “Alike”: the whole interval is within ±{MARGIN:g}; intervals, and so this word, are "
        "not corrected for the number of comparisons. “Undecided”: none of these. "
        f"Rivals: {kinds.RANDOM_COUNT:,} uniformly random directions; as many from uniformly rotated bases; all "
        "principal directions. Images with much activation all over could win many directions; so units and the random "
        "directions are compared again, both without what goes along with the mean activation: ⟨φ, v⟩ is made uncorrelated "
        "with ⟨φ, μ⟩. (Subtracting the mean from the activations themselves changes no order of images.) And where a few "
        "components hold most of the variance, they decide for nearly all directions; so units and the random directions "
        "are compared in the whitened space, where all have the same variance. (Whitening leaves "
        "principal directions as they are.) In convolutional layers a direction is one of the channels' "
        "space, and an image counts by its best position. Units that are exactly the same for all images, at all positions, "
        f"are left out: {dead} in all layers. Where the last image's activation equals the next one's, the random order of "
        "the images "
        f"decides: in at most {100 * tied:.1f}% of a layer's units or random directions ({where}). "
        "The softmax regressions (FC10) have no hidden layer. Verdicts on several layers go by the mean of their differences, "
        "whose interval takes directions of the same number in layers of one width as drawn together (the random vectors are "
        "the same, and nets that start alike have units that start alike); they are open where Cochran's Q says that layers "
        "differ and intervals lie on both sides of 0."
    )


def _verdicts(title: str, records: dict[str, dict[str, Any]], differences: Differences, note: str) -> Table:
    columns = ["score, units", "score, random", *(f"{a} − {b}" for a, b in PAIRS)]
    rows = [
        (
            _name(record),
            [
                *(_score(record, kind) for kind in (UNITS, RANDOM)),
                *(difference(differences.of(key, f"{a} − {b}")) for a, b in PAIRS),
            ],
        )
        for key, record in records.items()
    ]
    return Table(title, "layer (directions)", columns, rows, note)


def _learning(values: dict[str, dict[str, Any]], differences: Differences) -> Table:
    names = [comparisons.learned(kind) for kind in LEARNING]
    rows = [
        (
            _name(record),
            [*(difference(differences.of(key, name)) for name in names), gained(values, key)],
        )
        for key, record in values.items()
        if record["trained"]
    ]
    note = (
        "Scores after training minus those of the same net's starting weights: what of the coherence is learned, and what "
        "comes from the images. Columns as above, as if the directions before and after were drawn apart. The last one is "
        "how much more units of the whitened space are ahead of its random directions than before training, with the normal "
        "95% interval over directions that are the same before and after, not corrected."
    )
    return Table(
        "After and before training", "layer (directions)", [*names, LEARNED_WHITENED.name], rows, note
    )


def _by_depth(values: dict[str, dict[str, Any]]) -> Table:
    nets = by_net(values)
    last = {preset: layers[-1] for preset, layers in nets.items()}
    groups = {
        "last, dense classifiers": [key for preset, key in last.items() if preset.startswith("fc")],
        "last, the autoencoder": [key for preset, key in last.items() if preset.startswith("ae")],
        "last, the convolutional net": [key for preset, key in last.items() if preset.startswith("convnet")],
        "last, all": list(last.values()),
        "first of several": [layers[0] for layers in nets.values() if len(layers) > 1],
        "all": [key for layers in nets.values() for key in layers],
    }
    columns = (RAW, contrasts.before(RAW), OFF, contrasts.before(OFF), WHITENED, contrasts.before(WHITENED))
    rows = [
        (f"{name} ({len(keys)})", [_estimated(contrast, values, keys) for contrast in columns])
        for name, keys in groups.items()
        if keys
    ]
    note = (
        "Mean differences over hidden layers, with normal 95% intervals that are not corrected. An untrained layer counts as "
        "often as the nets that start from it."
    )
    return Table("By depth", "hidden layers (how many)", [contrast.name for contrast in columns], rows, note)


def _by_measure(records: dict[str, dict[str, Any]], differences: Differences, name: str) -> Table:
    rows = [
        (
            _name(record),
            [
                *(_value(record, kind, name) for kind in KINDS),
                difference(differences.of(key, f"{UNITS} − {RANDOM}", name)),
            ],
        )
        for key, record in records.items()
    ]
    ends = {tuple(record["references"][name].values()) for record in records.values()}
    bounds = "; or ".join(
        f"{chance:.3f} for random images, {best:.3f} for the best that were found"
        + (f" (none are beyond {limit:.3f})" if abs(limit - best) > 1e-6 else "")
        for chance, best, limit in sorted(ends)
    )
    other = " The second pair is that of the convolutional net's judge." if len(ends) > 1 else ""
    return Table(
        f"By measure: {_MEASURED[name]}",
        "layer (directions)",
        [*KINDS, f"{UNITS} − {RANDOM}, score"],
        rows,
        f"Means over directions, and their middle half. {bounds[0].upper() + bounds[1:]}.{other} Last column as above; the "
        "other comparisons by this measure are in the records.",
    )


def _name(record: dict[str, Any]) -> str:
    net = record["preset"] if record["trained"] else f"{record['preset']}, untrained"
    return f"{net}, {record['layer']} ({record['kinds'][UNITS]['count']})"


def _score(record: dict[str, Any], kind: str) -> Cell:
    found = record["kinds"][kind]
    low, high = (found["quantiles"][OVERALL][comparisons.QUANTILES.index(q)] for q in (0.25, 0.75))
    return Cell(f"{found['scores'][OVERALL]:.3f}", f"{low:.2f}–{high:.2f}")


def _value(record: dict[str, Any], kind: str, name: str) -> Cell:
    """In the measure's own unit, in which scores are linear."""
    found, reference = record["kinds"][kind], record["references"][name]
    scores = [found["quantiles"][name][comparisons.QUANTILES.index(q)] for q in (0.25, 0.75)]
    low, high = sorted(
        reference["chance"] + score * (reference["best"] - reference["chance"]) for score in scores
    )
    return Cell(f"{found['values'][name]:.3f}", f"{low:.2f}–{high:.2f}")


def difference(found: Difference) -> Cell:
    """A difference of scores with its verdict, interval, effect size and p."""
    return Cell(
        f"{found.value:+.3f} {found.verdict}",
        f"{found.low:+.3f} to {found.high:+.3f}; δ {found.delta:+.2f}; {shown_p(found.p)}",
    )


def gained(values: dict[str, dict[str, Any]], key: str) -> Cell:
    """How much more units of the whitened space are ahead of its random directions than before training."""
    return _estimated(LEARNED_WHITENED, values, [key])


def _estimated(contrast: contrasts.Contrast, values: dict[str, dict[str, Any]], keys: list[str]) -> Cell:
    found = contrast.estimate(values, keys)
    return Cell(f"{found.value:+.3f}", f"{found.low:+.3f} to {found.high:+.3f}")


def _figure(run: Run, values: dict[str, dict[str, Any]]) -> Figure:
    panels = []
    for record in (r for r in values.values() if r["trained"]):
        boxes = [(kind, record["kinds"][kind]) for kind in KINDS]
        before = values[record["untrained"]]["kinds"]
        boxes += [(f"{kind}, untrained", before[kind]) for kind in LEARNING]
        panels.append(
            (
                _name(record),
                [(name, found["quantiles"][OVERALL], found["scores"][OVERALL]) for name, found in boxes],
            )
        )
    path = run.out / "figures" / "directions-coherence.png"
    figures.boxes(path, panels, "score: 0 as random images, 1 the most alike")
    note = (
        "The score by kind of direction, a panel a layer. Boxes: middle half of the directions with the median; "
        "whiskers: 5% to 95%; diamonds: means."
    )
    return Figure("How coherence is distributed", path, note)
