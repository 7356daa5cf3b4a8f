"""`python -m reproductions.bench.attack`: the attack beside foolbox, ART and SciPy.

The same Keras model and images for all; every result is checked by one fresh forward pass, inside the box. Of
softmax regression the exact optimum is computed too. Needs `pip install 'keras-intriguing[bench,demo]'`.
"""

import argparse
import hashlib
import os
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.markdown import Markdown
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

import keras_intriguing as ki
from reproductions.bench import command
from reproductions.bench.cost import in_a_fresh_process
from reproductions.shared import records
from reproductions.shared.paper import PAPER
from reproductions.shared.serialization import from_json, to_json

PRESETS = list(PAPER["table1"])


class Task(NamedTuple):
    """One attack on one model.

    Attributes:
        preset: the model.
        comparison: `untargeted` or `targeted`.
        name: of the attack.
        asked: whether it is to be measured, or only shown if it was.
        path: of the record.
        key: of the record.
        images: of the model, which it classifies correctly.
        arguments: of `attacks.measure`.
    """

    preset: str
    comparison: str
    name: str
    asked: bool
    path: Path
    key: dict[str, Any]
    images: np.ndarray
    arguments: tuple[Any, ...]


def main() -> int:
    """Measures what has no record yet, then prints and writes the tables; returns the exit status."""
    return command.run(_measure, _options(), "TABLES.md")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m reproductions.bench.attack", description="The attack beside other tools'."
    )
    parser.add_argument("presets", nargs="*", metavar="PRESET", default=PRESETS, help="default: all six")
    parser.add_argument("--attacks", nargs="+", metavar="NAME", help="measure these only (default: all)")
    parser.add_argument("--images", type=int, default=100, help="a model (default: 100)")
    parser.add_argument("--dataset", choices=("mnist5k", "mnist"), default="mnist5k")
    parser.add_argument("--seed", type=int, default=0, help="of images, targets, random starts (default: 0)")
    parser.add_argument("--out", type=Path, default=Path("reports", "bench"), help="(default: reports/bench)")
    options = parser.parse_args()
    if options.images < 1:
        parser.error("--images must be at least 1")
    if unknown := set(options.presets) - set(ki.list_presets()):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(ki.list_presets())}")
    return options


def _measure(options: argparse.Namespace) -> list[str]:
    """Returns what failed."""
    from reproductions.bench.attack import attacks

    tasks = _tasks(options)
    failures = []
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns) as bar:
        for i, task in enumerate(tasks):
            label = f"{task.preset}, {task.comparison}: {task.name}"
            row = bar.add_task(f"{i + 1} of {len(tasks)}: {label}", total=None)
            if task.asked:
                try:
                    records.keep(
                        task.path,
                        task.key,
                        records.this_command(),
                        lambda task=task: to_json(in_a_fresh_process(attacks.measure, *task.arguments)),
                    )
                except Exception as error:  # another tool's; the others are measured all the same
                    failures.append(f"{label}: {type(error).__name__}: {error}")
            bar.remove_task(row)
    _write(options, tasks)
    return failures


def _tasks(options: argparse.Namespace) -> list[Task]:
    """All measurements, asked for or not, in their order."""
    from reproductions.bench.attack import attacks

    known = {name for comparison in attacks.COMPARISONS.values() for name in comparison} | {attacks.EXACT}
    if unknown := set(options.attacks or ()) - known:
        raise ValueError(f"Unknown attacks: {', '.join(sorted(unknown))}. Known: {', '.join(sorted(known))}.")
    x, y = ki.data.load(options.dataset, "test" if options.dataset == "mnist" else "train")
    tasks = []
    for preset in options.presets:
        images, labels, targets = _images(options, preset, x, y)
        key = {
            "dataset": options.dataset,
            "images": options.images,
            "seed": options.seed,
            "images_sha256": hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest(),
            "sha256": ki.presets.load_metrics(preset)["sha256"],
            "versions": ki.presets.versions(),
        }
        for comparison, compared in attacks.COMPARISONS.items():
            for name in [*compared, *([attacks.EXACT] if preset.startswith("fc10_") else [])]:
                asked = options.attacks is None or name in options.attacks
                try:
                    of_attack = attacks.key(preset, comparison, name)
                except ImportError:
                    if asked:
                        raise
                    continue
                path = options.out / "records" / preset / f"{comparison}-{name}.json"
                arguments = (preset, comparison, name, images, labels, targets, options.seed)
                tasks.append(
                    Task(preset, comparison, name, asked, path, {**key, **of_attack}, images, arguments)
                )
    return tasks


def _images(options: argparse.Namespace, preset: str, x: Any, y: Any) -> tuple[Any, Any, Any]:
    """The first images, in a random order, that the model classifies correctly; their labels and random targets."""
    order = np.random.default_rng(options.seed).permutation(len(x))
    correct = order[ki.evaluation.labels(ki.from_preset(preset), x[order]) == y[order]]
    if len(correct) < options.images:
        raise ValueError(f"--images {options.images}, but {preset} classifies {len(correct)} correctly.")
    rows = correct[: options.images]
    return x[rows], y[rows], ki.transfer.random_targets(y[rows], 10, options.seed)


def _write(options: argparse.Namespace, tasks: list[Task]) -> None:
    """Prints the tables of all records that are there, and writes them as Markdown."""
    from reproductions.bench.attack import attacks, tables
    from reproductions.bench.attack.attacks import Outcome

    text = [f"# Attacks beside each other: {options.images} images of {options.dataset}, seed {options.seed}"]
    summaries: dict[str, dict[str, dict[str, tables.Line]]] = {}
    for preset in options.presets:
        for comparison in attacks.COMPARISONS:
            chosen = [task for task in tasks if (task.preset, task.comparison) == (preset, comparison)]
            stored = {task.name: records.read(task.path, task.key) for task in chosen}
            found = {name: from_json(Outcome, values) for name, values in stored.items() if values}
            if not found:
                continue
            lines = tables.compare(found, chosen[0].images[0].size)
            summaries.setdefault(comparison, {})[preset] = lines
            loads = [outcome.load for outcome in found.values()]
            text += [
                f"## {preset}, {comparison}",
                tables.comparison(lines, {name: attacks.title(comparison, name) for name in found}),
                f"Load of the machine ({os.cpu_count()} processors): {min(loads):.1f} to {max(loads):.1f}.",
            ]
            if comparison == "untargeted" and "direct" in lines:
                text.append("\n".join(f"- {line}" for line in tables.goals(lines)))
    for comparison, models in summaries.items():
        names = [*attacks.COMPARISONS[comparison], attacks.EXACT]
        text += [
            f"## All models, {comparison}: mean / best, worst / best, processor time / direct's",
            tables.summary(models, {name: attacks.title(comparison, name) for name in names}),
        ]
    ki.files.write_text(options.out / "TABLES.md", "\n\n".join(text) + "\n")
    Console(width=200).print(Markdown("\n\n".join(text)))
    print(f"Written to {options.out / 'TABLES.md'}.")


if __name__ == "__main__":
    sys.exit(main())
