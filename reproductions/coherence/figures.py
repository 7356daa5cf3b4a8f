"""Figures 1 to 4: panels of the images that maximize directions, and how alike these are."""

from collections.abc import Sequence

import numpy as np

from keras_intriguing.directions import MEASURES
from keras_intriguing.report import Cell, Figure, Section, Table, figures
from reproductions.coherence import measure as coherence
from reproductions.coherence import photographs
from reproductions.coherence.comparisons import Records
from reproductions.coherence.kinds import UNITS
from reproductions.coherence.measure import K
from reproductions.coherence.panels import PRESET, LayerPanel
from reproductions.presentation import descriptions
from reproductions.shared import imagenette
from reproductions.shared.run import Run


def panels_section(run: Run, heading: str, file: str, panel: LayerPanel, kind: str, rule: str) -> Section:
    """The panels of digits and, beside them, the numbers."""
    x, y = coherence.images(run)
    titles = [f"{kind} {name}" for name in panel.names]
    rows = [
        (title, list(x[indices]), [str(label) for label in y[indices]])
        for title, indices in zip(titles, panel.indices, strict=True)
    ]
    path = run.out / "figures" / file
    figures.strips(path, rows)
    note = f"Each row: the {K} images with the largest activation, falling from the left, with their true labels. {rule}"
    alt = f"{len(rows)} rows of {K} handwritten digits, whose labels are: {_labels(rows)}"
    cells = [
        (title, [Cell(f"{panel.values[m][i]:z.2f}") for m in MEASURES]) for i, title in enumerate(titles)
    ]
    ends = ((f"{K} random images", "chance"), (f"the best {K} that were found", "best"))
    references = [
        (words, [Cell(f"{getattr(panel.references[m], end):z.2f}") for m in MEASURES]) for words, end in ends
    ]
    table = Table(
        f"How alike the images of each {kind} are",
        kind,
        [
            "share of the commonest label",
            "entropy of labels, bits",
            "similarity of pixels",
            "similarity of features",
        ],
        [*cells, *references],
        "Similarities: mean cosine of all pairs, about the mean of all images; features are those of another network.",
    )
    return Section(
        heading,
        [Figure(f"The images of each {kind}", path, note, alt)],
        _text(panel, kind),
        folded=[table],
        method=[
            f"The layer is `{panel.layer}` of `{PRESET}` (training seed 0), its last hidden one. The images are out of "
            f"{descriptions.all_images(run)}."
        ],
        provenance=[("measured on", descriptions.all_images(run))],
    )


def _labels(rows: Sequence[tuple[str, Sequence[np.ndarray], Sequence[str]]]) -> str:
    """Of the images of every row, for those who do not see them."""
    return "; ".join(f"{title}: {', '.join(labels)}" for title, _, labels in rows)


def _text(panel: LayerPanel, kind: str) -> str:
    shares, chance = panel.values["purity"], panel.references["purity"].chance
    pure = sum(round(K * share) >= K - 1 for share in shares)
    return (
        f"For {pure} of the {len(shares)} {kind}s at least {K - 1} of the {K} images show the same digit. On average the commonest "
        f"digit has {100 * sum(shares) / len(shares):.0f}% of them; among {K} random images it has {100 * chance:.0f}%. "
        f"{len(shares)} {kind}s are too few to tell whether units differ from random directions."
    )


def photographs_section(run: Run, records: Records, kind: str, heading: str, rule: str) -> Section:
    """The panels of a kind on photographs, and their numbers."""
    found, words = imagenette.validation(run), imagenette.words(run)
    strips, cells = [], []
    references = {}
    for layer, record in records.items():
        if record.panels is None:
            continue
        panel, references = record.panels[kind], record.references
        for i, name in enumerate(panel.names):
            title = f"{layer}, {'unit' if kind == UNITS else 'direction'} {name}"
            shown = found[panel.indices[i]]
            strips.append((title, list(shown.images(128)), [words[label] for label in shown.labels]))
            cells.append((title, [Cell(f"{panel.values[m][i]:z.2f}") for m in MEASURES]))
    k = photographs.K
    for what, end in ((f"{k} random photographs", "chance"), (f"the best {k} that were found", "best")):
        cells.append((what, [Cell(f"{getattr(references[m], end):z.2f}") for m in MEASURES]))
    path = run.out / "figures" / f"{heading.split(':')[0].lower().replace(' ', '')}.jpg"
    figures.strips(path, strips)
    where = descriptions.photographs(run)
    one = "unit" if kind == UNITS else "random direction"
    note = (
        f"Each row: the {k} photographs with the largest activation, falling from the left, with their true classes; in conv5 a "
        f"photograph counts by its best position. {rule}"
    )
    alt = f"{len(strips)} rows of {k} photographs, whose classes are: {_labels(strips)}"
    columns = [
        "share of the commonest class",
        "entropy of classes, bits",
        f"similarity of pixels ({photographs.SMALL}×{photographs.SMALL})",
        "similarity of features",
    ]
    table_note = "Similarities: mean cosine of all pairs, about the mean of all photographs."
    return Section(
        heading,
        [Figure(f"The photographs of each {one}", path, note, alt)],
        _photographs_text(records, kind, one),
        folded=[
            Table(
                f"How alike the photographs of each {one} are",
                "layer and direction",
                columns,
                cells,
                table_note,
            )
        ],
        method=[
            f"The network is `{imagenette.ALEXNET}`; the photographs are out of {where}. Features are those of "
            f"`{photographs.FEATURE_NET}`, which were learned without labels."
        ],
        provenance=[("measured on", where)],
    )


def _photographs_text(records: Records, kind: str, one: str) -> str:
    found, shown, chance = [], 0, 0.0
    for layer, record in records.items():
        if record.panels is not None:
            shares = record.panels[kind].values["purity"]
            chance = record.references["purity"].chance
            shown += len(shares)
            found.append(f"in {layer} {100 * sum(shares) / len(shares):.0f}%")
    return (
        f"Of the {photographs.K} photographs that maximize a {one} the commonest class has {' and '.join(found)} on average; among "
        f"{photographs.K} random photographs it has {100 * chance:.0f}%. {shown} {one}s are too few to tell whether units "
        "differ from random directions."
    )
