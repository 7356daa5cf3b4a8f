"""What the comparisons of units with random directions say of the paper's first claim."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from keras_intriguing.report import Claim
from reproductions.coherence import contrasts, panels
from reproductions.coherence.comparisons import LayerRecord
from reproductions.coherence.contrasts import ALIKE, LESS, LEVEL, MORE, UNDECIDED, Contrast, Estimate
from reproductions.coherence.kinds import OFF_MEAN, OFF_MEAN_UNITS, RANDOM, UNITS, WHITE, WHITE_UNITS
from reproductions.coherence.measure import OVERALL, SCORES
from reproductions.shared import resampling

RAW = contrasts.difference(UNITS, RANDOM)
OFF = contrasts.difference(OFF_MEAN_UNITS, OFF_MEAN)
WHITENED = contrasts.difference(WHITE_UNITS, WHITE)
LEARNED = contrasts.learned(RANDOM)
LEARNED_WHITENED = contrasts.learned_difference(WHITE_UNITS, WHITE)
_NO_MORE = (ALIKE, LESS)

Records = Mapping[str, LayerRecord]  # of layers, by key


@dataclasses.dataclass(frozen=True)
class Difference(Estimate):
    """Of two kinds' mean scores in a layer, with Cliff's δ too; p is corrected for all tests."""

    delta: float


class Differences:
    """All comparisons of a measurement, with p-values corrected for their number."""

    def __init__(self, records: Records) -> None:
        names = [
            (key, name, score)
            for key, record in records.items()
            for name, score in itertools.product(record.comparisons, SCORES)
        ]
        found = [records[key].comparisons[name][score] for key, name, score in names]
        corrected = resampling.holm(np.array([one.p for one in found]))
        self.tests = len(names)
        self._by_name = {
            name: Difference(one.difference, one.low, one.high, float(p), one.delta)
            for name, one, p in zip(names, found, corrected, strict=True)
        }

    def of(self, key: str, name: str, score: str = OVERALL) -> Difference:
        """The difference of a layer, by the name of its comparison."""
        return self._by_name[key, name, score]


def claims_of(records: Records) -> list[Claim]:
    """What the numbers say of the paper's first claim, of fairer comparisons, and of learning."""
    nets = by_net(records)
    trained = [key for layers in nets.values() for key in layers]
    untrained = [key for key, record in records.items() if not record.trained]
    last = [layers[-1] for layers in nets.values()]
    first = [layers[0] for layers in nets.values() if len(layers) > 1]
    claims = [
        (
            "“there is no distinction between individual high level units and random linear combinations of high level "
            "units” (read as: in the last hidden layers, images that maximize random directions are as alike as those "
            "that maximize units)",
            (RAW, last, _NO_MORE),
        ),
        ("The same in the first of several hidden layers (not in the paper)", (RAW, first, _NO_MORE)),
        ("The same in all hidden layers (not in the paper)", (RAW, trained, _NO_MORE)),
        ("The same in the convolutional net's hidden layers", (RAW, nets.get(panels.PRESET, []), _NO_MORE)),
        (
            "The same in the last hidden layers, between units and random directions whose activation does not go along "
            "with that of the mean activation (not in the paper)",
            (OFF, last, _NO_MORE),
        ),
        (
            "The same, without the mean, in the first of several hidden layers (not in the paper)",
            (OFF, first, _NO_MORE),
        ),
        (
            "The same in the last hidden layers, between units and random directions of the whitened space, where no "
            "direction has more variance than another (not in the paper)",
            (WHITENED, last, _NO_MORE),
        ),
        (
            "The same, in the whitened space, in the first of several hidden layers (not in the paper)",
            (WHITENED, first, _NO_MORE),
        ),
        (
            "Before training, too, random directions are as coherent as units (not in the paper)",
            (RAW, untrained, _NO_MORE),
        ),
        (
            "Before training, random directions of the whitened space are as coherent as its units (not in the paper)",
            (WHITENED, untrained, _NO_MORE),
        ),
        (
            "What units are ahead by in the whitened space is learned (not in the paper)",
            (LEARNED_WHITENED, trained, (MORE,)),
        ),
        (
            "The coherence of random directions is learned: it is larger than in the untrained net (not in the paper)",
            (LEARNED, trained, (MORE,)),
        ),
    ]
    return _decided(records, claims)


def by_net(records: Records) -> dict[str, list[str]]:
    """The keys of the trained layers of every net, from below."""
    nets: dict[str, list[str]] = {}
    for key, record in records.items():
        if record.trained:
            nets.setdefault(record.preset, []).append(key)
    return nets


def claims_on_photographs(records: Records) -> list[Claim]:
    """The same of a net on photographs; the records of its layers by name."""
    layers = [key for key, record in records.items() if record.trained]
    claims = [
        (
            f"Images that maximize random directions are as alike as those that maximize units (layers {', '.join(layers)})",
            (RAW, layers, _NO_MORE),
        ),
        (
            "The same between units and random directions whose activation does not go along with that of the mean "
            "activation (not in the paper)",
            (OFF, layers, _NO_MORE),
        ),
        (
            "The same between units and random directions of the whitened space (not in the paper)",
            (WHITENED, layers, _NO_MORE),
        ),
        (
            "What units are ahead by in the whitened space is learned (not in the paper)",
            (LEARNED_WHITENED, layers, (MORE,)),
        ),
        (
            "The coherence of random directions is learned: it is larger than in the untrained net (not in the paper)",
            (LEARNED, layers, (MORE,)),
        ),
    ]
    return _decided(records, claims)


def _decided(
    records: Records,
    claims: Sequence[tuple[str, tuple[Contrast, Sequence[str], tuple[str, ...]]]],
) -> list[Claim]:
    """Claims out of a statement and what is compared, the layers, and the verdicts that support it."""
    decided = [(statement, *rest) for statement, rest in claims if rest[1]]
    means = [contrast.estimate(records, keys) for _, contrast, keys, _ in decided]
    corrected = resampling.holm(np.array([mean.p for mean in means]))
    return [
        _claim(
            statement,
            contrast.name,
            dataclasses.replace(mean, p=float(p)),
            [contrast.estimate(records, [key]) for key in keys],
            supporting,
        )
        for (statement, contrast, keys, supporting), mean, p in zip(decided, means, corrected, strict=True)
    ]


def _claim(
    statement: str, name: str, mean: Estimate, layers: Sequence[Estimate], supporting: tuple[str, ...]
) -> Claim:
    """By the mean over the layers, if they agree: differ by no more than luck, or lie on one side of zero."""
    differ = contrasts.heterogeneity(layers)
    above, below = sum(one.low > 0 for one in layers), sum(one.high < 0 for one in layers)
    contradict = differ.p < LEVEL and above > 0 and below > 0
    if mean.verdict == UNDECIDED or contradict:
        verdict = "undecided"
    else:
        verdict = "holds" if mean.verdict in supporting else "does not hold"
    return Claim(
        statement,
        verdict,
        f"difference of scores ({name}), mean over {len(layers)} layers: {mean.value:+.3f} ({mean.low:+.3f} to "
        f"{mean.high:+.3f}), {shown_p(mean.p)} corrected for these claims; intervals above 0 in {above} of the layers, below "
        f"in {below}; layers differ{'' if differ.p < LEVEL else ' no more than by luck'}: Q {differ.q:.0f} on "
        f"{differ.freedom} df, {shown_p(differ.p)}",
    )


def shown_p(p: float) -> str:
    """A p-value in words."""
    return "p < 0.001" if p < 0.001 else f"p {p:.3f}" if p < 0.9995 else "p 1"
