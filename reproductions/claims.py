"""What the numbers say of the paper's claims. Every verdict is computed; each may go against the paper."""

import itertools
from typing import Any

from keras_intriguing.report import Claim
from reproductions.run import PAPER
from reproductions.table2 import CLEAN, PRESETS

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
    def mean(model: str, end: str = "value") -> float:
        return _mean_on_others(rows, model, end)

    ours = "ae400_10_mnist"
    others = [model for model in PRESETS if model != ours]
    if mean(ours, "high") < min(mean(model, "low") for model in others):
        verdict = "holds"
    elif mean(ours, "low") > min(mean(model, "high") for model in others):
        verdict = "does not hold"
    else:
        verdict = "undecided"
    listed = ", ".join(f"{PAPER['presets'][p]} {100 * mean(p):.1f}%" for p in sorted(PRESETS, key=mean))
    return Claim(
        "The autoencoder is the most resilient to examples made for other models, though not immune",
        verdict,
        f"average error on the others' examples: {listed}",
    )


def _agreement(rows: dict[str, dict[str, Any]]) -> Claim:
    inside = above = total = 0
    for name, cells in PAPER["table2"]["rows"].items():
        row = rows[f"penalty/{name}" if name in PRESETS else name]
        for model, percent in zip(PRESETS, cells, strict=True):
            if name != model:
                error = row["errors"][model]
                total += 1
                inside += 100 * error["low"] <= percent <= 100 * error["high"]
                above += 100 * error["low"] > percent
    return Claim(
        "Table 2 off the diagonal, cell by cell (holds: its figure is within our 95% interval for nine cells of ten; does "
        "not: for fewer than half)",
        "holds" if inside >= 0.9 * total else "does not hold" if inside < total / 2 else "undecided",
        f"{inside} of {total} are, {above} of ours are above, {total - inside - above} below",
    )


def _mean_on_others(rows: dict[str, dict[str, Any]], model: str, end: str = "value") -> float:
    """The average of a model's errors on the examples made for each other model, or of their intervals' ends."""
    others = [rows[f"penalty/{p}"]["errors"][model][end] for p in PRESETS if p != model]
    return sum(others) / len(others)
