"""Sections as JSON files, so that a report can be put together out of what earlier runs measured."""

import dataclasses
from pathlib import Path
from typing import Any

from keras_intriguing import files
from keras_intriguing.report.document import Cell, Claim, Figure, Section, Table


def save(section: Section, path: Path, folder: Path) -> None:
    """Writes a section to `path`; its pictures' paths are kept relative to the report's folder."""

    def portable(shown: Figure | Table) -> dict[str, Any]:
        fields = dataclasses.asdict(shown)
        if isinstance(shown, Figure):
            fields["path"] = shown.path.relative_to(folder).as_posix()
        return fields

    stored = dataclasses.asdict(dataclasses.replace(section, opening=(), folded=()))
    for part in ("opening", "folded"):
        stored[part] = [portable(shown) for shown in getattr(section, part)]
    files.write_json(path, stored)


def load(path: Path, folder: Path) -> Section:
    """Reads what `save` wrote.

    Raises:
        ValueError: the file is damaged, or of another version; the message names it.
        FileNotFoundError: there is none, or one of its pictures is missing.
    """
    stored = files.read_json(path)
    try:
        section = Section(
            heading=stored["heading"],
            opening=[_shown(fields, folder) for fields in stored["opening"]],
            text=stored["text"],
            claims=[Claim(**{**claim, "number": Cell(**claim["number"])}) for claim in stored["claims"]],
            folded=[_shown(fields, folder) for fields in stored["folded"]],
            method=stored["method"],
            provenance=[(name, value) for name, value in stored["provenance"]],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} is no section of a report ({error}). Remove it and measure again."
        ) from error
    shown = (*section.opening, *section.folded)
    missing = [figure.path for figure in shown if isinstance(figure, Figure) and not figure.path.is_file()]
    if missing:
        raise FileNotFoundError(f"The figure {missing[0]} of {path} is missing. Measure that section again.")
    return section


def _shown(stored: dict[str, Any], folder: Path) -> Figure | Table:
    """Only a table has rows."""
    if "rows" not in stored:
        return Figure(**{**stored, "path": folder / stored["path"]})
    rows = [(name, [Cell(**cell) for cell in cells]) for name, cells in stored["rows"]]
    return Table(**{**stored, "rows": rows})
