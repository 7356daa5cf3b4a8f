"""The command `keras-intriguing examine`."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from keras_intriguing import files
from keras_intriguing.cli import arrays
from keras_intriguing.cli import model as cli_model

_STAGES = ("attack", "storage", "certificates", "norms")
_DIGITS = {"mnist5k": "train", "mnist": "test"}  # the split that is taken
_COUNT = 100


class _Images(NamedTuple):
    """Images [N, …], their labels or None, and the names of the classes or None."""

    x: Any
    y: Any
    names: list[str] | None


def add_to(commands: Any) -> None:
    """Adds `examine` to the command's subparsers."""
    examine = commands.add_parser(
        "examine", help="a page on how fragile a model is; goes on where it stopped"
    )
    examine.add_argument("model", metavar="MODEL", help=cli_model.HELP)
    examine.add_argument(
        "images",
        metavar="IMAGES",
        help="an .npz file with float images x [N, …] and, if you like, int labels y (or label) [N]; a folder of photographs, one "
        "folder a class, of which the middle squares are taken, 7/8 of the shorter side, in grey for a model of one channel; "
        "mnist5k or mnist. Of a folder and of digits, black and white become the bounds",
    )
    examine.add_argument(
        "--out", metavar="FOLDER", type=Path, required=True, help="receives page and numbers"
    )
    examine.add_argument(
        "--count",
        type=int,
        default=_COUNT,
        help=f"images, evenly out of all of them (default: {_COUNT}); 0 for all",
    )
    examine.add_argument(
        "--size",
        type=int,
        help="of photographs' middle squares, in pixels, to which they are scaled (default: the model's)",
    )
    arrays.add_bounds(examine)
    examine.add_argument(
        "--leave-out", choices=_STAGES, nargs="+", default=(), help="what is not to be measured"
    )
    examine.add_argument(
        "--effort",
        choices=("quick", "standard", "thorough"),
        help="of certificates, as of certify (default: standard, but quick for nets with convolutions)",
    )
    examine.add_argument("--batch-size", type=int, help="images at once (default: by memory)")
    examine.add_argument("--from-probabilities", action="store_true", help="as of attack")
    examine.set_defaults(run=_examine, interrupted="Nothing was measured.")


def _examine(options: argparse.Namespace) -> None:
    if options.count < 0:
        raise ValueError(f"--count must be 0 or more, not {options.count}.")
    files.require_writable(options.out / "examination.json")
    for name, kind in (("result.npz", "Result"), ("certificate.npz", "Certificate")):
        files.require_replaceable(options.out / name, (kind,))
    if options.images.endswith(".npz"):  # what is wrong with a file is said before TensorFlow is imported
        images, bounds = _of_arrays(arrays.load(Path(options.images)), options.bounds)
        model = cli_model.load(options.model)
    else:
        _require_known(options.images)
        model = cli_model.load(options.model)
        images, bounds = _loaded(options, model), options.bounds
    images = _chosen(images, options.count)
    from keras_intriguing.examination import examine
    from keras_intriguing.progress import Bar

    with Bar() as bar:
        tasks: dict[str, Any] = {}

        def on_progress(stage: str, done: float, total: float) -> None:
            if stage not in tasks:
                for task in tasks.values():
                    bar.update(task, completed=bar.tasks[task].total)
                tasks[stage] = bar.add_task(stage, total=total)
            bar.update(tasks[stage], completed=done, total=total)

        try:
            found = examine(
                model,
                images.x,
                images.y,
                out=options.out,
                title=f"How fragile {Path(options.model).name} is on {Path(options.images).name}",
                names=images.names,
                bounds=bounds,
                leave_out=options.leave_out,
                effort=options.effort,
                batch_size=options.batch_size,
                from_probabilities=options.from_probabilities,
                on_progress=on_progress,
            )
        except KeyboardInterrupt:
            if any(options.out.glob("*.npz")) or any(options.out.glob(".*.part")):
                options.interrupted = "What was measured is kept; the same command goes on from there."
            raise
        for task in tasks.values():
            bar.update(task, completed=bar.tasks[task].total)
    print(found)


def _of_arrays(stored: dict[str, Any], given: Sequence[float]) -> tuple[_Images, tuple[Any, Any]]:
    x, bounds = arrays.images_within_bounds(stored, given)
    y = stored.get("y", stored.get("label"))
    if y is not None and y.shape[:1] != x.shape[:1]:
        raise ValueError(
            f"There are {len(x)} images x, but labels of shape {y.shape}; one each is needed, int [{len(x)}]."
        )
    return _Images(x, y, None), bounds


def _require_known(images: str) -> None:
    if images not in _DIGITS and not Path(images).is_dir():
        found = f"{images} is none of these" if Path(images).exists() else f"there is no {images}"
        raise FileNotFoundError(
            f"IMAGES must be an .npz file with images x, a folder of photographs, mnist5k or mnist; {found}."
        )


def _loaded(options: argparse.Namespace, model: Any) -> _Images:
    """Digits or photographs; black and white are the bounds."""
    from keras_intriguing import data
    from keras_intriguing.data import photographs

    if options.images in _DIGITS:
        x, y = data.load(options.images, _DIGITS[options.images])
        return _Images(_scaled(x, options.bounds), y, None)
    found = photographs.load(options.images, "val")
    _require_same_classes(found.classes, options.images, model)
    chosen = _chosen(_Images(found, found.labels, None), options.count).x
    shape = _image_shape(model)
    size = options.size or _side(shape)
    x = chosen.images(size)
    if in_grey := shape[2:] == (1,):
        x = photographs.grey(x)
    names = [photographs.IMAGENETTE.get(name, name) for name in found.classes]
    print(
        f"Of each photograph the middle square is taken, 7/8 of the shorter side, at {size}×{size} pixels{', in grey' * in_grey}."
    )
    return _Images(_scaled(x, options.bounds), chosen.labels, names)


def _scaled(x: Any, bounds: Sequence[float]) -> Any:
    """Images in [0, 1] as the model takes them."""
    import numpy as np

    lower, upper = bounds
    return np.clip(lower + (upper - lower) * x, lower, upper) if np.isfinite(upper - lower) else x


def _require_same_classes(classes: Sequence[str], folder: str, model: Any) -> None:
    """As far as the model tells how many it has; one output is two classes."""
    shape = getattr(model, "output_shape", None)
    if not isinstance(shape, tuple) or len(shape) != 2 or not shape[1]:
        return
    count = max(2, shape[1])
    if len(classes) != count:
        listed = ", ".join(classes[:5]) + (", …" if len(classes) > 5 else "")
        raise ValueError(
            f"{folder} has {len(classes)} folders of a class ({listed}), but the model has {count} classes. Labels follow the "
            "order of the folders' names; an .npz file with x and y may have others."
        )


def _image_shape(model: Any) -> tuple[int | None, ...]:
    """Of one image, as far as the model tells it."""
    shape = getattr(model, "input_shape", None)
    return shape[1:] if isinstance(shape, tuple) else ()


def _side(shape: tuple[int | None, ...]) -> int:
    """Of square images of this shape."""
    height, width = shape[:2] if len(shape) == 3 else (None, None)
    if height is None or width is None:
        raise ValueError("The model does not tell the size of its images: give it by --size.")
    if height != width:
        raise ValueError(
            f"The model takes images of {height}×{width}, and photographs are made squares. Give them in an .npz file, as it takes them."
        )
    return height


def _chosen(images: _Images, count: int) -> _Images:
    """Evenly out of all, at most `count` of them; all for 0."""
    total = len(images.x)
    if count == 0 or total <= count:
        return images
    rows = [i * total // count for i in range(count)]
    return images._replace(x=images.x[rows], y=None if images.y is None else images.y[rows])
