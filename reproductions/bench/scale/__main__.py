"""`python -m reproductions.bench.scale`: how the attack's time and memory grow.

With the number of images on a shipped net; with the values of an image and with the classes on random nets of one
small hidden layer, so that the attack's own work shows. Every point is measured in a process of its own.
"""

import argparse
import sys
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.console import Console
from rich.markdown import Markdown
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

import keras_intriguing as ki
from reproductions.bench import command, markdown
from reproductions.bench.cost import exponent, in_a_fresh_process
from reproductions.shared import records
from reproductions.shared.code import code_of
from reproductions.shared.serialization import from_json, to_json

if TYPE_CHECKING:
    from keras_intriguing.attack import StepTime
    from reproductions.bench.scale.growth import Point

PRESET = "fc100_100_10_mnist"
IMAGES = (100, 1000, 10_000)
SHAPES = ((28, 28, 1), (64, 64, 3), (128, 128, 3), (224, 224, 3))
CLASSES = (10, 100, 1000)
COUNT = 32  # images of the random nets: as many as the largest shape has in a batch
SEED = 0


class Series(NamedTuple):
    """Points along one axis.

    Attributes:
        title: of its table.
        axis: what grows.
        sizes: along the axis.
        key: beside the size, of a record.
        measure: a function of a module.
        arguments: of it, for every size.
    """

    title: str
    axis: str
    sizes: tuple[int, ...]
    key: dict[str, Any]
    measure: Callable[..., Any]
    arguments: list[tuple[Any, ...]]


def main() -> int:
    """Measures what has no record yet, then prints and writes the tables; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m reproductions.bench.scale", description="How the attack's time and memory grow."
    )
    parser.add_argument("--dataset", choices=("mnist5k", "mnist"), default="mnist")
    parser.add_argument("--out", type=Path, default=Path("reports", "bench"), help="(default: reports/bench)")
    return command.run(_run, parser.parse_args(), "SCALE.md")


def _run(options: argparse.Namespace) -> list[str]:
    _write(options.out, _measure(options))
    return []  # a failure ends it


def _series(dataset: str) -> list[Series]:
    from reproductions.bench.scale import growth

    x, _ = ki.data.load(dataset, "test" if dataset == "mnist" else "train")
    counts = tuple(count for count in IMAGES if count <= len(x))
    values = tuple(height * width * channels for height, width, channels in SHAPES)
    net = {"hidden": growth.HIDDEN, "images": COUNT, "seed": SEED}
    return [
        Series(
            f"Images, on {PRESET}",
            "images",
            counts,
            {"preset": ki.presets.load_metrics(PRESET)["sha256"], "dataset": dataset},
            growth.by_images,
            [(PRESET, x[:count]) for count in counts],
        ),
        Series(
            f"Values of an image, {COUNT} images, 10 classes",
            "values",
            values,
            net,
            growth.by_shape,
            [(shape, 10, COUNT, SEED) for shape in SHAPES],
        ),
        Series(
            f"Classes, {COUNT} images of 784 values",
            "classes",
            CLASSES,
            net,
            growth.by_shape,
            [(SHAPES[0], classes, COUNT, SEED) for classes in CLASSES],
        ),
        Series(
            f"Steps of direct, {COUNT} images, 10 classes",
            "values, steps",
            (values[0], values[-1]),
            net,
            growth.steps,
            [(shape, 10, COUNT, SEED) for shape in (SHAPES[0], SHAPES[-1])],
        ),
    ]


def _measure(options: argparse.Namespace) -> list[tuple[Series, list[Any]]]:
    measured = []
    with Progress(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()) as bar:
        for series in _series(options.dataset):
            points = []
            for size, arguments in zip(series.sizes, series.arguments, strict=True):
                row = bar.add_task(f"{size} {series.axis}", total=None)
                name = f"{series.axis.replace(', ', '-')}-{size}"
                key = {
                    **series.key,
                    "size": size,
                    "code": code_of(series.measure.__module__, [PRESET]),
                    **ki.presets.versions(),
                }
                stored = records.keep(
                    options.out / "records" / "scale" / f"{name}.json",
                    key,
                    records.this_command(),
                    lambda arguments=arguments, series=series: to_json(
                        in_a_fresh_process(series.measure, *arguments)
                    ),
                )
                points.append(from_json(typing.get_type_hints(series.measure)["return"], stored))
                bar.remove_task(row)
            measured.append((series, points))
    return measured


def _write(out: Path, measured: list[tuple[Series, list[Any]]]) -> None:
    text = ["# How the attack's time and memory grow"]
    *growing, (steps, times) = measured
    for series, points in growing:
        text += [f"## {series.title}", _table(series, points)]
    text += [f"## {steps.title}: CPU seconds of the second call (of the first)", _steps_table(steps, times)]
    ki.files.write_text(out / "SCALE.md", "\n\n".join(text) + "\n")
    Console(width=160).print(Markdown("\n\n".join(text)))
    print(f"Written to {out / 'SCALE.md'}.")


def _table(series: Series, points: Sequence["Point"]) -> str:
    columns = {
        "seconds": ("s", ".2f"),
        "cpu_seconds": ("CPU s", ".2f"),
        "gradient_seconds": ("CPU s, as many gradients alone", ".3f"),
        "gradients": ("gradients an image", ".0f"),
        "first_call": ("first call, s", ".1f"),
        "first_mib": ("first call, MiB", ".0f"),
        "peak_mib": ("MiB", ".0f"),
        "arrays_mib": ("arrays in and out, MiB", ".1f"),
    }
    head = (series.axis, *(title for title, _ in columns.values()))
    rows = [
        (f"{size:,}", *(format(getattr(point, name), style) for name, (_, style) in columns.items()))
        for size, point in zip(series.sizes, points, strict=True)
    ]
    powers = []
    for name in columns:
        values = [getattr(point, name) for point in points]
        powers.append(f"{exponent(series.sizes, values):.2f}" if min(values) > 0 else "")
    return markdown.table(head, [*rows, ("exponent", *powers)])


def _steps_table(series: Series, points: Sequence[Mapping[str, "StepTime"]]) -> str:
    head = ("step", *(f"{size:,} values" for size in series.sizes))
    rows = [
        (step, *(f"{point[step].second:.3f} ({point[step].first:.1f})" for point in points))
        for step in points[0]
    ]
    return markdown.table(head, rows)


if __name__ == "__main__":
    sys.exit(main())
