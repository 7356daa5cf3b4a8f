"""From records to pages: Markdown, one self-contained HTML file, PNG figures. Knows no model."""

from keras_intriguing.report import figures, sections
from keras_intriguing.report.document import Cell, Claim, Figure, Report, Section, Table
from keras_intriguing.report.pages import write

__all__ = ["Cell", "Claim", "Figure", "Report", "Section", "Table", "figures", "sections", "write"]
