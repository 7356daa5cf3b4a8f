"""`python -m reproductions.bench.attack`: the attack beside foolbox, ART and SciPy.

The same Keras model and images for all; every result is judged by one fresh forward pass, inside the box. Of
softmax regression the exact optimum is computed too. Needs `pip install 'keras-intriguing[bench,demo]'`.
"""

import argparse
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markdown import Markdown
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

import keras_intriguing as ki
from keras_intriguing import files
from reproductions.bench import command

PRESETS = list(
    json.loads((Path(__file__).parent.parent / "paper.json").read_text(encoding="utf-8"))["table1"]
)


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
    from reproductions.bench.attacks import measure
    from reproductions.bench.cost import in_a_fresh_process
    from reproductions.shared import records

    tasks = _tasks(options)
    failures = []
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns) as bar:
        for i, task in enumerate(tasks):
            label = f"{task['preset']}, {task['comparison']}: {task['name']}"
            row = bar.add_task(f"{i + 1} of {len(tasks)}: {label}", total=None)
            if task["asked"]:
                try:
                    records.keep(
                        task["path"],
                        task["key"],
                        records.this_command(),
                        lambda task=task: in_a_fresh_process(measure, *task["arguments"]),
                    )
                except Exception as error:  # another tool's; the others are measured all the same
                    failures.append(f"{label}: {type(error).__name__}: {error}")
            bar.remove_task(row)
    _write(options, tasks)
    return failures


def _tasks(options: argparse.Namespace) -> list[dict[str, Any]]:
    """All measurements, asked for or not, in their order."""
    from reproductions.bench.attacks import COMPARISONS, EXACT, decides

    known = {name for attacks in COMPARISONS.values() for name in attacks} | {EXACT}
    if unknown := set(options.attacks or ()) - known:
        raise ValueError(f"Unknown attacks: {', '.join(sorted(unknown))}. Known: {', '.join(sorted(known))}.")
    x, y = ki.data.load(options.dataset, "test" if options.dataset == "mnist" else "train")
    tasks = []
    for preset in options.presets:
        images, labels, targets = _images(options, preset, x, y)
        for comparison, attacks in COMPARISONS.items():
            for name in [*attacks, *([EXACT] if preset.startswith("fc10_") else [])]:
                asked = options.attacks is None or name in options.attacks
                try:
                    decided = decides(comparison, name)
                except ImportError:
                    if asked:
                        raise
                    continue
                tasks.append(
                    {
                        "preset": preset,
                        "comparison": comparison,
                        "name": name,
                        "asked": asked,
                        "path": options.out / "records" / preset / f"{comparison}-{name}.json",
                        "key": {
                            "dataset": options.dataset,
                            "images": options.images,
                            "seed": options.seed,
                            "images_sha256": hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest(),
                            "sha256": ki.presets.load_metrics(preset)["sha256"],
                            "versions": ki.presets.versions(),
                            **decided,
                        },
                        "arguments": (preset, comparison, name, images, labels, targets, options.seed),
                    }
                )
    return tasks


def _images(options: argparse.Namespace, preset: str, x: Any, y: Any) -> tuple[Any, Any, Any]:
    """The first images, in a random order, that the model classifies rightly; their labels and random targets."""
    import numpy as np

    order = np.random.default_rng(options.seed).permutation(len(x))
    correct = order[ki.evaluation.labels(ki.from_preset(preset), x[order]) == y[order]]
    if len(correct) < options.images:
        raise ValueError(f"--images {options.images}, but {preset} classifies {len(correct)} rightly.")
    rows = correct[: options.images]
    return x[rows], y[rows], ki.transfer.random_targets(y[rows], 10, options.seed)


def _write(options: argparse.Namespace, tasks: list[dict[str, Any]]) -> None:
    """Prints the tables of all records that are there, and writes them as Markdown."""
    from reproductions.bench import attacks, tables
    from reproductions.shared import records

    text = [f"# Attacks beside each other: {options.images} images of {options.dataset}, seed {options.seed}"]
    summaries: dict[str, dict[str, Any]] = {}
    for preset in options.presets:
        for comparison in attacks.COMPARISONS:
            chosen = [t for t in tasks if t["preset"] == preset and t["comparison"] == comparison]
            found = {t["name"]: records.read(t["path"], t["key"]) for t in chosen}
            found = {name: values for name, values in found.items() if values is not None}
            if not found:
                continue
            lines = tables.compare(found, chosen[0]["arguments"][3][0].size)
            summaries.setdefault(comparison, {})[preset] = lines
            loads = [values["load"] for values in found.values()]
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
    files.write_text(options.out / "TABLES.md", "\n\n".join(text) + "\n")
    Console(width=200).print(Markdown("\n\n".join(text)))
    print(f"Written to {options.out / 'TABLES.md'}.")


if __name__ == "__main__":
    sys.exit(main())
