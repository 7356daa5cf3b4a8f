"""Figures 1 to 4: panels of the images that maximize directions, and how alike these are."""

from keras_intriguing.directions import MEASURES
from keras_intriguing.report import Cell, Figure, Section, Table, figures
from reproductions.coherence import measure as coherence
from reproductions.coherence import photographs
from reproductions.coherence.claims import Records
from reproductions.coherence.kinds import UNITS
from reproductions.coherence.measure import K
from reproductions.coherence.panels import PRESET, LayerPanel
from reproductions.shared import descriptions, imagenette
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
    note = (
        f"Each row: the {K} images with the largest activation along one direction of the layer `{panel.layer}` of "
        f"{PRESET}, falling from the left, with their true labels. {rule} Out of {descriptions.all_images(run)}. "
        "What they have in common is for the reader to see; the table above tells how alike they are."
    )
    cells = [(title, [Cell(f"{panel.values[m][i]:.2f}") for m in MEASURES]) for i, title in enumerate(titles)]
    ends = ((f"{K} random images", "chance"), (f"the best {K} that were found", "best"))
    references = [
        (words, [Cell(f"{getattr(panel.references[m], end):.2f}") for m in MEASURES]) for words, end in ends
    ]
    table = Table(
        "How alike the ten images are",
        "direction",
        [
            "share of the commonest label",
            "entropy of labels, bits",
            "similarity of pixels",
            "similarity of features",
        ],
        [*cells, *references],
        "See the section on units and directions for the measures and for all directions of all layers.",
    )
    return Section(
        heading,
        [table],
        [Figure(heading, path, note)],
        provenance=[("measured on", descriptions.all_images(run))],
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
            cells.append((title, [Cell(f"{panel.values[m][i]:.2f}") for m in MEASURES]))
    k = photographs.K
    for what, end in ((f"{k} random photographs", "chance"), (f"the best {k} that were found", "best")):
        cells.append((what, [Cell(f"{getattr(references[m], end):.2f}") for m in MEASURES]))
    path = run.out / "figures" / f"{heading.split(':')[0].lower().replace(' ', '')}.png"
    figures.strips(path, strips)
    where = descriptions.photographs(run)
    note = (
        f"Each row: the {k} photographs with the largest activation along one direction, falling from the left, with their "
        f"true classes; in conv5 a photograph counts by its best position. {rule} Out of {where}."
    )
    columns = [
        "share of the commonest class",
        "entropy of classes, bits",
        f"similarity of pixels ({photographs.SMALL}×{photographs.SMALL})",
        "similarity of features",
    ]
    table_note = f"Features: those of {photographs.FEATURE_NET}, which were learned without labels; as for pixels, about their mean."
    return Section(
        heading,
        [Table("How alike the photographs are", "direction", columns, cells, table_note)],
        [Figure(heading, path, note)],
        provenance=[("measured on", where)],
    )
