"""Units compared with random directions: tables, the figure of distributions, and verdicts (paper §3, measured)."""

from keras_intriguing.directions import MEASURES
from keras_intriguing.report import Claim, Figure, Section, figures
from reproductions.coherence import claims, comparisons, kinds, tables
from reproductions.coherence import measure as coherence
from reproductions.coherence.claims import Differences, Records
from reproductions.coherence.contrasts import MARGIN
from reproductions.coherence.kinds import KINDS, LEARNING, RANDOM, UNITS
from reproductions.coherence.measure import OVERALL
from reproductions.shared import descriptions
from reproductions.shared.chapter import Chapter
from reproductions.shared.measurement import Values
from reproductions.shared.run import Run


def _section(run: Run, values: Values) -> Section:
    """Verdicts by layer, before and after training; each measure on its own; the distributions."""
    records = comparisons.records(run, values)
    differences = Differences(records)
    trained = {key: record for key, record in records.items() if record.trained}
    untrained = {key: record for key, record in records.items() if not record.trained}
    return Section(
        "Units and random directions (§3): how alike are the images that maximize them?",
        [
            tables.verdicts(
                "Units against their rivals, trained nets",
                trained,
                differences,
                _note(run, records, differences),
            ),
            tables.verdicts(
                "The same before training",
                untrained,
                differences,
                "The starting weights of the nets above; one row for presets that start alike.",
            ),
            tables.learning(records, differences),
            tables.by_depth(records),
            *(tables.by_measure(trained, differences, name) for name in MEASURES),
        ],
        [_figure(run, records)],
        provenance=[("measured on", descriptions.all_images(run))],
    )


def _note(run: Run, records: Records, differences: Differences) -> str:
    dead = sum(record.dead for record in records.values())
    tied, where = max(
        (record.tied[kind], tables.name(record)) for record in records.values() for kind in (UNITS, RANDOM)
    )
    return (
        f"Score: for each direction the {coherence.K} images with the largest activation ({descriptions.all_images(run)}); "
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


def _figure(run: Run, records: Records) -> Figure:
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
    return Figure("How coherence is distributed", path, note)


def _claims(run: Run, values: Values) -> list[Claim]:
    """What the numbers say of the paper's first claim."""
    return claims.claims_of(comparisons.records(run, values))


CHAPTER = Chapter("directions", comparisons.plan, _section, _claims)
