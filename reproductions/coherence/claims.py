"""What the comparisons of units with random directions say of the paper's first claim."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from keras_intriguing.report import Cell, Claim
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


@dataclasses.dataclass(frozen=True)
class Question:
    """A statement on layers.

    Attributes:
        statement: in a line.
        contrast: what is compared.
        keys: of the layers; without any the question is not asked.
        supporting: the verdicts on the difference with which the statement holds.
        reading: how the paper's words are read.
        of_paper: the paper makes the statement.
    """

    statement: str
    contrast: Contrast
    keys: Sequence[str]
    supporting: tuple[str, ...]
    reading: str = ""
    of_paper: bool = False


def claims_of(records: Records) -> list[Claim]:
    """What the numbers say of the paper's first claim, of fairer comparisons, and of learning."""
    nets = by_net(records)
    trained = [key for layers in nets.values() for key in layers]
    untrained = [key for key, record in records.items() if not record.trained]
    last = [layers[-1] for layers in nets.values()]
    first = [layers[0] for layers in nets.values() if len(layers) > 1]
    questions = [
        Question(
            "Random directions mean as much as units: their images are as alike (last hidden layers)",
            RAW,
            last,
            _NO_MORE,
            "“There is no distinction between individual high level units and random linear combinations of high level "
            "units”; read as: images that maximize random directions are as alike as those that maximize units.",
            of_paper=True,
        ),
        Question("The same in the first of several hidden layers", RAW, first, _NO_MORE),
        Question("The same in all hidden layers", RAW, trained, _NO_MORE),
        Question(
            "The same in the convolutional network's hidden layers",
            RAW,
            nets.get(panels.PRESET, []),
            _NO_MORE,
        ),
        Question(
            "The same in the last hidden layers, without what goes along with the mean activation",
            OFF,
            last,
            _NO_MORE,
        ),
        Question("The same in the first of several, without the mean", OFF, first, _NO_MORE),
        Question(
            "The same in the last hidden layers, whitened: no direction has more variance than another",
            WHITENED,
            last,
            _NO_MORE,
        ),
        Question("The same in the first of several, whitened", WHITENED, first, _NO_MORE),
        Question(
            "Before training, too, random directions are as coherent as units", RAW, untrained, _NO_MORE
        ),
        Question("The same before training, whitened", WHITENED, untrained, _NO_MORE),
        Question(
            "What units are ahead by in the whitened space is learned", LEARNED_WHITENED, trained, (MORE,)
        ),
        Question("The coherence of random directions is learned", LEARNED, trained, (MORE,)),
    ]
    return _decided(records, questions)


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
    questions = [
        Question(
            "On photographs, too, images of random directions are as alike as those of units",
            RAW,
            layers,
            _NO_MORE,
            f"Layers {', '.join(layers)}.",
            of_paper=True,
        ),
        Question("The same, without what goes along with the mean activation", OFF, layers, _NO_MORE),
        Question(
            "The same, whitened: no direction has more variance than another", WHITENED, layers, _NO_MORE
        ),
        Question(
            "What units are ahead by in the whitened space is learned", LEARNED_WHITENED, layers, (MORE,)
        ),
        Question("The coherence of random directions is learned", LEARNED, layers, (MORE,)),
    ]
    return _decided(records, questions)


def _decided(records: Records, questions: Sequence[Question]) -> list[Claim]:
    """Claims out of those questions that have layers; their p-values are corrected for their number."""
    asked = [question for question in questions if question.keys]
    means = [question.contrast.estimate(records, question.keys) for question in asked]
    corrected = resampling.holm(np.array([mean.p for mean in means]))
    return [
        _claim(
            question,
            dataclasses.replace(mean, p=float(p)),
            [question.contrast.estimate(records, [key]) for key in question.keys],
        )
        for question, mean, p in zip(asked, means, corrected, strict=True)
    ]


def _claim(question: Question, mean: Estimate, layers: Sequence[Estimate]) -> Claim:
    """By the mean over the layers, if they agree: differ by no more than luck, or lie on one side of zero."""
    differ = contrasts.heterogeneity(layers)
    above, below = sum(one.low > 0 for one in layers), sum(one.high < 0 for one in layers)
    contradict = differ.p < LEVEL and above > 0 and below > 0
    if mean.verdict == UNDECIDED or contradict:
        verdict = "undecided"
    else:
        verdict = "holds" if mean.verdict in question.supporting else "does not hold"
    alike = "" if differ.p < LEVEL else " no more than by luck"
    return Claim(
        question.statement,
        verdict,
        f"difference of scores, mean over {len(layers)} layers",
        Cell(f"{mean.value:+.3f}", f"{mean.low:+.3f} to {mean.high:+.3f}"),
        f"{question.reading} Compared: {question.contrast.name}; {shown_p(mean.p)}, corrected for these claims. The interval is "
        f"above 0 in {above} of the layers, below in {below}. Layers differ{alike}: Q {differ.q:.0f} on {differ.freedom} df, "
        f"{shown_p(differ.p)}.".strip(),
        question.of_paper,
    )


def shown_p(p: float) -> str:
    """A p-value in words."""
    return "p < 0.001" if p < 0.001 else f"p {p:.3f}" if p < 0.9995 else "p 1"
