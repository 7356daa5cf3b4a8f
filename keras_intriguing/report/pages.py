"""Writes a report as Markdown and as one HTML page that carries its figures inside."""

import base64
from pathlib import Path

import jinja2

from keras_intriguing import files
from keras_intriguing.report.document import Report


def write(report: Report, folder: Path) -> Path:
    """Writes `REPORT.md` and `report.html` into the folder.

    Returns:
        The path of the HTML page.

    Raises:
        OSError: the folder cannot be written, or a figure is missing.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("keras_intriguing.report", "."),
        autoescape=jinja2.select_autoescape(["html"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["embedded"] = _embedded
    environment.filters["beside"] = lambda path: path.relative_to(folder).as_posix()
    for template, name in (("template.md", "REPORT.md"), ("template.html", "report.html")):
        files.write_text(folder / name, environment.get_template(template).render(report=report))
    return folder / "report.html"


def _embedded(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
