"""`python -m reproductions.bench.attack`: the attack beside adv_lib, foolbox, ART and SciPy.

The same Keras model and images for all, an attack in a process of its own; every result is checked by one fresh forward
pass, inside the box. Of softmax regression the exact optimum is computed too. Needs
`pip install 'keras-intriguing[bench,bench-torch,demo]'`.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.markdown import Markdown
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

import keras_intriguing as ki
from reproductions.bench import command
from reproductions.bench.attack.attacks import BUDGETS, COMPARISONS, EXACT, key, title
from reproductions.bench.attack.subjects import PRESETS, Images, Subject, chosen
from reproductions.shared import records
from reproductions.shared.serialization import from_json, to_json

PAGE, CURVES = "TABLES.md", "curves.png"


class Task(NamedTuple):
    """One attack on one model.

    Attributes:
        subject: the model.
        comparison: `untargeted` or `targeted`.
        name: of the attack.
        budget: passes an image.
        asked: whether it is to be measured, or only shown if it was.
        path: of the record.
        key: of the record.
    """

    subject: Subject
    comparison: str
    name: str
    budget: int
    asked: bool
    path: Path
    key: dict[str, Any]


def main() -> int:
    """Measures what has no record yet, then prints and writes the tables; returns the exit status."""
    return command.run(_measure, _options(), PAGE)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m reproductions.bench.attack", description="The attack beside other tools'."
    )
    parser.add_argument(
        "presets", nargs="*", metavar="PRESET", default=[], help=f"default: {', '.join(PRESETS)}"
    )
    parser.add_argument(
        "--models", nargs="+", type=Path, default=[], metavar="PATH", help=".keras files, or folders of them"
    )
    parser.add_argument(
        "--images", type=Path, metavar="FILE.npz", help="x and y (or label); default: --dataset"
    )
    parser.add_argument("--attacks", nargs="+", metavar="NAME", help="measure these only (default: all)")
    parser.add_argument(
        "--budgets", action="store_true", help="also within 100, 300 and 1,000 passes an image"
    )
    parser.add_argument("--count", type=int, default=100, help="images a model (default: 100)")
    parser.add_argument("--dataset", choices=("mnist5k", "mnist"), default="mnist5k")
    parser.add_argument("--seed", type=int, default=0, help="of images, targets, random starts (default: 0)")
    parser.add_argument("--out", type=Path, default=Path("reports", "bench"), help="(default: reports/bench)")
    options = parser.parse_args()
    if options.count < 1:
        parser.error("--count must be at least 1")
    known = {name for attacks in COMPARISONS.values() for name in attacks} | {EXACT}
    if unknown := set(options.attacks or ()) - known:
        parser.error(f"unknown attacks: {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}")
    return options


def _measure(options: argparse.Namespace) -> list[str]:
    """Returns what failed."""
    from reproductions.bench.attack import subjects

    x, y = subjects.labelled_images(options)
    failures, tasks = [], []
    for subject in chosen(options):
        try:
            model = subject.load()
            images = subjects.correctly_classified(model, x, y, options.count, options.seed)
        except (ValueError, OSError) as error:
            failures.append(f"{subject.name}: {error}")
            continue
        its = list(_tasks(options, subject, images))
        failures += _run(options, model, images, its)
        tasks += its
    _write(options, tasks, x[0].size)
    return failures


def _tasks(options: argparse.Namespace, subject: Subject, images: Images) -> Iterator[Task]:
    """All measurements of a model, asked for or not, in their order."""
    of_model = {
        "dataset": options.dataset if options.images is None else options.images.name,
        "images": len(images.x),
        "seed": options.seed,
        "images_sha256": images.sha256,
        "sha256": subject.sha256,
    }
    linear = not subject.path and subject.name.startswith("fc10_")
    for comparison, attacks in COMPARISONS.items():
        for name in [*attacks, *([EXACT] if linear else [])]:
            asked = options.attacks is None or name in options.attacks
            stepped = comparison == "untargeted" and name != EXACT and attacks[name].step is not None
            for budget in BUDGETS if stepped else BUDGETS[-1:]:
                try:
                    of_attack = key(subject, comparison, name, budget)
                except ImportError:
                    if asked and options.attacks is not None:
                        raise
                    continue
                wanted = asked and (options.budgets or budget == BUDGETS[-1])
                within = "" if budget == BUDGETS[-1] else f"-{budget}"
                path = options.out / "records" / subject.name / f"{comparison}-{name}{within}.json"
                yield Task(subject, comparison, name, budget, wanted, path, {**of_model, **of_attack})


def _run(options: argparse.Namespace, model: Any, images: Images, tasks: list[Task]) -> list[str]:
    """Measures what is asked and has no record; returns what failed."""
    from reproductions.bench.attack.measuring import measure

    failures = []
    asked = [task for task in tasks if task.asked]
    with Progress(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()) as bar:
        for i, task in enumerate(asked):
            within = "" if task.budget == BUDGETS[-1] else f" within {task.budget} passes"
            label = f"{task.subject.name}, {task.comparison}: {task.name}{within}"
            row = bar.add_task(f"{i + 1} of {len(asked)}: {label}", total=None)
            try:
                records.keep(
                    task.path,
                    task.key,
                    records.this_command(),
                    lambda task=task: to_json(
                        measure(
                            task.subject, model, task.comparison, task.name, task.budget, images, options.seed
                        )
                    ),
                )
            except Exception as error:  # another tool's; the others are measured all the same
                failures.append(f"{label}: {type(error).__name__}: {error}")
            bar.remove_task(row)
    return failures


def _write(options: argparse.Namespace, tasks: list[Task], size: int) -> None:
    """Prints the tables of all records that are there, and writes them as Markdown, with the picture of the curves."""
    from reproductions.bench.attack import curves, tables

    source = options.dataset if options.images is None else options.images.name
    text = [f"# Attacks beside each other: {options.count} images of {source}, seed {options.seed}"]
    found = _found(tasks)
    shown = {
        subject.name: tables.distances(outcomes[BUDGETS[-1]])
        for (subject, comparison), outcomes in found.items()
        if comparison == "untargeted"
    }
    if shown:
        curves.write(options.out / CURVES, curves.draw(shown, _titles("untargeted")))
        text.append(f"![Robust accuracy over the distance]({CURVES})")
    for comparison in COMPARISONS:
        models = {
            subject.name: tables.compare(outcomes[BUDGETS[-1]], size)
            for (subject, of), outcomes in found.items()
            if of == comparison
        }
        if models:
            text += [
                f"## All models, {comparison}: mean / worst image, as multiples of the best of all",
                tables.summary(models, _titles(comparison)),
            ]
    for (subject, comparison), outcomes in found.items():
        text.append(f"## {subject.name}, {comparison}")
        text += _section(comparison, outcomes, size)
    ki.files.write_text(options.out / PAGE, "\n\n".join(text) + "\n")
    Console(width=200).print(Markdown("\n\n".join(text)))
    print(f"Written to {options.out / PAGE}.")


def _titles(comparison: str) -> dict[str, str]:
    return {name: title(comparison, name) for name in [*COMPARISONS[comparison], EXACT]}


def _found(tasks: list[Task]) -> dict[tuple[Subject, str], dict[int, dict[str, Any]]]:
    """The outcomes that have a record, by model and comparison, then by budget, then by attack."""
    from reproductions.bench.attack.measuring import Outcome

    found: dict[tuple[Subject, str], dict[int, dict[str, Outcome]]] = {}
    for task in tasks:
        if values := records.read(task.path, task.key):
            outcomes = found.setdefault((task.subject, task.comparison), {budget: {} for budget in BUDGETS})
            outcomes[task.budget][task.name] = from_json(Outcome, values)
    return {one: outcomes for one, outcomes in found.items() if outcomes[BUDGETS[-1]]}


def _section(comparison: str, outcomes: dict[int, dict[str, Any]], size: int) -> list[str]:
    """One model's tables and goals."""
    from reproductions.bench.attack import tables

    most = outcomes[BUDGETS[-1]]
    lines = tables.compare(most, size)
    loads = [outcome.load for outcome in most.values()]
    text = [
        tables.comparison(lines, _titles(comparison)),
        f"{len(next(iter(most.values())).distance)} images. Load of the machine ({os.cpu_count()} processors): "
        f"{min(loads):.1f} to {max(loads):.1f}.",
    ]
    if any(outcomes[budget] for budget in BUDGETS[:-1]):
        every = [d for within in outcomes.values() for d in tables.distances(within).values()]
        best = np.min(np.stack(every), axis=0)
        text += [
            "Optimality by passes an image (in brackets those that it took):",
            tables.budgets(outcomes, best, _titles(comparison)),
        ]
    if comparison == "untargeted" and tables.OURS in lines:
        text.append("\n".join(f"- {line}" for line in tables.goals(most, lines)))
    return text


if __name__ == "__main__":
    sys.exit(main())
