"""The command `keras-intriguing attack`."""

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from keras_intriguing import files
from keras_intriguing.cli import arrays, png
from keras_intriguing.cli import model as cli_model


def add_to(commands: Any) -> None:
    """Adds `attack` to the command's subparsers."""
    attack = commands.add_parser("attack", help="minimal distortions that change a model's label")
    attack.add_argument("model", metavar="MODEL", help=cli_model.HELP)
    attack.add_argument(
        "images",
        metavar="IMAGES.npz",
        type=Path,
        help="float images x [N, …], and if you like int arrays target [N], else label [N] (or y), the classes to leave, and images starts "
        "[S, …] to start from, too",
    )
    attack.add_argument(
        "--out", metavar="FILE.npz", type=Path, required=True, help="receives the result's arrays"
    )
    attack.add_argument(
        "--target",
        type=int,
        help="the class to reach, instead of the file's (default: the nearest other class)",
    )
    attack.add_argument(
        "--label",
        type=int,
        help="the class to leave, instead of the file's (default: the model's prediction)",
    )
    attack.add_argument(
        "--method",
        choices=("direct", "penalty"),
        default="direct",
        help="direct: the smallest change; penalty: the paper's c‖r‖² + cross-entropy, slower (default: direct)",
    )
    arrays.add_bounds(attack)
    attack.add_argument(
        "--levels",
        type=int,
        help="grey levels between the bounds that the adversarial images lie on, 256 for images of 8 bits (default: any)",
    )
    attack.add_argument(
        "--png",
        metavar="FOLDER",
        type=Path,
        help="receives the adversarial images as PNG files, by their numbers; needs --levels 256",
    )
    attack.add_argument(
        "--budget", type=int, help="passes of the model that direct may take for an image (default: 2000)"
    )
    attack.add_argument("--batch-size", type=int, help="images at once (default: by memory)")
    attack.add_argument(
        "--from-probabilities",
        action="store_true",
        help="the model gives probabilities, and its softmax or sigmoid cannot be seen",
    )
    attack.set_defaults(run=_attack, interrupted="No image was attacked.")


def _attack(options: argparse.Namespace) -> None:
    if options.method == "penalty" and options.budget is not None:
        raise ValueError(
            "--budget is for --method direct; penalty takes what its search needs. Leave it out."
        )
    stored = arrays.load(options.images)
    if options.out.resolve() == options.images.resolve():
        raise ValueError(f"--out {options.out} would overwrite the images. Choose another file.")
    files.require_replaceable(options.out, ("Result",))
    if not options.out.parent.exists():
        print(f"The folder {options.out.parent} is not there; it will be made.")
    x, bounds = arrays.images_within_bounds(stored, options.bounds)
    starts = arrays.images_to_start_from(stored, bounds.upper)
    if options.png:
        png.require_pictures(x.shape, options.levels)
        files.require_writable(options.png / "00000.png")
    target = stored.get("target") if options.target is None else options.target
    label = stored.get("label") if target is None and options.label is None else options.label
    model = cli_model.load(options.model)
    read = {"model": options.model, "model_sha256": cli_model.sha256(options.model)}
    read |= {"images": str(options.images), "file_sha256": files.sha256(options.images)}
    settings = {"target": options.target, "label": options.label, "method": options.method}
    settings |= {"bounds": options.bounds, "batch_size": options.batch_size, "levels": options.levels}
    settings["from_probabilities"] = options.from_probabilities
    from keras_intriguing.attack import minimal, parts
    from keras_intriguing.classifiers.request import checked
    from keras_intriguing.progress import Bar

    budget = minimal.BUDGET if options.budget is None else options.budget
    settings["budget"] = budget
    of_attack = minimal.checked_settings(options.method, budget, options.levels)
    minimal.check_starts(options.method, starts)
    from_probabilities = options.from_probabilities
    request = checked(model, x, target, label, bounds, options.batch_size, from_probabilities, starts)
    made = {"target": target, "label": label, "bounds": bounds, "method": options.method}
    made |= {"budget": budget, "levels": options.levels, "from_probabilities": from_probabilities}
    made |= {} if starts is None else {"starts": request.starts.x}
    kept = parts.Kept(options.out, {**read, **settings})
    before = kept.count()
    if before:
        print(f"{before} of {len(x)} images are kept from a run that was interrupted; the others follow.")
    try:
        with Bar() as progress:
            task = progress.add_task(f"attacking {options.model}", total=len(x))
            result = parts.attack(
                model,
                request,
                of_attack,
                kept,
                on_images=lambda done: progress.update(task, completed=done),
                batch_size=options.batch_size,
                **made,
            )
    except KeyboardInterrupt:
        if count := kept.count():
            options.interrupted = f"{count} of {len(x)} images are kept; the same command goes on from there."
        else:
            options.interrupted = "No batch of images was finished: the same command begins anew."
        raise
    dataclasses.replace(result, provenance={**result.provenance, **read}).save(options.out)
    kept.remove()
    if options.png:
        png.write(options.png, result.adversarial, result.success, bounds)
    print(result)
    print(f"Result written to {options.out}")
