"""Writes a report as Markdown and as one HTML page that carries its pictures inside."""

import base64
import mimetypes
import re
from pathlib import Path

import jinja2
import markupsafe
from PIL import Image

from keras_intriguing import files
from keras_intriguing.report.document import Figure, Report


def write(report: Report, folder: Path) -> Path:
    """Writes `REPORT.md` and `report.html` into the folder.

    Returns:
        The path of the HTML page.

    Raises:
        OSError: the folder cannot be written, or a picture is missing.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("keras_intriguing.report", "templates"),
        autoescape=jinja2.select_autoescape(["html"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "breakable": _breakable,
        "beside": lambda path: path.relative_to(folder).as_posix(),
        "code": _code,
        "embedded": _embedded,
        "size": _size,
        "in_row": _in_row,
    }
    environment.tests["figure"] = lambda shown: isinstance(shown, Figure)
    for name in ("REPORT.md", "report.html"):
        text = environment.get_template(name).render(report=report)
        files.write_text(folder / name, re.sub(r"\n{3,}", "\n\n", text))
    return folder / "report.html"


def _code(text: str) -> markupsafe.Markup:
    """HTML of a text, with what is between backticks as code."""
    return markupsafe.Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(markupsafe.escape(text))))


def _breakable(name: str) -> markupsafe.Markup:
    """HTML of a name that a line may break behind every underscore."""
    return markupsafe.Markup(str(markupsafe.escape(name)).replace("_", "_<wbr>"))


def _in_row(text: str) -> str:
    """A text within a row of a Markdown table."""
    return text.replace("|", "\\|").replace("\n", " ")


def _embedded(path: Path) -> str:
    kind = mimetypes.guess_type(path.name)[0]
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


def _size(path: Path) -> tuple[int, int]:
    """Width and height on the page: pictures have two pixels for every one of it."""
    with Image.open(path) as image:
        return image.width // 2, image.height // 2
