"""Pictures of planted numbers."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from keras_intriguing.report import figures
from keras_intriguing.report.figures.images import magnification
from keras_intriguing.report.figures.saving import DPI


def test_figures_are_png_files(tmp_path: Path) -> None:
    quantiles = [0.0, 0.2, 0.4, 0.5, 0.9]
    panels = [
        (f"layer {i}", [("units", quantiles, 0.4), ("random", quantiles, 0.3)][: i + 1]) for i in range(5)
    ]
    figures.boxes(tmp_path / "boxes.png", panels, "score")
    figures.heat_maps(tmp_path / "map.png", [("ours", np.array([[0.0, np.nan]]))], ["row"], ["a", "b"], "%")
    dots = {"units": [(0.5, 0.4, 0.6)], "random": [(0.4, 0.35, 0.45)]}
    figures.dots(tmp_path / "dots.png", ["layer"], [("as they are", dots), ("whitened", dots)], "score")
    figures.differences(
        tmp_path / "rows.png", [("net", (0.1, 0.0, 0.2)), ("mean", (0.1, 0.0, 0.2))], 0.05, "score"
    )
    for path in ("map.png", "boxes.png", "dots.png", "rows.png"):
        assert (tmp_path / path).read_bytes().startswith(b"\x89PNG")


def test_differences_fill_the_range_of_greys_and_do_not_leave_it(tmp_path: Path) -> None:
    before = np.full((4, 4, 1), 0.5)
    after = before + 0.06 * np.linspace(-1, 1, 16).reshape(4, 4, 1)
    assert magnification(after - before) == pytest.approx(8.3)  # 0.5 / 0.06 is 8.33
    for size in (1e-7, 0.01, 0.3, 1.0):
        reached = size * magnification(np.array([0.0, -size]))
        assert 0.45 < reached <= 0.5
    assert magnification(np.zeros(3)) == 1
    path = tmp_path / "triples.png"
    figures.triples(path, [("net", [figures.Triple(before, after, "1", "2")])])
    assert path.read_bytes().startswith(b"\x89PNG")


def test_photographs_become_jpeg_files(tmp_path: Path) -> None:
    photograph = np.random.default_rng(0).random((64, 64, 3))
    figures.strips(tmp_path / "strips.jpg", [("unit", [photograph] * 2, ["a", "b"])])
    with Image.open(tmp_path / "strips.jpg") as image:
        assert image.format == "JPEG"
        assert image.width > 2 * 96  # two pixels for every one of the page


@pytest.mark.parametrize(("colours", "mode"), [("gray", "P"), ("viridis", "RGB")])
def test_a_png_has_the_pixels_that_were_drawn(colours: str, mode: str, tmp_path: Path) -> None:
    drawing = Figure(figsize=(2, 2))
    drawing.subplots().imshow(np.random.default_rng(0).uniform(size=(90, 90)), cmap=colours)
    canvas = FigureCanvasAgg(drawing)
    figures.save(drawing, tmp_path / "drawing.png")
    with Image.open(tmp_path / "drawing.png") as saved:
        assert saved.mode == mode
        pixels = np.asarray(saved.convert("RGB"))
    drawing.set_dpi(DPI)
    canvas.draw()
    np.testing.assert_array_equal(pixels, np.asarray(canvas.buffer_rgba())[..., :3])
