"""`python -m reproductions`: measures tables, writes the records and the report."""

import argparse
import dataclasses
import os
import shlex
import sys
from pathlib import Path
from typing import Any

from keras_intriguing import files

PHOTOGRAPHIC = ("figure3", "figure4", "figure5", "figure6")
# minutes of permutations, of AlexNet's layers, and what needs photographs: only when asked for
LONG = ("directions", "table5", *PHOTOGRAPHIC)
WHAT = (
    *("figure1", "figure2", "directions", "table1", "table2", "table3", "table4", "table5"),
    *("figure7", "adversarial", *PHOTOGRAPHIC),
)


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
    except (ValueError, ArithmeticError, OSError, ImportError, MemoryError, RuntimeError) as error:
        print(f"error: {str(error) or type(error).__name__}", file=sys.stderr)
        return 2
    print(f"Open {page} in a browser; {page.parent / 'REPORT.md'} has the same as text.")
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m reproductions",
        description="Remeasures the tables and figures of 'Intriguing properties'.",
    )
    parser.add_argument(
        "what",
        nargs="*",
        metavar="TABLE",
        help=f"{', '.join(WHAT)} or all (default: all but {', '.join(LONG)}, which take longer or need photographs)",
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
    parser.add_argument("--seed", type=int, default=0, help="of images, targets and noise (default: 0)")
    parser.add_argument(
        "--training-seeds",
        type=int,
        choices=(1, 2, 3),
        default=1,
        help="training runs of every model; more than one need a checkout or a mirror of the zoo (default: 1)",
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
    if not options.what:
        options.what = [what for what in WHAT if what not in LONG]
    options.what = list(WHAT) if "all" in options.what else sorted(set(options.what))
    if unknown := [what for what in options.what if what not in WHAT]:
        parser.error(f"unknown: {', '.join(unknown)}; known: {', '.join(WHAT)}, all")
    if options.attacked < 2:
        parser.error("--attacked must be at least 2")
    options.out = options.out or Path("reports", options.dataset)
    given = sys.argv[1:] if arguments is None else arguments
    options.command = shlex.join(["python", "-m", "reproductions", *given])
    return options


def _reproduce(options: argparse.Namespace) -> Path:
    files.require_writable(options.out / "report.html")
    if options.alexnet and not options.alexnet.is_dir():
        raise FileNotFoundError(
            f"There is no preset folder {options.alexnet}. Make one: keras-intriguing convert WEIGHTS --out FOLDER."
        )
    print("Loading TensorFlow …")
    import keras_intriguing as ki
    from keras_intriguing.cli.progress import Bar
    from reproductions.chapters import (
        adversarial,
        claims,
        directions,
        figure1,
        figure2,
        figure3,
        figure4,
        figure5,
        figure6,
        figure7,
        table1,
        table2,
        table3,
        table4,
        table5,
    )
    from reproductions.shared import imagenette
    from reproductions.shared.run import Run

    modules = {
        "figure1": (figure1, figure1.claims_of),
        "figure2": (figure2, figure2.claims_of),
        "directions": (directions, directions.claims_of),
        "table1": (table1, claims.of_table1),
        "table2": (table2, claims.of_table2),
        "table3": (table3, claims.of_table3),
        "table4": (table4, claims.of_table4),
        "table5": (table5, table5.claims_of),
        "figure3": (figure3, figure3.claims_of),
        "figure4": (figure4, figure4.claims_of),
        "figure5": (figure5, figure5.claims_of),
        "figure6": (figure6, figure6.claims_of),
        "figure7": (figure7, claims.of_figure7),
        "adversarial": (adversarial, adversarial.claims_of),
    }
    run = Run(
        options.dataset,
        options.attacked,
        options.seed,
        options.training_seeds,
        options.out,
        options.data_dir,
        options.command,
        alexnet=options.alexnet,
        photographs=options.images,
        skip_unreadable=options.skip_unreadable,
    )
    run.load("train" if options.dataset == "mnist5k" else "test")  # no data: say so before the bar
    chosen = {what: modules[what] for what in options.what}
    for module, _ in chosen.values():
        for preset in module.PRESETS:
            for name in run.trained(preset):
                ki.presets.find(name)  # fetched now, if it must be
    if set(PHOTOGRAPHIC) & set(chosen):
        imagenette.validation(run)
    with Bar() as bar:
        task = bar.add_task("", total=sum(module.steps(run) for module, _ in chosen.values()))
        run.advance = lambda description: bar.update(task, advance=1, description=description)
        for what, (module, claims_of) in chosen.items():
            values = module.measure(run)
            _keep(run, what, module.section(run, values), claims_of(values), module.PRESETS)
        bar.update(task, completed=bar.tasks[0].total, description="report")
    return _write(run, options)


def _keep(run: Any, what: str, section: Any, claims: list[Any], models: list[str]) -> None:
    """Writes a finished section beside the records; the report is put together out of all that are there."""
    import keras_intriguing as ki
    from keras_intriguing.report import sections

    versions = ", ".join(f"{name} {version}" for name, version in ki.presets.versions().items())
    trained = [name for preset in models for name in run.trained(preset)]
    provenance = [
        *(section.provenance or [("measured on", run.described)]),
        ("command", run.command),
        ("versions", versions),
        *((f"SHA-256 of {name}", ki.presets.load_metrics(name)["sha256"]) for name in trained),
    ]
    section = dataclasses.replace(section, claims=claims, provenance=provenance)
    sections.save(section, run.out / "sections" / f"{what}.json", run.out)


def _write(run: Any, options: argparse.Namespace) -> Path:
    from keras_intriguing import report
    from reproductions.chapters import deviations
    from reproductions.shared.run import PAPER

    mnist5k = options.dataset == "mnist5k"
    paths = [path for what in WHAT if (path := run.out / "sections" / f"{what}.json").exists()]
    return report.write(
        report.Report(
            title="Intriguing properties of neural networks, remeasured",
            summary=f"Tables and figures of {PAPER['source']}, measured with the checkpoints of keras-intriguing.",
            sections=[report.sections.load(path, run.out) for path in paths],
            deviations=[*(deviations.MNIST5K if mnist5k else ()), *deviations.COMMON],
        ),
        run.out,
    )


if __name__ == "__main__":
    sys.exit(main())
