"""What a report consists of."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

Verdict = Literal["holds", "does not hold", "undecided"]


@dataclasses.dataclass(frozen=True)
class Cell:
    """A number of ours beside the paper's.

    Attributes:
        value: ours, formatted; empty where there is none.
        interval: its 95% interval, formatted; empty where there is none.
        paper: the paper's figure, formatted; empty where it has none.
        recorded: it was not measured now, but when the checkpoint was made.
        spread: the lowest and the highest of several training runs, formatted; empty where there is one.
    """

    value: str = ""
    interval: str = ""
    paper: str = ""
    recorded: bool = False
    spread: str = ""


@dataclasses.dataclass(frozen=True)
class Table:
    """A table with a name for every row; `rows` holds as many cells a row as there are `columns`."""

    title: str
    corner: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Cell]]]
    note: str


@dataclasses.dataclass(frozen=True)
class Figure:
    """A PNG file inside the report's folder."""

    title: str
    path: Path
    note: str


@dataclasses.dataclass(frozen=True)
class Claim:
    """A statement of the paper and what our numbers say of it."""

    statement: str
    verdict: Verdict
    evidence: str


@dataclasses.dataclass(frozen=True)
class Section:
    """A heading, its tables and figures, in this order.

    Attributes:
        heading: of the section.
        tables: come first.
        figures: come after them.
        claims: the paper's statements that these numbers decide.
        provenance: names and values that let the measurement be repeated.
    """

    heading: str
    tables: Sequence[Table] = ()
    figures: Sequence[Figure] = ()
    claims: Sequence[Claim] = ()
    provenance: Sequence[tuple[str, str]] = ()


@dataclasses.dataclass(frozen=True)
class Report:
    """The whole page.

    Attributes:
        title: of the page.
        summary: what was run, in a sentence or two.
        sections: tables and figures, and the claims that are listed at the top of the page.
        deviations: where we did something else than the paper says, and why.
    """

    title: str
    summary: str
    sections: Sequence[Section]
    deviations: Sequence[str]
