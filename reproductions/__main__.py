"""`python -m reproductions`: measures tables, writes the records and the report."""

import argparse
import os
import shlex
import sys
from pathlib import Path
from typing import Any

from keras_intriguing import files

TABLES = ("table1", "table2")


def main(arguments: list[str] | None = None) -> int:
    """Runs what was asked; returns the exit status."""
    options = _options(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # no word from TensorFlow of what the machine lacks
    try:
        page = _reproduce(options)
    except KeyboardInterrupt:
        print(
            f"\nInterrupted. The records in {options.out} stay; the same command goes on from there.",
            file=sys.stderr,
        )
        return 130
    except (ValueError, OSError, ImportError, MemoryError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"Open {page} in a browser; {page.parent / 'REPORT.md'} has the same as text.")
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m reproductions", description="Remeasures the tables of 'Intriguing properties'."
    )
    parser.add_argument("what", nargs="*", metavar="TABLE", help=f"{', '.join(TABLES)} or all (default: all)")
    parser.add_argument(
        "--dataset",
        choices=("mnist5k", "mnist"),
        default="mnist5k",
        help="mnist5k: 5,000 training images out of a package (default); mnist: the whole, by TFDS",
    )
    parser.add_argument(
        "--images", type=int, default=256, help="how many are attacked (default: 256, as the paper)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of images, targets and noise (default: 0)")
    parser.add_argument("--out", type=Path, help="folder of records and report (default: reports/DATASET)")
    parser.add_argument("--data-dir", help="prepared TFDS data (default: TFDS_DATA_DIR)")
    options = parser.parse_args(arguments)
    options.what = list(TABLES) if not options.what or "all" in options.what else sorted(set(options.what))
    if unknown := [what for what in options.what if what not in TABLES]:
        parser.error(f"unknown: {', '.join(unknown)}; known: {', '.join(TABLES)}, all")
    if options.images < 2:
        parser.error("--images must be at least 2")
    options.out = options.out or Path("reports", options.dataset)
    given = sys.argv[1:] if arguments is None else arguments
    options.command = shlex.join(["python", "-m", "reproductions", *given])
    return options


def _reproduce(options: argparse.Namespace) -> Path:
    files.require_writable(options.out / "report.html")
    print("Loading TensorFlow …")
    from rich import progress

    from reproductions import claims, table1, table2
    from reproductions.run import Run

    modules = {"table1": (table1, claims.of_table1), "table2": (table2, claims.of_table2)}
    run = Run(options.dataset, options.images, options.seed, options.out, options.data_dir, options.command)
    run.load("train" if options.dataset == "mnist5k" else "test")  # no data: say so before the bar
    chosen = [modules[what] for what in options.what]
    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns) as bar:
        task = bar.add_task("", total=sum(module.steps(run) for module, _ in chosen))
        run.advance = lambda description: bar.update(task, advance=1, description=description)
        sections, verdicts = [], []
        for module, verdicts_of in chosen:
            values = module.measure(run)
            sections.append(module.section(run, values))
            verdicts += verdicts_of(values)
        bar.update(task, completed=bar.tasks[0].total, description="report")
    return _write(run, options, sections, verdicts)


def _write(run: Any, options: argparse.Namespace, sections: list[Any], verdicts: list[Any]) -> Path:
    import keras_intriguing as ki
    from keras_intriguing import report
    from reproductions import deviations
    from reproductions.run import PAPER

    mnist5k = options.dataset == "mnist5k"
    images = "MNIST training images (mnist5k)" if mnist5k else "MNIST test images"
    hashes = [(f"SHA-256 of {p}", ki.presets.load_metrics(p)["sha256"]) for p in PAPER["table1"]]
    versions = ", ".join(f"{name} {version}" for name, version in ki.presets.versions().items())
    return report.write(
        report.Report(
            title="Intriguing properties of neural networks, remeasured",
            summary=f"Tables of {PAPER['source']}, measured on {options.images} {images} with the shipped presets.",
            sections=sections,
            claims=verdicts,
            deviations=[*(deviations.MNIST5K if mnist5k else ()), *deviations.COMMON],
            provenance=[
                ("command", options.command),
                ("images, seed", f"{options.images}, {options.seed}"),
                ("versions", versions),
                *hashes,
            ],
        ),
        run.out,
    )


if __name__ == "__main__":
    sys.exit(main())
