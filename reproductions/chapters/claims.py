"""What the numbers say of the paper's claims. Every verdict is computed; each may go against the paper."""

import itertools
from typing import Any

from keras_intriguing.report import Claim
from reproductions.chapters import table4
from reproductions.chapters.figure7 import accuracy
from reproductions.chapters.table2 import CLEAN, PRESETS
from reproductions.shared import intervals as statistics
from reproductions.shared.run import PAPER

_FC10 = ("fc10_mnist_decay1e-4", "fc10_mnist_decay1e-2", "fc10_mnist_decay1")
_PENALTY = "distortion, random targets, penalty"
_DIRECT = "distortion, random targets, direct"
_NEAREST = "distortion, nearest class, penalty"


def of_table1(table: dict[str, dict[str, Any]]) -> list[Claim]:
    """Claims that Table 1 decides."""
    return [_every_sample(table), _weight_decay(table), _which_targets(table)]


def of_table2(rows: dict[str, dict[str, Any]]) -> list[Claim]:
    """Claims that Table 2 decides."""
    return [_transfer(rows), _noise(rows), _autoencoder(rows), _agreement(rows)]


def of_table3(table: dict[str, dict[str, Any]]) -> list[Claim]:
    """Claims that Table 3 decides."""
    return [_errors_of_table3(table)]


def of_table4(rows: dict[str, dict[str, Any]]) -> list[Claim]:
    """Claims that Table 4 decides."""
    return [_disjoint_sets(rows), _amplified(rows)]


def of_figure7(rows: dict[str, dict[str, Any]]) -> list[Claim]:
    """Claims that Figure 7 decides."""
    return [_noise_keeps_accuracy(rows)]


def _every_sample(table: dict[str, dict[str, Any]]) -> Claim:
    cells = [table[p][column] for p in table for column in (_PENALTY, _DIRECT)]
    worst = min(cell["success"]["value"] for cell in cells)
    largest = max(cell["distortion"]["value"] for cell in cells)
    return Claim(
        "“For all the networks we studied, for each sample, we have always managed to generate very close, visually "
        "hard to distinguish, adversarial examples” (read as: every image, at an average distortion below the paper's "
        "largest, 0.14)",
        "holds" if worst == 1 and largest <= 0.14 else "does not hold",
        f"the lowest success rate of a model and method is {100 * worst:.1f}%, the largest average distortion "
        f"{largest:.3f}",
    )


def _weight_decay(table: dict[str, dict[str, Any]]) -> Claim:
    numbers = [table[p][_DIRECT]["distortion"] for p in _FC10]
    pairs = list(itertools.pairwise(numbers))
    if all(a["high"] < b["low"] for a, b in pairs):
        verdict = "holds"
    elif any(a["low"] > b["high"] for a, b in pairs):
        verdict = "does not hold"
    else:
        verdict = "undecided"
    means = (
        " < ".join(f"{n['value']:.4f}" for n in numbers)
        if verdict == "holds"
        else str([round(n["value"], 4) for n in numbers])
    )
    return Claim(
        "A stronger weight decay makes softmax regression harder to distort",
        verdict,
        f"average minimum distortions for λ = 1e-4, 1e-2, 1: {means}",
    )


def _which_targets(table: dict[str, dict[str, Any]]) -> Claim:
    def mismatch(column: str) -> float:
        ratios = (table[p][column]["distortion"]["value"] / PAPER["table1"][p]["distortion"] for p in table)
        return sum(abs(1 - ratio) for ratio in ratios) / len(table)

    random, nearest = mismatch(_PENALTY), mismatch(_NEAREST)
    return Claim(
        "The paper's average minimum distortions are those to random target classes (it does not say which)",
        "does not hold" if random >= nearest else "holds" if random < 0.25 else "undecided",
        f"they differ from ours by {100 * random:.0f}% on average for random targets, by {100 * nearest:.0f}% for the "
        "nearest class",
    )


def _transfer(rows: dict[str, dict[str, Any]]) -> Claim:
    above = total = 0
    for made_for in PRESETS:
        for model in PRESETS:
            if made_for != model:
                total += 1
                error = rows[f"penalty/{made_for}"]["errors"][model]
                above += error["low"] > rows[CLEAN]["errors"][model]["high"]
    return Claim(
        "“A relatively large fraction of examples will be misclassified by networks trained from scratch with "
        "different hyper-parameters” (read as: the error rises for most pairs of models)",
        "holds" if above > total / 2 else "does not hold",
        f"in {above} of {total} pairs of different models the error on the examples is above the clean error, with "
        "their 95% intervals apart",
    )


def _noise(rows: dict[str, dict[str, Any]]) -> Claim:
    harder = easier = 0
    for model in PRESETS:
        noise = rows["noise0.1"]["errors"][model]
        on_others = _mean_on_others(rows, model)
        harder += on_others > noise["high"]
        easier += on_others < noise["low"]
    verdict = "holds" if harder == len(PRESETS) else "does not hold" if harder == 0 or easier else "undecided"
    return Claim(
        "Examples made for other models are harder than Gaussian noise of stddev 0.1",
        verdict,
        f"for {harder} of {len(PRESETS)} models their average error on the others' examples is above the 95% interval of "
        f"that on noise, for {easier} below",
    )


def _autoencoder(rows: dict[str, dict[str, Any]]) -> Claim:
    ours = "ae400_10_mnist"
    others = [model for model in PRESETS if model != ours]

    def mean(model: str, rival: str, end: str = "value") -> float:
        """Over the examples that are foreign to both."""
        foreign = [p for p in PRESETS if p not in (model, rival)]
        return sum(rows[f"penalty/{p}"]["errors"][model][end] for p in foreign) / len(foreign)

    if all(mean(ours, p, "high") < mean(p, ours, "low") for p in others):
        verdict = "holds"
    elif any(mean(ours, p, "low") > mean(p, ours, "high") for p in others):
        verdict = "does not hold"
    else:
        verdict = "undecided"
    listed = ", ".join(
        f"{100 * mean(ours, p):.1f}% against {100 * mean(p, ours):.1f}% of {PAPER['presets'][p]}"
        for p in others
    )
    return Claim(
        "The autoencoder is the most resilient to examples made for other models, though not immune (read as: less error "
        "than each other model on the examples that were made for neither of the two)",
        verdict,
        f"average errors: {listed}",
    )


def _agreement(rows: dict[str, dict[str, Any]]) -> Claim:
    inside = above = total = 0
    for name, cells in PAPER["table2"]["rows"].items():
        row = rows[f"penalty/{name}" if name in PRESETS else name]
        for model, percent in zip(PRESETS, cells, strict=True):
            if name != model:
                error = row["errors"][model]
                total += 1
                low, high = statistics.runs_range(error)
                inside += 100 * low <= percent <= 100 * high
                above += 100 * low > percent
    return Claim(
        "Table 2 off the diagonal, cell by cell (holds: its figure is within the 95% intervals of our training runs for nine "
        "cells of ten; does not: for fewer than half)",
        "holds" if inside >= 0.9 * total else "does not hold" if inside < total / 2 else "undecided",
        f"{inside} of {total} are, {above} of ours are above, {total - inside - above} below",
    )


def _mean_on_others(rows: dict[str, dict[str, Any]], model: str, end: str = "value") -> float:
    """The average of a model's errors on the examples made for each other model, or of their intervals' ends."""
    others = [rows[f"penalty/{p}"]["errors"][model][end] for p in PRESETS if p != model]
    return sum(others) / len(others)


def _errors_of_table3(table: dict[str, dict[str, Any]]) -> Claim:
    off, unclear, gaps = 0, 0, {}
    for preset in table:
        for split, number in table[preset]["errors"].items():
            paper = PAPER["table3"][preset][split]
            gap = 100 * number["value"] - paper
            gaps[f"{PAPER['presets'][preset]} on {split}"] = gap
            if abs(gap) > 0.5:
                overlaps = 100 * number["low"] <= paper + 0.5 and 100 * number["high"] >= paper - 0.5
                off, unclear = off + (not overlaps), unclear + overlaps
    worst = max(gaps, key=lambda name: abs(gaps[name]))
    return Claim(
        "The errors of Table 3 (read as: every one within half a percent point)",
        "does not hold" if off else "undecided" if unclear else "holds",
        f"of {len(gaps)} measured, the largest difference is {gaps[worst]:+.2f} points, {worst}",
    )


def _disjoint_sets(rows: dict[str, dict[str, Any]]) -> Claim:
    first, second, other = table4.PRESETS  # trained on P1, P1, P2
    across = [(first, other), (second, other), (other, first), (other, second)]
    same = [(first, second), (second, first)]

    def error(made_for: str, model: str) -> dict[str, Any]:
        return rows[f"as made/{made_for}"]["errors"][model]

    harder = sum(error(a, b)["low"] > rows[CLEAN]["errors"][b]["high"] for a, b in across)
    listed = ", ".join(f"{100 * error(a, b)['value']:.1f}%" for a, b in across)
    on_same = ", ".join(f"{100 * error(a, b)['value']:.1f}%" for a, b in same)
    return Claim(
        "Adversarial examples “remain hard for models trained even on a disjoint training set” (read as: the error is "
        "above the clean error, with the 95% intervals apart, in all four pairs of a model of P1 and one of P2)",
        "holds" if harder == len(across) else "does not hold" if harder == 0 else "undecided",
        f"in {harder} of {len(across)} pairs; errors across the halves {listed}; between models of the same half {on_same}",
    )


def _amplified(rows: dict[str, dict[str, Any]]) -> Claim:
    pairs = [(a, b) for a, b in itertools.permutations(table4.PRESETS, 2)]
    noise = rows["noise0.1"]["errors"]
    harder = sum(rows[f"amplified/{a}"]["errors"][b]["low"] > noise[b]["high"] for a, b in pairs)
    return Claim(
        "Amplified to a distortion of 0.1, examples made for other models are far harder than noise of that size",
        "holds" if harder == len(pairs) else "does not hold" if harder == 0 else "undecided",
        f"in {harder} of {len(pairs)} pairs of models the 95% interval of the error is above that on the noise",
    )


def _noise_keeps_accuracy(rows: dict[str, dict[str, Any]]) -> Claim:
    paper = PAPER["figure7"]
    at_one = {p: accuracy(e) for p, e in rows[f"noise{paper['stddev']:g}"]["errors"].items()}
    own = max(1 - rows[p]["errors"][p]["value"] for p in at_one)
    keep = sum(number["low"] > own for number in at_one.values())
    listed = ", ".join(f"{PAPER['presets'][p]} {100 * number['value']:.0f}%" for p, number in at_one.items())
    return Claim(
        "Noise of stddev 1, beyond recognition, leaves 51% accuracy where adversarial examples of a sixteenth of that size "
        "leave none (read as: every model keeps more under this noise than any on its own examples)",
        "holds" if keep == len(at_one) else "does not hold" if keep == 0 else "undecided",
        f"accuracy at stddev 1: {listed}; on their own examples at most {100 * own:.1f}%",
    )
