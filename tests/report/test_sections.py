"""Sections as files."""

from pathlib import Path

import pytest

from keras_intriguing import report
from keras_intriguing.report import Figure, Section


def test_a_section_comes_back_as_it_was(sections: list[Section], tmp_path: Path) -> None:
    for section in sections:
        report.sections.save(section, tmp_path / "heading.json", tmp_path)
        assert report.sections.load(tmp_path / "heading.json", tmp_path) == section
        assert str(tmp_path) not in (tmp_path / "heading.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("part", ["opening", "folded"])
def test_a_section_whose_figure_is_missing_names_it(tmp_path: Path, part: str) -> None:
    figure = Figure("Map", tmp_path / "map.png", "", "")
    section = Section(**{"heading": "Heading", "opening": [], "text": "", part: [figure]})
    report.sections.save(section, tmp_path / "heading.json", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"map\.png of .*heading\.json is missing"):
        report.sections.load(tmp_path / "heading.json", tmp_path)


OLDER = '{"heading": "h", "tables": [], "figures": [], "claims": [], "provenance": []}'


@pytest.mark.parametrize("text", ["{", "[]", '{"heading": "of another version"}', OLDER])
def test_a_damaged_section_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "heading.json").write_text(text)
    with pytest.raises(ValueError, match=r"heading\.json is n"):
        report.sections.load(tmp_path / "heading.json", tmp_path)
