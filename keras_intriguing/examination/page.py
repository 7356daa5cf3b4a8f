"""The page of an examination."""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Drawing

from keras_intriguing import plots, report
from keras_intriguing.classifiers.pixels import Bounds
from keras_intriguing.examination.findings import Findings, quantile
from keras_intriguing.report import Cell, Figure, Section, Table
from keras_intriguing.report.figures import save

_EFFORTS = {
    "quick": "by the network's Lipschitz bound alone, which is quick and loose; effort standard proves more, in seconds each",
    "standard": "with effort standard, which takes up to seconds each; thorough proves somewhat more",
    "thorough": "with effort thorough",
}
_EXAMPLES = 4  # images nearest to the boundary, and as many typical ones, or the farthest of a few
_ALL, _NEAREST, _TYPICAL, _FARTHEST = "all", "nearest to the boundary", "typical", "farthest from it"
_FEATURES = 4  # of a row of values, that are shown at most
_LEAST_CHANGE = 0.01  # of the largest of a row, that is shown
_QUANTITIES = {
    "smallest": np.min,
    "lower quartile": lambda v: quantile(v, 0.25),
    "median": lambda v: quantile(v, 0.5),
    "upper quartile": lambda v: quantile(v, 0.75),
    "largest": np.max,
    "mean": np.mean,
}


def write(title: str, findings: Findings, made: dict[str, Any], bounds: Bounds, folder: Path) -> Path:
    """Writes pictures and page; returns the page's path."""
    parts = (_distances, _certified, _examples, _features, _storage, _norms, _missing)
    sections = [section for part in parts if (section := part(findings, made, bounds, folder)) is not None]
    sections[-1] = dataclasses.replace(sections[-1], **_method(findings, made))
    return report.write(report.Report(title, findings.summary, "", sections, of_paper=False), folder)


def _distances(findings: Findings, made: dict[str, Any], bounds: Bounds, folder: Path) -> Section | None:
    result, certificate = findings.result, findings.certificate
    if result is None:
        return None
    y = findings.label if findings.has_labels else None
    curve = _drawn(
        plots.robust_accuracy(result, certificate, y=y), folder / "figures" / "robust-accuracy.png"
    )
    kept = "are correctly classified" if findings.has_labels else "keep the model's label"
    meaning = f"The share of {findings.word}s that {kept} whatever change of that length is made."
    limits = (
        " It is no larger than the curve, what the attack has not broken; nothing was certified."
        if certificate is None
        else " It lies between the two curves: above, what the attack has not broken; below, what is certified."
    )
    alternative = "Falling curves of robust accuracy over the distance of a change."
    shown = Figure("Robust accuracy", curve, meaning + limits, alternative)
    if not findings.changed.any():
        return Section(
            "Distances: how large a change has to be",
            [shown],
            f"No {findings.word} could be changed."
            if (findings.predicted == findings.label).any()
            else f"No {findings.word} is correctly classified, so that none was changed.",
        )
    drawing = plots.Picture(figsize=(7.2, 2.9), layout="constrained")
    units = ("l2", "rms" if findings.grey_level is None else "grey levels")
    for axes, unit in zip(drawing.subplots(1, 2), units, strict=True):
        plots.distortions(result, unit=unit, axes=axes)
    histogram = Figure(
        "Histogram",
        _drawn(drawing, folder / "figures" / "distances.png"),
        f"Of the {findings.word}s that the attack changed."
        + ("" if "rms" in units else " One grey level is a 255th of the range of values."),
        f"Two histograms of minimal distortions, in L2 and in {units[1]}.",
    )
    kinds = [("found", result)] if certificate is None else [("found", result), ("certified", certificate)]
    table = _in_numbers(
        findings, kinds, f"Of {findings.changed.sum()} {findings.word}s that the attack changed."
    )
    text = "What the attack finds is an upper bound on the smallest change that is enough"
    if certificate is not None:
        text += f"; what is certified is a lower one, {_EFFORTS[made['effort']]}"
    text += "."
    return Section("Distances: how large a change has to be", [shown], text, folded=[histogram, table])


def _in_numbers(findings: Findings, kinds: Sequence[tuple[str, Any]], note: str) -> Table:
    columns = {f"{kind}, {unit}": v for kind, of in kinds for unit, v in findings.distances(of).items()}
    rows = [
        (name, [Cell(f"{float(of(values)):.4g}") for values in columns.values()])
        for name, of in _QUANTITIES.items()
    ]
    note += " ‖r‖₂/√n is the root mean square of the change."
    return Table("Distances in numbers", "", list(columns), rows, note)


def _certified(findings: Findings, made: dict[str, Any], bounds: Bounds, folder: Path) -> Section | None:
    """Of certificates where the attack changed nothing, or was left out."""
    certificate, counted = findings.certificate, findings.counted
    if findings.changed.any() or certificate is None or not counted.any():
        return None
    right = "are correctly classified" if findings.has_labels else "were certified"
    table = _in_numbers(
        findings, [("certified", certificate)], f"Of {counted.sum()} {findings.word}s that {right}."
    )
    text = f"No smaller change alters the label; that is proved, {_EFFORTS[made['effort']]}."
    return Section("Certificates: how large a change has to be at least", [table], text)


def _examples(findings: Findings, made: dict[str, Any], bounds: Bounds, folder: Path) -> Section | None:
    result = findings.result
    if (
        result is None
        or not findings.changed.any()
        or findings.word != "image"
        or "pictures" in findings.undrawn
    ):
        return None
    order = np.flatnonzero(findings.changed)[np.argsort(result.distortion[findings.changed], kind="stable")]
    groups = _groups(order)
    height = 0.5 + 1.5 * max(map(len, groups.values()))
    drawing = Drawing(figsize=(3.7 * len(groups), height), layout="constrained")
    columns = drawing.subplots(1, len(groups), squeeze=False)[0]
    for axes, (name, rows) in zip(columns, groups.items(), strict=True):
        plots.examples(findings.x[rows], result[rows], names=findings.names, bounds=tuple(bounds), axes=axes)
        axes.set_title(name, fontsize=10)
        axes.set_anchor("N")
    path = _drawn(drawing, folder / "figures" / "examples.png")
    note = "The change is drawn around middle grey, times the factor below it."
    shown = Figure("Examples", path, note, "Rows of an image, its change and the changed image.")
    return Section("Examples: what the changes look like", [shown], _told(groups, result.l2))


def _groups(order: np.ndarray) -> dict[str, np.ndarray]:
    """The images that are drawn, of all in the order of their distances: the nearest, and typical or farthest ones."""
    nearest, others = order[:_EXAMPLES], order[_EXAMPLES:]
    if not len(others):
        return {_ALL: nearest}
    middle = len(order) // 2 - _EXAMPLES // 2
    if middle < len(nearest):  # too few for a middle apart from the nearest
        return {_NEAREST: nearest, _FARTHEST: others[-_EXAMPLES:]}
    return {_NEAREST: nearest, _TYPICAL: order[middle : middle + _EXAMPLES]}


def _told(groups: dict[str, np.ndarray], l2: np.ndarray) -> str:
    """Which images these are, and how far they are changed."""
    nearest = groups[_ALL if _ALL in groups else _NEAREST]
    if len(nearest) == 1:
        return f"The one that was changed (‖r‖₂ {l2[nearest[0]]:.3g})."
    sizes = f"‖r‖₂ from {l2[nearest[0]]:.3g} to {l2[nearest[-1]]:.3g}"
    if _ALL in groups:
        return f"All that were changed: {len(nearest)} ({sizes})."
    text = f"Left, the {len(nearest)} images with the smallest changes ({sizes}); right, "
    if _TYPICAL in groups:
        typical = groups[_TYPICAL]
        text += f"{len(typical)} others from the middle of all that were changed "
        return text + f"(about {l2[typical[len(typical) // 2]]:.3g})."
    farthest = groups[_FARTHEST]
    count = len(farthest)
    text += "the one with the largest (" if count == 1 else f"the {count} with the largest (up to "
    return text + f"{l2[farthest[-1]]:.3g})."


def _features(findings: Findings, made: dict[str, Any], bounds: Bounds, folder: Path) -> Section | None:
    """Of rows of values, which have no picture: what changes most in those nearest to the boundary."""
    result = findings.result
    if result is None or not findings.changed.any() or findings.word == "image":
        return None
    changed = np.flatnonzero(findings.changed)
    nearest = changed[np.argsort(result.distortion[changed], kind="stable")][: 2 * _EXAMPLES]
    rows = []
    for row in nearest:
        before, after = findings.x[row].reshape(-1), result.adversarial[row].reshape(-1)
        labels = [
            _label(int(label[row]), findings.names) for label in (result.label_before, result.label_after)
        ]
        cells = [
            Cell(f"{labels[0]} → {labels[1]}"),
            Cell(f"{result.l2[row]:.3g}"),
            Cell(_changes(before, after)),
        ]
        rows.append((str(row), cells))
    columns = ["label", "‖r‖₂", "the values that change most"]
    note = (
        "A value is named by its place in the row, from 0; so is an example in x. Changes below a hundredth of a row's largest are "
        "left out."
    )
    table = Table("Nearest to the boundary", "example", columns, rows, note)
    return Section("Examples: which values change", [table], "The examples with the smallest changes.")


def _changes(before: np.ndarray, after: np.ndarray) -> str:
    """The values that change most, with two digits of the change."""
    sizes = np.abs(after - before)
    most = [
        i for i in np.argsort(-sizes, kind="stable")[:_FEATURES] if sizes[i] > _LEAST_CHANGE * sizes.max()
    ]
    digits = {i: max(0, 1 - math.floor(math.log10(sizes[i]))) for i in most}
    return ", ".join(f"{i}: {before[i]:.{digits[i]}f} → {after[i]:.{digits[i]}f}" for i in most)


def _label(label: int, names: Sequence[str] | None) -> str:
    return str(label) if names is None else names[label]


def _storage(findings: Findings, made: dict[str, Any], bounds: Bounds, folder: Path) -> Section | None:
    if not findings.storage:
        return None
    rows = [
        (form, [Cell(f"{left.adversarial:.0%}"), Cell(f"{left.original:.0%}")])
        for form, left in findings.storage.items()
    ]
    columns = ["adversarial examples that still mislead", "originals that keep their label"]
    note = f"Of {findings.changed.sum()} images that the attack changed."
    text = "Adversarial examples lie just behind the decision boundary, so that rounding can bring them back."
    table = Table("Stored and loaded again", "form", columns, rows, note)
    return Section("Storage: what 8 bits and JPEG leave", [table], text)


def _norms(findings: Findings, made: dict[str, Any], bounds: Bounds, folder: Path) -> Section | None:
    if findings.norms is None:
        return None
    found = findings.norms.network
    rows = [
        (
            layer.name,
            [
                Cell(layer.kind),
                Cell(f"{layer.bounds.lower:.4g}"),
                Cell(f"{layer.bounds.upper:.4g}"),
                Cell(f"{layer.activation:.3g}"),
            ],
        )
        for layer in found.layers
    ]
    note = "Both sides of the norm from L2 to L2 at the input's size, without the activation; the activation's largest slope."
    text = (
        f"Multiplied along all paths through the layers, the norms give {found.product:.4g}. The whole network's Lipschitz constant is at least "
        f"{found.lower:.4g}, attained by two inputs, and at most {found.upper:.4g}, proved."
    )
    if findings.norms.of_probabilities:
        text += " The model ends in a softmax or sigmoid, so that the whole's constant is of its probabilities, not of logits."
    table = Table("Norms", "layer", ["kind", "at least", "at most", "activation"], rows, note)
    return Section("Norms: how much every layer can stretch", [table], text)


def _missing(findings: Findings, made: dict[str, Any], bounds: Bounds, folder: Path) -> Section | None:
    if not findings.missing:
        return None
    rows = [(name, [Cell(reason)]) for name, reason in findings.missing.items()]
    table = Table("Stages without a result", "stage", ["why"], rows, "")
    return Section("Not measured: what this page does not tell", [table], "")


def _method(findings: Findings, made: dict[str, Any]) -> dict[str, Sequence]:
    measured = {
        "Minimal distortions by `ki.minimal_distortion`, method direct: a local minimum, confirmed by calling the model.": findings.result,
        "Certified distortions by `ki.certified_distortion`.": findings.certificate,
        "Norms by `ki.spectral.analyze`.": findings.norms,
    }
    texts = [text for text, of in measured.items() if of is not None]
    of_others = () if findings.certificate is not None else ("effort",)
    return {"method": texts, "provenance": [(k, _words(v)) for k, v in made.items() if k not in of_others]}


def _words(value: Any) -> str:
    """Of a value of JSON's types."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_words(one)}" for name, one in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_words, value))
    return str(value)


def _drawn(drawing: Drawing, path: Path) -> Path:
    save(drawing, path)
    return path
