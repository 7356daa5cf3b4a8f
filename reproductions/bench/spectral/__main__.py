"""`python -m reproductions.bench.spectral`: operator norms of AlexNet's layers beside what other tools give.

Every measurement has a process of its own. Needs nothing but the package.
"""

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

import keras_intriguing as ki
from reproductions.bench import command
from reproductions.bench.cost import in_a_fresh_process
from reproductions.shared import records
from reproductions.shared.serialization import from_json, to_json


def main() -> int:
    """Measures what has no record yet, then prints and writes the tables; returns the exit status."""
    return command.run(_measure, _options(), "SPECTRAL.md")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m reproductions.bench.spectral",
        description="Norms of AlexNet's eight layers, beside other tools'.",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the kernels (default: 0)")
    parser.add_argument("--out", type=Path, default=Path("reports", "bench"), help="(default: reports/bench)")
    return parser.parse_args()


def _measure(options: argparse.Namespace) -> list[str]:
    """Returns what failed."""
    from reproductions.bench.spectral import layers, norms, tables

    tasks = [
        (kind, layer, tool)
        for kind in layers.KERNELS
        for layer in (norms.ALL, *layers.LAYERS)
        for tool in ([norms.OWN] if layer == norms.ALL else norms.TOOLS)
        if norms.TOOLS[tool].dense or not layer.startswith("fc")
    ]
    found: tables.Norms = {}
    failures = []
    with Progress(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()) as bar:
        for i, (kind, layer, tool) in enumerate(tasks):
            label = f"{layer}, {kind} kernel: {norms.TOOLS[tool].title}"
            row = bar.add_task(f"{i + 1} of {len(tasks)}: {label}", total=None)
            key = {
                "seed": options.seed,
                "versions": ki.presets.versions(),
                "code": norms.code_hash(tool),
                **norms.TOOLS[tool].settings,
            }
            path = options.out / "records" / "spectral" / f"{kind}-{layer.replace(' ', '-')}-{tool}.json"
            arguments = (layer, kind, tool, options.seed)
            try:
                stored = records.keep(
                    path,
                    key,
                    records.this_command(),
                    lambda arguments=arguments: to_json(in_a_fresh_process(norms.measure, *arguments)),
                )
                found[kind, layer, tool] = from_json(norms.Norm, stored)
            except Exception as error:  # another tool's; the others are measured all the same
                failures.append(f"{label}: {type(error).__name__}: {error}")
            bar.remove_task(row)
            if found:  # what is there, should the rest be interrupted
                ki.files.write_text(options.out / "SPECTRAL.md", tables.page(found, options.seed))
    Console(width=200).print(Markdown(tables.page(found, options.seed)))
    print(f"Written to {options.out / 'SPECTRAL.md'}.")
    return failures


if __name__ == "__main__":
    sys.exit(main())
