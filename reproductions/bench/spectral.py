"""`python -m reproductions.bench.spectral`: operator norms of AlexNet's layers beside what other tools give.

Every measurement has a process of its own. Needs nothing but the package.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markdown import Markdown
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

import keras_intriguing as ki
from keras_intriguing import files
from reproductions.bench import command


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
    from reproductions.bench import norm_layers, norm_tables, norms
    from reproductions.bench.cost import in_a_fresh_process
    from reproductions.shared import records

    tasks = [
        (kind, layer, tool)
        for kind in norm_layers.KERNELS
        for layer in (norms.ALL, *norm_layers.LAYERS)
        for tool in ([norms.OWN] if layer == norms.ALL else norms.TOOLS)
        if norms.TOOLS[tool].dense or not layer.startswith("fc")
    ]
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
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
                found[kind, layer, tool] = records.keep(
                    path,
                    key,
                    records.this_command(),
                    lambda arguments=arguments: in_a_fresh_process(norms.measure, *arguments),
                )
            except Exception as error:  # another tool's; the others are measured all the same
                failures.append(f"{label}: {type(error).__name__}: {error}")
            bar.remove_task(row)
            if found:  # what is there, should the rest be interrupted
                files.write_text(options.out / "SPECTRAL.md", norm_tables.page(found, options.seed))
    Console(width=200).print(Markdown(norm_tables.page(found, options.seed)))
    print(f"Written to {options.out / 'SPECTRAL.md'}.")
    return failures


if __name__ == "__main__":
    sys.exit(main())
