"""Units compared with random directions: the primary hypothesis, and what explains the difference (paper §3, measured)."""

from keras_intriguing.directions import MEASURES
from keras_intriguing.report import Claim, Section
from reproductions.coherence import charts, comparisons, hypothesis, kinds, tables
from reproductions.coherence import measure as coherence
from reproductions.coherence.comparisons import Nets, Records
from reproductions.coherence.kinds import RANDOM, UNITS
from reproductions.presentation import descriptions
from reproductions.shared.chapter import Chapter
from reproductions.shared.measurement import Values
from reproductions.shared.run import Run


def _section(run: Run, values: Values) -> Section:
    """The difference by network; then every layer; folded: by depth, before and after training, by measure."""
    records, nets = comparisons.records(run, values), comparisons.last_layers(run, values)
    trained = {key: record for key, record in records.items() if record.trained}
    return Section(
        f"Units and random directions (§3): are their images equally alike, to {hypothesis.MARGIN:g} of the score?",
        [charts.by_network(run, nets), charts.mean_scores(run, trained)],
        _text(nets),
        folded=[
            tables.by_depth(records),
            tables.by_layer(trained),
            tables.learning(records),
            *(tables.by_measure(trained, name) for name in MEASURES),
            charts.distributions(run, records),
        ],
        method=_method(run, records),
        provenance=[("measured on", descriptions.all_images(run))],
    )


def _text(nets: Nets) -> str:
    found = {name: hypothesis.of_net(runs) for name, runs in nets.items()}
    mean = hypothesis.effect(nets)
    low, high = mean.interval()
    above, below = sum(one.low > 0 for one in found.values()), sum(one.high < 0 for one in found.values())
    return (
        "The hypothesis, its measure and its margin were fixed before these numbers: in the last hidden layer of a network the images "
        "of units and of random directions of the same layer, with nothing done to either, are equally alike, to "
        f"{hypothesis.MARGIN:g} of the way from random images to the most alike that were found. Over {len(found)} networks, "
        f"{sum(map(len, nets.values()))} training runs in all, units "
        f"differ from random directions by {mean.value:+.3f} on average (95%: {low:+.3f} to {high:+.3f}). Network by network units "
        f"are ahead in {above}, random directions in {below}, each by an interval over directions."
    )


def _method(run: Run, records: Records) -> list[str]:
    dead = sum(record.dead for record in records.values())
    tied, where = max(
        (record.tied[kind], tables.name(record)) for record in records.values() for kind in (UNITS, RANDOM)
    )
    return [
        f"Score: for each direction the {coherence.K} images with the largest activation are taken "
        f"({descriptions.all_images(run)}). Four measures tell how alike they are. Each is scaled to 0 for what as many random "
        "images have on average and 1 for the most alike that were found; the score is their mean. In tables the score has the "
        "middle half of the directions beside it.",
        "What decides is the mean over networks, each of the same weight, with its training runs. Its interval is over networks, "
        "whose differences have those of training runs and directions in them. All else is of training seed 0, explains and decides "
        "nothing.",
        f"Compared with units: {kinds.RANDOM_COUNT:,} uniformly random directions; as many from uniformly rotated bases; all "
        "principal directions.",
        "Without the mean: images with much activation all over could win many directions. So ⟨φ, v⟩ is made uncorrelated with "
        "⟨φ, μ⟩, for units and random directions alike. (Subtracting the mean from the activations changes no order of images.)",
        "Whitened: where a few components hold most of the variance, they decide for nearly all directions. In the whitened space "
        "all have the same variance. (Whitening leaves principal directions as they are.)",
        "In convolutional layers a direction is one of the channels' space, and an image counts by its best position. Units that "
        f"are exactly the same for all images, at all positions, are left out: {dead} in all layers. Where the last image's "
        "activation equals the next one's, the random order of the images decides: in at most "
        f"{100 * tied:.1f}% of a layer's units or random directions ({where}). The softmax regressions (FC10) have no hidden layer.",
        "Intervals of several layers take directions of the same number in layers of one width as drawn together: the random vectors "
        "are the same, and networks that start alike have units that start alike.",
    ]


def _claims(run: Run, values: Values) -> list[Claim]:
    """What the numbers say of the paper's first claim."""
    nets = comparisons.last_layers(run, values)
    return [hypothesis.decided(nets, f"the last hidden layers of {len(nets)} networks")]


CHAPTER = Chapter("directions", comparisons.plan, _section, _claims)
