"""Pages out of numbers; no model."""

from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from keras_intriguing import report
from keras_intriguing.report import figures


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "figures" / "map.png"
    figures.heat_map(path, np.array([[0.0, 100.0]]), ["row"], ["a", "b"], "error, %")
    quantiles = [0.0, 0.2, 0.4, 0.5, 0.9]
    panels = [
        (f"layer {i}", [("units", quantiles, 0.4), ("random", quantiles, 0.3)][: i + 1]) for i in range(5)
    ]
    figures.boxes(tmp_path / "boxes.png", panels, "score")
    image = np.zeros((4, 4, 1))
    figures.triples(tmp_path / "triples.png", [("net", [figures.Triple(image, image + 0.1, "1", "2")])], 10)
    table = report.Table(
        "A table",
        "model",
        ["one"],
        [("net", [report.Cell("7.4%", "7–8%", "7.2%", recorded=True, spread="7.1–7.6%")])],
        "its note",
    )
    section = report.Section(
        "Heading",
        [table],
        [report.Figure("Map", path, "its caption")],
        [report.Claim("it is so", "does not hold", "3 of 4")],
        [("seed", "0")],
    )
    report.sections.save(section, tmp_path / "heading.json", tmp_path)
    again = report.sections.load(tmp_path / "heading.json", tmp_path)
    assert again == section
    return report.write(report.Report("Title <1>", "Summary.", [again], ["another seed"]), tmp_path)


def test_markdown_has_every_part(page: Path) -> None:
    text = (page.parent / "REPORT.md").read_text(encoding="utf-8")
    assert "| net | 7.4%† [7–8%] {7.1–7.6%} (7.2%) |" in text
    assert "| it is so | **does not hold** | 3 of 4 |" in text
    assert "![Map](figures/map.png)" in text
    for part in ("# Title <1>", "its note", "its caption", "- another seed", "| seed | 0 |"):
        assert part in text


def test_html_is_one_file_with_escaped_text(page: Path) -> None:
    class Sources(HTMLParser):
        found: list[str]

        def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
            self.found += [v or "" for k, v in attributes if k in ("src", "href")]

    text = page.read_text(encoding="utf-8")
    parser = Sources()
    parser.found = []
    parser.feed(text)
    assert parser.found
    assert all(source.startswith("data:image/png;base64,") for source in parser.found)
    assert "Title &lt;1&gt;" in text
    assert "<title>Title <1>" not in text


def test_figures_are_png_files(page: Path) -> None:
    for path in ("figures/map.png", "triples.png", "boxes.png"):
        assert (page.parent / path).read_bytes().startswith(b"\x89PNG")


def test_a_section_whose_figure_is_missing_names_it(tmp_path: Path) -> None:
    figure = report.Figure("Map", tmp_path / "map.png", "")
    report.sections.save(report.Section("Heading", [], [figure]), tmp_path / "heading.json", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"map\.png of .*heading\.json is missing"):
        report.sections.load(tmp_path / "heading.json", tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", '{"heading": "of another version"}'])
def test_a_damaged_section_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "heading.json").write_text(text)
    with pytest.raises(ValueError, match=r"heading\.json is n"):
        report.sections.load(tmp_path / "heading.json", tmp_path)
