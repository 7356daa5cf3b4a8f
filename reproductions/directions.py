"""Units against random directions: tables, the figure of distributions, and verdicts (paper §3, measured)."""

from typing import Any

from keras_intriguing.directions import MEASURES
from keras_intriguing.report import Cell, Figure, Section, Table, figures
from reproductions import coherence
from reproductions.coherence import KINDS, LEARNING, OVERALL, PAIRS, PRESETS, RANDOM, UNITS
from reproductions.directions_claims import MARGIN, Difference, Differences, claims_of, shown_p
from reproductions.run import Run

__all__ = ["PRESETS", "claims_of", "difference", "measure", "section", "steps"]

_UNITS_OF = {
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
    return {layer.key: coherence.of_layer(run, layer) for layer in coherence.layers(run)}


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
        _learning(trained, differences),
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
        f"it (bootstrap over directions, {coherence.DRAWS:,} draws; images and net are given), Cliff's δ as effect size, and "
        f"p of a permutation test ({coherence.PERMUTATIONS:,} exchanges), corrected by Holm's method for all "
        f"{differences.tests:,} tests of this section (with so many exchanges to at least "
        f"{differences.tests / (coherence.PERMUTATIONS + 1):.3f}). “More”: the units are more alike; “less”: the rival's are; "
        f"“alike”: the whole interval is within ±{MARGIN:g}; “undecided”: none of these. "
        f"Rivals: {coherence.RANDOM_COUNT:,} uniformly random directions; as many from uniformly rotated bases; the random "
        "ones without their component along the mean activation, which images with much activation all over would win; all "
        "principal directions. Subtracting the mean from the activations themselves changes no order of images. Whitened "
        "random directions have the same variance whatever the direction, which units have not; so the fair comparison "
        "is the last column's, between units and random directions of the whitened space. (Whitening leaves "
        "principal directions as they are.) In convolutional layers a direction is one of the channels' "
        "space, and an image counts by its best position. Units that are the same for all images are left out: "
        f"{dead} in all layers. Where the last image's activation equals the next one's, the random order of the images "
        f"decides: in at most {100 * tied:.1f}% of a layer's units or random directions ({where}). "
        "The softmax regressions (FC10) have no hidden layer."
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


def _learning(records: dict[str, dict[str, Any]], differences: Differences) -> Table:
    names = [coherence.learned(kind) for kind in LEARNING]
    rows = [
        (_name(record), [difference(differences.of(key, name)) for name in names])
        for key, record in records.items()
    ]
    note = (
        "Scores after training minus those of the same net's starting weights: what of the coherence is learned, and what "
        "comes from the images. Columns as above."
    )
    return Table("After and before training", "layer (directions)", names, rows, note)


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
        f"By measure: {_UNITS_OF[name]}",
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
    low, high = (found["quantiles"][OVERALL][coherence.QUANTILES.index(q)] for q in (0.25, 0.75))
    return Cell(f"{found['scores'][OVERALL]:.3f}", f"{low:.2f}–{high:.2f}")


def _value(record: dict[str, Any], kind: str, name: str) -> Cell:
    """In the measure's own unit, in which scores are linear."""
    found, reference = record["kinds"][kind], record["references"][name]
    scores = [found["quantiles"][name][coherence.QUANTILES.index(q)] for q in (0.25, 0.75)]
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


def _figure(run: Run, values: dict[str, dict[str, Any]]) -> Figure:
    panels = []
    for record in (r for r in values.values() if r["trained"]):
        key = coherence.Layer(record["preset"], record["layer"], trained=True).untrained.key
        boxes = [(kind, record["kinds"][kind]) for kind in KINDS]
        boxes += [(f"{kind}, untrained", values[key]["kinds"][kind]) for kind in LEARNING]
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
