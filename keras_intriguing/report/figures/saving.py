"""Figures as files."""

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from keras_intriguing import files

DPI = 192  # two pixels for every one of a page, which has 96 an inch


def save(figure: Figure, path: Path) -> None:
    """Writes a figure as PNG or, by the path's suffix, as JPEG, which suits photographs."""
    form = path.suffix.removeprefix(".")
    settings = {"quality": 85} if form == "jpg" else {"optimize": True}
    with files.replacing(path) as temporary:
        FigureCanvasAgg(figure).print_figure(temporary, dpi=DPI, format=form, pil_kwargs=settings)
