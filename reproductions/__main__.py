"""`python -m reproductions`: measures tables, writes the records and the report."""

import argparse
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import keras_intriguing as ki
from keras_intriguing import quiet
from reproductions import chapters

if TYPE_CHECKING:
    from reproductions.shared.run import Run


def main(arguments: list[str] | None = None) -> int:
    """Runs what was asked; returns the exit status."""
    options = parse(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # no word from TensorFlow of what the machine lacks
    try:
        ki.files.require_writable(options.out / "report.html")
        if options.alexnet and not options.alexnet.is_dir():
            raise FileNotFoundError(
                f"There is no preset folder {options.alexnet}. Make one: keras-intriguing convert WEIGHTS --out FOLDER."
            )
        if "tensorflow" not in sys.modules:
            ki.keep_compiled()
        print("Loading TensorFlow …", flush=True)
        quiet.import_tensorflow()
        if options.stale:
            return _say_stale(options.out)
        from reproductions import job

        page = job.reproduce(options)
    except KeyboardInterrupt:
        print(
            f"\nInterrupted. The records in {options.out} stay; the same command goes on from there.",
            file=sys.stderr,
        )
        return 130
    except (ValueError, ArithmeticError, OSError, ImportError, MemoryError, RuntimeError) as error:
        print(f"error: {str(error) or type(error).__name__}", file=sys.stderr)
        return 2
    print(f"Open {page} in a browser; {page.parent / 'REPORT.md'} has the same as text.")
    return 0


def _say_stale(folder: Path) -> int:
    """Lists the records that this tree would measure anew; the exit status is 1 if there are any."""
    from reproductions import job, staleness

    def run_of(command: str) -> "Run":
        return job.run_of(parse(shlex.split(command)[3:]))

    found = staleness.stale(folder, run_of)
    for name, changed in found.items():
        print(f"{name}: {', '.join(changed)}")
    print(
        f"{len(found)} records of {folder} are not of this tree."
        if found
        else f"All records of {folder} are of this tree."
    )
    return 1 if found else 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The options of a command line, of this process if none is given."""
    others = [name for name, by_default in chapters.BY_DEFAULT.items() if not by_default]
    parser = argparse.ArgumentParser(
        prog="python -m reproductions",
        description="Remeasures the tables and figures of 'Intriguing properties'.",
    )
    parser.add_argument(
        "what",
        nargs="*",
        metavar="TABLE",
        help=f"{', '.join(chapters.NAMES)} or all (default: all but {', '.join(others)}, which take longer or need "
        "photographs)",
    )
    parser.add_argument(
        "--dataset",
        choices=("mnist5k", "mnist"),
        default="mnist5k",
        help="mnist5k: 5,000 training images out of a package (default); mnist: the whole, by TFDS",
    )
    parser.add_argument(
        "--attacked", type=int, default=256, help="how many digits (default: 256, as the paper)"
    )
    parser.add_argument(
        "--by-penalty",
        type=int,
        metavar="N",
        help="how many of these by the penalty method too, which is slower; the first 16 are certified (default: all)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of images, targets and noise (default: 0)")
    parser.add_argument(
        "--training-seeds",
        type=int,
        choices=range(1, 6),
        metavar="1…5",
        default=1,
        help="training runs of every model; more than one need a checkout or a mirror of the zoo (default: 1)",
    )
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes that measure side by side (default: one for each core, four at most; one with a GPU or for photographs)",
    )
    parser.add_argument(
        "--stale",
        action="store_true",
        help="measure nothing, but list the records in --out that other code or other presets have made",
    )
    parser.add_argument("--out", type=Path, help="folder of records and report (default: reports/DATASET)")
    parser.add_argument(
        "--images",
        type=Path,
        metavar="DIR",
        help="photographs for Figures 3 to 6: DIR/val/CLASS/*.jpg or DIR/CLASS/*.jpg (default: Imagenette, by TFDS)",
    )
    parser.add_argument(
        "--skip-unreadable", action="store_true", help="leave out photographs that cannot be decoded"
    )
    parser.add_argument("--data-dir", help="prepared TFDS data (default: TFDS_DATA_DIR)")
    parser.add_argument(
        "--alexnet",
        type=Path,
        metavar="PRESET",
        help="folder of a preset of AlexNet, as `keras-intriguing convert` makes it, for Table 5 (default: AlexNet's "
        "initialization, marked so)",
    )
    options = parser.parse_args(arguments)
    asked = set(options.what) or set(chapters.NAMES).difference(others)
    if unknown := sorted(asked - {*chapters.NAMES, "all"}):
        parser.error(f"unknown: {', '.join(unknown)}; known: {', '.join(chapters.NAMES)}, all")
    options.what = [name for name in chapters.NAMES if "all" in asked or name in asked]
    if options.attacked < 2:
        parser.error("--attacked must be at least 2")
    options.by_penalty = options.attacked if options.by_penalty is None else options.by_penalty
    if not 2 <= options.by_penalty <= options.attacked:
        parser.error("--by-penalty must be at least 2, and no more than --attacked")
    if options.workers is not None and options.workers < 1:
        parser.error("--workers must be at least 1")
    options.out = options.out or Path("reports", options.dataset)
    given = sys.argv[1:] if arguments is None else arguments
    options.command = shlex.join(["python", "-m", "reproductions", *given])
    return options


if __name__ == "__main__":
    sys.exit(main())
