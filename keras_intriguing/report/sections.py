"""Sections as JSON files, so that a report can be put together out of what earlier runs measured."""

import dataclasses
from pathlib import Path

from keras_intriguing import files
from keras_intriguing.report.document import Cell, Claim, Figure, Section, Table


def save(section: Section, path: Path, folder: Path) -> None:
    """Writes a section to `path`; its figures' paths are kept relative to the report's folder."""
    figures = [dataclasses.replace(f, path=f.path.relative_to(folder).as_posix()) for f in section.figures]
    files.write_json(path, dataclasses.asdict(dataclasses.replace(section, figures=figures)))


def load(path: Path, folder: Path) -> Section:
    """Reads what `save` wrote.

    Raises:
        ValueError: the file is damaged, or of another version; the message names it.
        FileNotFoundError: there is none, or one of its figures is missing.
    """
    stored = files.read_json(path)
    try:
        section = Section(
            heading=stored["heading"],
            tables=[_table(table) for table in stored["tables"]],
            figures=[Figure(**{**figure, "path": folder / figure["path"]}) for figure in stored["figures"]],
            claims=[Claim(**claim) for claim in stored["claims"]],
            provenance=[(name, value) for name, value in stored["provenance"]],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} is no section of a report ({error}). Remove it and measure again."
        ) from error
    missing = [figure.path for figure in section.figures if not figure.path.is_file()]
    if missing:
        raise FileNotFoundError(f"The figure {missing[0]} of {path} is missing. Measure that section again.")
    return section


def _table(stored: dict) -> Table:
    rows = [(name, [Cell(**cell) for cell in cells]) for name, cells in stored["rows"]]
    return Table(**{**stored, "rows": rows})
