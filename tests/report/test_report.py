"""Pages out of numbers; no model."""

import dataclasses
import itertools
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from keras_intriguing import report
from keras_intriguing.report import Section


class Elements(HTMLParser):
    """All elements of a page in their order, with their attributes, and the text between."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, name: str) -> list[str]:
        """The values of an attribute."""
        return [
            value or "" for _, attributes in self.found for key, value in attributes.items() if key == name
        ]


@pytest.fixture
def elements(page: Path) -> Elements:
    return Elements(page.read_text(encoding="utf-8"))


def test_markdown_has_every_part(page: Path) -> None:
    text = (page.parent / "REPORT.md").read_text(encoding="utf-8")
    assert "| net \\| net | 7.4%† <sub>7–8%</sub> <sub>runs 7.1–7.6%</sub><br>paper 7.2% |" in text
    assert (
        "| it is so | **does not hold** | 0.051 <sub>0.049–0.053</sub><br>paper 0.062<br>smallest of all | "
        "[Table 1](#table-1) |" in text
    )
    assert "![two squares, dark and bright](figures/map.png)" in text
    for part in ("# Title <1>", "its note", "its caption", "- another seed", "| seed | 0 |", "> **Beware.**"):
        assert part in text
    for part in ("A method.", "What <it> shows.", "in 3 of 4", "is it so?", "<summary>A table</summary>"):
        assert part in text


def test_markdown_tables_and_folds_are_what_github_renders(page: Path) -> None:
    lines = (page.parent / "REPORT.md").read_text(encoding="utf-8").splitlines()
    for before, line in itertools.pairwise(lines):
        if re.fullmatch(r"\|(---\|)+", line):  # the row above has as many cells, and a blank line is above it
            assert len(re.findall(r"(?<!\\)\|", before)) == line.count("|")
            assert lines[lines.index(before) - 1] == "" or before == "| | |"
        if line.startswith("<details>"):
            assert before == ""
    for i, line in enumerate(lines):
        if line.startswith("<details>"):
            assert lines[i + 1] == ""  # else what follows is no Markdown
        if line.startswith(("#", "- ")):
            assert i == 0 or lines[i - 1] == "" or lines[i - 1].startswith(("- ", "  "))
    text = "\n".join(lines)
    assert text.count("<details>") == text.count("</details>") == 3
    assert "\n\n\n" not in text


def test_html_is_one_file_with_escaped_text(page: Path, elements: Elements) -> None:
    text = page.read_text(encoding="utf-8")
    sources = elements.all("src")
    assert sources
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert all(link.startswith("#") for link in elements.all("href"))
    assert "Title &lt;1&gt;" in text
    assert "<title>Title <1>" not in text
    assert "url(" not in text
    assert len(text) < 200_000


def test_the_papers_claims_stand_first_and_ours_in_their_chapter(elements: Elements, page: Path) -> None:
    ids = elements.all("id")
    assert ids == ["claims", "table-1", "table-2", "deviations"]
    strip, chapter, *_ = page.read_text(encoding="utf-8").split("<section")[1:]
    assert "it is so" in strip
    assert "0.049–0.053" in strip
    assert "in 3 of 4" not in strip  # one number; the rest is in the chapter
    assert "is it so?" not in strip
    assert "Claims that were measured: 1. Of these 0 hold, 1 does not hold, 0 are undecided." in strip
    assert "is it so?" in chapter
    assert "Not in the list of the paper" in chapter
    order = ("<img", "What &lt;it&gt; shows.", "is it so?", "A table", "A method.")
    places = [chapter.index(part) for part in order]
    assert places == sorted(places)


def test_every_link_leads_somewhere_and_every_picture_is_described(elements: Elements) -> None:
    targets = {link.removeprefix("#") for link in elements.all("href")}
    assert targets == set(elements.all("id"))
    pictures = [attributes for tag, attributes in elements.found if tag == "img"]
    assert [picture["alt"] for picture in pictures] == ["two squares, dark and bright"]
    assert all(int(picture["width"] or 0) > 100 for picture in pictures)


def test_headings_differ_and_code_is_marked(page: Path, elements: Elements) -> None:
    headings = re.findall(r"<h\d>(.*?)</h\d>", page.read_text(encoding="utf-8"))
    assert len(headings) == len(set(headings)) == 5
    assert "`" not in elements.text
    assert "<code>code</code>" in page.read_text(encoding="utf-8")


def test_headings_that_begin_alike_are_refused(sections: list[Section]) -> None:
    again = dataclasses.replace(sections[1], heading="Table 1: the same number")
    with pytest.raises(ValueError, match="begin alike: Table 1: a heading, Table 1: the same number"):
        report.Report("t", "s", "", [sections[0], again], [])


def test_a_report_that_decides_nothing_says_so(sections: list[Section], tmp_path: Path) -> None:
    page = report.write(report.Report("t", "s", "", sections[1:], []), tmp_path)
    for path in (page, page.parent / "REPORT.md"):
        text = path.read_text(encoding="utf-8")
        assert "The chapters of this report decide none of them." in text
        assert 'caution"' not in text
        assert "> **" not in text
