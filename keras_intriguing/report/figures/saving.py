"""Figures as files."""

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from keras_intriguing import files

DPI = 192  # two pixels for every one of a page, which has 96 an inch
_PALETTE = 256  # colours


def save(figure: Figure, path: Path) -> None:
    """Writes a figure as PNG or, by the path's suffix, as JPEG, which suits photographs."""
    form = path.suffix.removeprefix(".")
    with files.replacing(path) as temporary:
        FigureCanvasAgg(figure).print_figure(
            temporary, dpi=DPI, format=form, pil_kwargs={"quality": 85} if form == "jpg" else {}
        )
        if form == "png":
            _shrink(temporary)


def _shrink(path: Path) -> None:
    """The same pixels in a smaller file: no transparency, and a palette where a few colours are all, as in grey images."""
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    if image.getcolors(_PALETTE):
        image = image.quantize(_PALETTE, dither=Image.Dither.NONE)
    image.save(path, "PNG", optimize=True)
