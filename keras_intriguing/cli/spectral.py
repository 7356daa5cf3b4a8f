"""The command `keras-intriguing spectral`."""

import argparse
import json
import sys
from typing import Any

from keras_intriguing import presets
from keras_intriguing.cli import model as cli_model


def add_to(commands: Any) -> None:
    """Adds `spectral` to the command's subparsers."""
    spectral = commands.add_parser("spectral", help="certified norms of a model's layers and of the whole")
    spectral.add_argument("model", metavar="MODEL", help=cli_model.HELP)
    spectral.add_argument("--json", action="store_true", help="JSON on standard output, instead of the table")
    spectral.set_defaults(run=_spectral)


def _spectral(options: argparse.Namespace) -> None:
    model = cli_model.load(options.model)
    from rich.console import Console

    from keras_intriguing import spectral
    from keras_intriguing.progress import Bar

    with Bar(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=_count(model) + 1)

        def on_stage(name: str) -> None:
            progress.update(task, advance=int(bool(progress.tasks[0].description)), description=name)

        def on_step(done: int, total: int) -> None:
            progress.update(task, description=f"the whole network, step {done} of {total}")

        network = spectral.analyze(model, on_stage=on_stage, on_step=on_step)
        progress.update(task, completed=progress.tasks[0].total, description="done")
    if options.json:
        json.dump(_as_json(options.model, network), sys.stdout, indent=2)
        print()
    else:
        _print(network)


def _count(model: Any) -> int:
    """How many layers a model computes, those of models inside it too; roughly, where layers are shared."""
    computed = (layer for layer in model.layers if type(layer).__name__ != "InputLayer")
    return sum(_count(layer) if hasattr(layer, "layers") else 1 for layer in computed)


def _as_json(name: str, network: Any) -> dict[str, Any]:
    whole = {side: getattr(network, side) for side in ("lower", "upper", "product")}
    layers = [layer.record() for layer in network.layers]
    return {"model": name, **whole, "layers": layers, "versions": presets.versions()}


def _print(network: Any) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Column, Table

    numbers = ("lower", "upper", "slope", "Table 5's formula", "corrected")
    table = Table(
        *(Column(name, no_wrap=True) for name in ("layer", "kind", "input")),
        *(Column(name, justify="right") for name in numbers),
        box=box.SIMPLE_HEAD,
    )
    for layer in network.layers:
        values = (layer.bounds.lower, layer.bounds.upper, layer.activation, layer.paper, layer.supremum)
        shown = ("" if value is None else f"{value:.5g}" for value in values)
        table.add_row(layer.name, layer.kind, "×".join(map(str, layer.input_shape)), *shown)
    console = Console()
    if not console.is_terminal:
        console = Console(width=140)
    console.print(table)
    console.print(
        "lower, upper: of the operator norm at the input's size, without activation; slope: the activation's bound; Table 5's "
        "formula: the supremum over frequencies as the paper prints it, a factor of the stride too small; corrected: without "
        "that error."
    )
    console.print(
        f"The network's Lipschitz constant: at least {network.lower:.5g} (attained), at most {network.upper:.5g} (proved). "
        f"The product of the layers' bounds is {network.product:.5g}."
    )
