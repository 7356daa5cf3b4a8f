"""A planted report: two chapters, out of numbers that no model made."""

from pathlib import Path

import numpy as np
import pytest

from keras_intriguing import report
from keras_intriguing.report import Cell, Claim, Figure, Section, Table, figures


@pytest.fixture
def sections(tmp_path: Path) -> list[Section]:
    """A chapter that opens with a picture and has two claims, and one that opens with a table and has none."""
    path = tmp_path / "figures" / "map.png"
    maps = [("ours", np.array([[0.0, 100.0]])), ("the paper", np.array([[np.nan, 90.0]]))]
    figures.heat_maps(path, maps, ["row"], ["a", "b"], "error, %")
    cell = Cell("7.4%", "7–8%", "7.2%", recorded=True, spread="7.1–7.6%")
    table = Table("A table", "model", ["one"], [("net | net", [cell])], "its note with `code`")
    number = Cell("0.051", "0.049–0.053", "0.062")
    claims = [
        Claim("it is so", "does not hold", "smallest of all", number, "in 3 of 4"),
        Claim("is it so?", "undecided", "count", Cell("3 of 4"), "too few", of_paper=False),
    ]
    return [
        Section(
            "Table 1: a heading",
            [Figure("Map", path, "its caption", "two squares, dark and bright")],
            "What <it> shows.",
            claims,
            [table],
            ["A method."],
            [("seed", "0")],
        ),
        Section("Table 2: another", [table], "It shows more.", [], [], [], [("seed", "1")]),
    ]


@pytest.fixture
def page(tmp_path: Path, sections: list[Section]) -> Path:
    """The page of the planted report."""
    whole = report.Report("Title <1>", "Summary.", "Beware.", sections, ["another seed"])
    return report.write(whole, tmp_path)
