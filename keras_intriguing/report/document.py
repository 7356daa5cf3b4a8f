"""What a report consists of.

All texts are plain, but for `code` between backticks.
"""

import dataclasses
import re
from collections import Counter
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
    """A picture inside the report's folder.

    Attributes:
        title: what it is, in a few words.
        path: of the PNG or JPEG file, drawn with two pixels for every one of a page.
        note: what a reader needs to read it.
        alt: what is seen, for those who do not see it.
    """

    title: str
    path: Path
    note: str
    alt: str


@dataclasses.dataclass(frozen=True)
class Claim:
    """A statement and what our numbers say of it.

    Attributes:
        statement: in a line.
        verdict: computed from the numbers.
        quantity: what `number` is, in a few words.
        number: the one that tells most, beside the paper's.
        evidence: how the statement is read, and the other numbers that decide it.
        of_paper: it stands in the list of the paper's claims, each of which is decided once; else it is a question of ours, or a
            claim of the paper's about further nets.
    """

    statement: str
    verdict: Verdict
    quantity: str
    number: Cell
    evidence: str
    of_paper: bool = True


@dataclasses.dataclass(frozen=True)
class Section:
    """A chapter: first what is to be seen, then what it shows and the verdicts, then, folded away, all else.

    Attributes:
        heading: its words up to a colon are unique in the report.
        opening: the picture or the table that a reader should see first; others of it follow the text.
        text: one paragraph of what it shows.
        claims: the statements that these numbers decide.
        folded: further tables and pictures.
        method: how it was measured, a paragraph each.
        provenance: names and values that let the measurement be repeated.
    """

    heading: str
    opening: Sequence[Figure | Table]
    text: str
    claims: Sequence[Claim] = ()
    folded: Sequence[Figure | Table] = ()
    method: Sequence[str] = ()
    provenance: Sequence[tuple[str, str]] = ()

    @property
    def label(self) -> str:
        """The heading's words up to the colon."""
        return self.heading.split(":")[0]

    @property
    def anchor(self) -> str:
        """What a link to the section is called."""
        return "-".join(re.findall(r"\w+", self.label.lower()))


@dataclasses.dataclass(frozen=True)
class Report:
    """The whole page.

    Attributes:
        title: of the page.
        summary: what was measured, in three sentences.
        caution: what a reader must know before any number; empty if nothing.
        sections: the chapters.
        deviations: where we did something else than the paper says, and why.
        of_paper: whether it is of the paper's claims; if not, these are left out.

    Raises:
        ValueError: the headings of two sections begin alike.
    """

    title: str
    summary: str
    caution: str
    sections: Sequence[Section]
    deviations: Sequence[str] = ()
    of_paper: bool = True

    def __post_init__(self) -> None:
        often = Counter(section.anchor for section in self.sections)
        if twice := [section.heading for section in self.sections if often[section.anchor] > 1]:
            raise ValueError(f"The headings of two sections begin alike: {', '.join(twice)}.")

    @property
    def paper_claims(self) -> list[tuple[Section, Claim]]:
        """The paper's claims with the sections that decide them, in the report's order."""
        return [(section, claim) for section in self.sections for claim in section.claims if claim.of_paper]

    @property
    def tally(self) -> str:
        """How many of the paper's claims hold, in a sentence."""
        verdicts = Counter(claim.verdict for _, claim in self.paper_claims)
        if not verdicts:
            return "The chapters of this report decide none of them."
        words = {
            "holds": ("holds", "hold"),
            "does not hold": ("does not hold", "do not hold"),
            "undecided": ("is undecided", "are undecided"),
        }
        counts = (f"{verdicts[verdict]} {forms[verdicts[verdict] != 1]}" for verdict, forms in words.items())
        return f"Claims that were measured: {verdicts.total()}. Of these {', '.join(counts)}."
