"""Units compared with random directions: tables, the figure of distributions, and verdicts (paper §3, measured)."""

from keras_intriguing.directions import MEASURES
from keras_intriguing.report import Claim, Section
from reproductions.coherence import charts, claims, comparisons, kinds, tables
from reproductions.coherence import measure as coherence
from reproductions.coherence.claims import OFF, RAW, WHITENED, Differences, Records
from reproductions.coherence.contrasts import MARGIN, Contrast
from reproductions.coherence.kinds import RANDOM, UNITS
from reproductions.presentation import descriptions
from reproductions.shared.chapter import Chapter
from reproductions.shared.measurement import Values
from reproductions.shared.run import Run


def _section(run: Run, values: Values) -> Section:
    """Units beside random directions; folded: differences by layer, before and after training, by measure."""
    records = comparisons.records(run, values)
    differences = Differences(records)
    trained = {key: record for key, record in records.items() if record.trained}
    untrained = {key: record for key, record in records.items() if not record.trained}
    again = "The starting weights of the networks; one row for presets that start alike."
    return Section(
        "Units and random directions (§3): whose images are more alike?",
        [charts.mean_scores(run, trained)],
        _text(records),
        folded=[
            tables.by_depth(records),
            tables.verdicts("Units compared with other directions, by layer", trained, differences, ""),
            tables.verdicts("The same comparisons before training", untrained, differences, again),
            tables.learning(records, differences),
            *(tables.by_measure(trained, differences, name) for name in MEASURES),
            charts.distributions(run, records),
        ],
        method=_method(run, records, differences),
        provenance=[("measured on", descriptions.all_images(run))],
    )


def _text(records: Records) -> str:
    """By the last hidden layers, in which the paper's units are."""
    last = [layers[-1] for layers in claims.by_net(records).values()]

    def found(contrast: Contrast) -> str:
        layers = [contrast.estimate(records, [key]) for key in last]
        above, below = sum(one.low > 0 for one in layers), sum(one.high < 0 for one in layers)
        return (
            f"{contrast.estimate(records, last).value:+.3f} (above zero in {above} layers, below in {below})"
        )

    signs = {contrast.estimate(records, last).value > 0 for contrast in (RAW, OFF, WHITENED)}
    return (
        f"In the {len(last)} last hidden layers the images of units differ in score from those of random directions by "
        f"{found(RAW)} on average. Without what goes along with the mean activation the difference is {found(OFF)}; in the whitened "
        f"space, where all directions have the same variance, {found(WHITENED)}."
        + (
            " So which are more alike depends on what is taken for a random direction."
            if len(signs) > 1
            else ""
        )
    )


def _method(run: Run, records: Records, differences: Differences) -> list[str]:
    dead = sum(record.dead for record in records.values())
    tied, where = max(
        (record.tied[kind], tables.name(record)) for record in records.values() for kind in (UNITS, RANDOM)
    )
    return [
        f"Score: for each direction the {coherence.K} images with the largest activation are taken "
        f"({descriptions.all_images(run)}). Four measures tell how alike they are. Each is scaled to 0 for what as many random "
        "images have on average and 1 for the most alike that were found; the score is their mean. In tables the score has the "
        "middle half of the directions beside it.",
        f"Compared with units: {kinds.RANDOM_COUNT:,} uniformly random directions; as many from uniformly rotated bases; all "
        "principal directions.",
        "Without the mean: images with much activation all over could win many directions. So ⟨φ, v⟩ is made uncorrelated with "
        "⟨φ, μ⟩, for units and random directions alike. (Subtracting the mean from the activations changes no order of images.)",
        "Whitened: where a few components hold most of the variance, they decide for nearly all directions. In the whitened space "
        "all have the same variance. (Whitening leaves principal directions as they are.)",
        "Differences of mean scores: 95% interval by bootstrap over directions "
        f"({comparisons.DRAWS:,} draws; images and network are given), Cliff's δ, and p of a permutation test of Welch's t "
        f"({comparisons.PERMUTATIONS:,} exchanges), corrected by Holm's method for all {differences.tests:,} tests of this chapter "
        f"(with so many exchanges to at least {differences.tests / (comparisons.PERMUTATIONS + 1):.3f}).",
        "“More”: the units' images are more alike; “less”: the other directions' are; both by the corrected p. “Alike”: the whole "
        f"interval is within ±{MARGIN:g}; intervals, and so this word, are not corrected. “Undecided”: none of these.",
        "In convolutional layers a direction is one of the channels' space, and an image counts by its best position. Units that "
        f"are exactly the same for all images, at all positions, are left out: {dead} in all layers. Where the last image's "
        "activation equals the next one's, the random order of the images decides: in at most "
        f"{100 * tied:.1f}% of a layer's units or random directions ({where}). The softmax regressions (FC10) have no hidden layer.",
        "Verdicts on several layers go by the mean of their differences. Its interval takes directions of the same number in "
        "layers of one width as drawn together: the random vectors are the same, and networks that start alike have units that "
        "start alike. A verdict is open where Cochran's Q says that layers differ and intervals lie on both sides of 0.",
    ]


def _claims(run: Run, values: Values) -> list[Claim]:
    """What the numbers say of the paper's first claim."""
    return claims.claims_of(comparisons.records(run, values))


CHAPTER = Chapter("directions", comparisons.plan, _section, _claims)
