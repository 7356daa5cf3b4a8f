"""The command `keras-intriguing certify`."""

import argparse
import dataclasses
import math
from pathlib import Path
from typing import Any

from keras_intriguing import files
from keras_intriguing.cli import arrays
from keras_intriguing.cli import model as cli_model


def add_to(commands: Any) -> None:
    """Adds `certify` to the command's subparsers."""
    certify = commands.add_parser(
        "certify", help="distances within which images are proved to keep their label"
    )
    certify.add_argument("model", metavar="MODEL", help=cli_model.HELP)
    certify.add_argument(
        "images",
        metavar="IMAGES.npz",
        type=Path,
        help="float images x [N, …], and if you like an int array label [N] (or y), the classes to certify",
    )
    certify.add_argument(
        "--out", metavar="FILE.npz", type=Path, required=True, help="receives the result's arrays"
    )
    certify.add_argument(
        "--radius",
        type=_not_negative,
        metavar="R",
        help="a distance in L2 to verify, which is cheaper than the search for each image's own",
    )
    certify.add_argument(
        "--effort",
        choices=("quick", "standard", "thorough"),
        default="standard",
        help="quick: the network's Lipschitz bound, at once but loose; standard: bounds through the layers, up to seconds an "
        "image; thorough: five times the work for somewhat more (default: standard)",
    )
    certify.add_argument(
        "--seconds",
        type=_not_negative,
        metavar="S",
        default=0.0,
        help="of branch and bound, for every image after that effort; with --radius, for those that are open (default: none)",
    )
    arrays.add_bounds(certify)
    certify.set_defaults(run=_certify)


def _not_negative(text: str) -> float:
    """An option's number, checked before anything is loaded.

    Raises:
        argparse.ArgumentTypeError: it is no finite number of at least 0.
    """
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"must be a finite number of at least 0, not {text}.")
    return number


def _certify(options: argparse.Namespace) -> None:
    stored = arrays.load(options.images)
    if options.out.resolve() == options.images.resolve():
        raise ValueError(f"--out {options.out} would overwrite the images. Choose another file.")
    files.require_replaceable(options.out, ("Certificate" if options.radius is None else "Verification",))
    x, bounds = arrays.images_within_bounds(stored, options.bounds)
    model = cli_model.load(options.model)
    from keras_intriguing.certificates import Interrupted, certified_distortion, verify
    from keras_intriguing.progress import Bar

    with Bar() as progress:
        task = progress.add_task(f"certifying {options.model}", total=len(x))
        settings = {
            "label": stored.get("label"),
            "bounds": bounds,
            "effort": options.effort,
            "seconds": options.seconds,
            "progress": lambda done, total: progress.update(
                task, completed=done, total=total, description=f"certifying {options.model}"
            ),
            "on_stage": lambda name: progress.update(task, description=f"measuring {name}"),
        }
        try:
            if options.radius is None:
                result, interruption = certified_distortion(model, x, **settings), None
            else:
                result, interruption = verify(model, x, options.radius, **settings), None
        except Interrupted as stopped:
            result, interruption = stopped.result, stopped
    read = {"model": options.model, "model_sha256": cli_model.sha256(options.model)}
    read |= {"images": str(options.images), "file_sha256": files.sha256(options.images)}
    read |= {"complete": interruption is None}
    dataclasses.replace(result, provenance={**result.provenance, **read}).save(options.out)
    if interruption is not None:
        options.interrupted = (
            f"{options.out} has what was certified until then; the rest by the Lipschitz bound."
        )
        raise interruption
    print(result)
    print(f"Result written to {options.out}")
