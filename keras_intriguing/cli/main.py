"""The command `keras-intriguing`. TensorFlow is imported only by the commands that compute."""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from keras_intriguing import files, presets
from keras_intriguing.cli import convert as cli_convert
from keras_intriguing.cli import model as cli_model
from keras_intriguing.cli import spectral as cli_spectral
from keras_intriguing.cli import zoo as cli_zoo
from keras_intriguing.training import recipes

FAILED, INTERRUPTED = 2, 130


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    options = _parser().parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # no word from TensorFlow of what the machine lacks
    try:
        options.run(options)
    except KeyboardInterrupt:
        print(f"\nInterrupted. {options.interrupted}", file=sys.stderr)
        return INTERRUPTED
    except (ValueError, TypeError, ArithmeticError, OSError, ImportError, MemoryError, RuntimeError) as error:
        print(f"error: {str(error) or type(error).__name__}", file=sys.stderr)
        return FAILED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="keras-intriguing",
        description="Networks, attack and checkpoints of 'Intriguing properties of neural networks' for Keras 3.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    cli_zoo.add_to(commands)

    train = commands.add_parser("train", help="make a preset from nothing; goes on where it was interrupted")
    train.add_argument(
        "preset", metavar="PRESET", help=f"{', '.join(recipes.NAMES)}; each also with _seed1 or _seed2"
    )
    train.add_argument("--out", type=Path, help="folder of the preset (default: training/PRESET)")
    train.add_argument("--seed", type=int, help="of the starting weights (default: the recipe's, 0)")
    train.add_argument("--data-dir", help="prepared TFDS data (default: TFDS_DATA_DIR)")
    train.add_argument(
        "--images",
        type=Path,
        metavar="DIR",
        help="photographs: DIR/{train,val}/CLASS/*.jpg (default: Imagenette)",
    )
    train.add_argument(
        "--skip-unreadable", action="store_true", help="leave out photographs that cannot be decoded"
    )
    train.set_defaults(run=_train, interrupted="The same command goes on from the last finished round.")

    attack = commands.add_parser("attack", help="minimal distortions that change a model's label")
    attack.add_argument("model", metavar="MODEL", help=cli_model.HELP)
    attack.add_argument(
        "images",
        metavar="IMAGES.npz",
        type=Path,
        help="float images x [N, …], and if you like int arrays target [N], else label [N], the classes to leave",
    )
    attack.add_argument(
        "--out", metavar="FILE.npz", type=Path, required=True, help="receives the result's arrays"
    )
    attack.add_argument(
        "--target",
        type=int,
        help="the class to reach, instead of the file's (default: the nearest other class)",
    )
    attack.add_argument("--method", choices=("direct", "penalty"), default="direct")
    attack.add_argument("--bounds", type=float, nargs=2, default=(0.0, 1.0), metavar=("LOWEST", "HIGHEST"))
    attack.add_argument("--batch-size", type=int, help="images at once (default: by memory)")
    attack.set_defaults(run=_attack)

    cli_spectral.add_to(commands)
    cli_convert.add_to(commands)
    parser.set_defaults(interrupted="Nothing was written.")
    return parser


def _train(options: argparse.Namespace) -> None:
    recipes.get(options.preset)
    folder = options.out or Path("training", options.preset)
    files.require_writable(folder / presets.METRICS)
    from keras_intriguing.cli.progress import Bar
    from keras_intriguing.training import full_batch as training

    with Bar() as progress:
        tasks: dict[str, Any] = {}

        def on_progress(stage: str, state: Any, most: int) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=most)
            description = f"{stage}: objective {state.objective:.6g} after"
            progress.update(tasks[stage], completed=state.iterations, description=description)

        training.train_preset(
            options.preset,
            folder,
            seed=options.seed,
            data_dir=options.data_dir,
            images=options.images,
            skip_unreadable=options.skip_unreadable,
            on_progress=on_progress,
        )
    print((folder / presets.CARD).read_text(encoding="utf-8"))
    print(f"Preset written to {folder}")


def _attack(options: argparse.Namespace) -> None:
    arrays = _arrays(options.images)
    if options.out.resolve() == options.images.resolve():
        raise ValueError(f"--out {options.out} would overwrite the images. Choose another file.")
    files.require_writable(options.out)
    target = arrays.get("target") if options.target is None else options.target
    model = cli_model.load(options.model)
    import dataclasses

    import numpy as np

    from keras_intriguing.attack import minimal_distortion
    from keras_intriguing.cli.progress import Bar

    with Bar() as progress:
        task = progress.add_task(f"attacking {options.model}", total=len(arrays["x"]))
        result = minimal_distortion(
            model,
            arrays["x"],
            target=target,
            label=arrays.get("label") if target is None else None,
            bounds=tuple(options.bounds),
            method=options.method,
            batch_size=options.batch_size,
            on_batch=lambda done, total: progress.update(task, completed=done),
        )
    provenance = {
        "model": options.model,
        "images": str(options.images),
        "images_sha256": files.sha256(options.images),
        "model_sha256": _model_hash(options.model),
        "target": options.target if options.target is not None else "file" if "target" in arrays else None,
        "label": "file" if target is None and "label" in arrays else None,
        "method": options.method,
        "bounds": list(options.bounds),
        "versions": presets.versions(),
    }
    fields = {f.name: getattr(result, f.name) for f in dataclasses.fields(result)}
    files.write_arrays(options.out, provenance=json.dumps(provenance), **fields)
    print(result)
    for reason in sorted({r for r in result.reason if r}):
        print(f"failed for {np.sum(result.reason == reason)}: {reason}")
    print(f"Result written to {options.out}")


def _model_hash(name: str) -> str:
    return files.sha256(name) if Path(name).is_file() else presets.load_metrics(name)["sha256"]


def _arrays(path: Path) -> dict[str, Any]:
    import numpy as np

    try:
        stored = np.load(path, allow_pickle=False)
        if isinstance(stored, np.ndarray):
            raise ValueError("it holds a single array; np.savez(path, x=array) makes the right form")
        with stored:
            arrays = {name: stored[name] for name in stored.files}
    except FileNotFoundError as error:
        raise FileNotFoundError(f"There is no file {path}.") from error
    except Exception as error:  # zipfile, NumPy and zlib each raise their own
        raise ValueError(f"{path} is not a NumPy .npz file of plain arrays ({error}).") from error
    if arrays.get("x", np.zeros(1)).ndim == 0:
        raise ValueError(f"x in {path} is a single number; it must be images [N, …].")
    if "x" not in arrays:
        raise ValueError(f"{path} holds no array named x; it holds {', '.join(arrays) or 'nothing'}.")
    return arrays
