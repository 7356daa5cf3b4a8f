"""From numbers to pages: Markdown, one self-contained HTML file, and their pictures. Knows no model.

A `Report` has `Section`s; a section shows `Table`s of `Cell`s and `Figure`s, and has `Claim`s with their verdicts.
`write` makes the pages, `figures` draws the pictures, `sections` keeps finished sections as files.
"""

from keras_intriguing.report import figures, sections
from keras_intriguing.report.document import Cell, Claim, Figure, Report, Section, Table, Verdict
from keras_intriguing.report.pages import write

__all__ = ["Cell", "Claim", "Figure", "Report", "Section", "Table", "Verdict", "figures", "sections", "write"]
