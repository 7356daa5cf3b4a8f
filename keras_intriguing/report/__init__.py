"""From records to pages: Markdown, one self-contained HTML file, PNG figures. Knows no model."""

from keras_intriguing.report import figures, sections
from keras_intriguing.report.document import Cell, Claim, Figure, Report, Section, Table, Verdict
from keras_intriguing.report.pages import write

__all__ = ["Cell", "Claim", "Figure", "Report", "Section", "Table", "Verdict", "figures", "sections", "write"]
