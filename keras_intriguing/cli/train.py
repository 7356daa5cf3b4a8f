"""The command `keras-intriguing train`."""

import argparse
from pathlib import Path
from typing import Any

from keras_intriguing import files, presets, quiet
from keras_intriguing.training import recipes
from keras_intriguing.training.progress import Progress


def add_to(commands: Any) -> None:
    """Adds `train` to the command's subparsers."""
    train = commands.add_parser("train", help="train a preset from nothing; goes on where it was interrupted")
    train.add_argument(
        "preset", metavar="PRESET", help=f"{', '.join(recipes.NAMES)}; each also with _seed1 to _seed4"
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


def _train(options: argparse.Namespace) -> None:
    recipes.get(options.preset)
    folder = options.out or Path("training", options.preset)
    files.require_writable(folder / presets.METRICS)
    quiet.import_tensorflow()
    from rich.progress import TaskID

    from keras_intriguing.progress import Bar
    from keras_intriguing.training import train_preset

    with Bar() as bar:
        tasks: dict[str, TaskID] = {}

        def on_progress(stage: str, progress: Progress, most: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=most)
            description = f"{stage}: objective {progress.objective:.6g} after"
            bar.update(tasks[stage], completed=progress.iterations, description=description)

        train_preset(
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
