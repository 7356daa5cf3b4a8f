"""Table 5: upper bounds of every layer's operator norm, of AlexNet and of the presets."""

import functools
import math
from typing import Any

import keras
import numpy as np

import keras_intriguing as ki
from keras_intriguing.presets import registry
from keras_intriguing.report import Cell, Claim, Figure, Section, Table, figures
from reproductions.shared import imagenette
from reproductions.shared.run import PAPER, Run

# nets on photographs do not travel in the package: where they are at hand
PRESETS = [
    *ki.presets.packaged(),
    *(preset for preset in (imagenette.ALEXNET,) if (registry.ZOO / preset).is_dir()),
]
VARIANTS = {"alexnet": True, "alexnet-ungrouped": False}  # name -> in groups
_PAPER = PAPER["table5"]
_POINTS = 25  # of the frequency plane, along every axis
# AlexNet's with a constant other than 1, in order
_LAYERS = (
    "conv1",
    "norm1",
    "pool1",
    "conv2",
    "norm2",
    "pool2",
    "conv3",
    "conv4",
    "conv5",
    "pool5",
    "fc1",
    "fc2",
    "fc3",
)


def steps(run: Run) -> int:
    """How many records the table takes."""
    return len(_LAYERS) * len(VARIANTS) + len(PRESETS)


def measure(run: Run) -> dict[str, Any]:
    """The rows of AlexNet's layers, and of every preset with its whole network's bounds or why it has none."""
    found = {variant: _alexnet(run, variant) for variant in VARIANTS}
    presets = {}
    for preset in PRESETS:
        presets[preset] = run.record(f"table5/{preset}", [preset], lambda preset=preset: _preset(run, preset))
    return {**found, "presets": presets}


def _preset(run: Run, preset: str) -> dict[str, Any]:
    model = ki.from_preset(preset)
    try:
        digits = run.attacked[0]
        network = ki.spectral.analyze(model, digits if model.input_shape[1:] == digits.shape[1:] else None)
    except ValueError as error:  # a network with a layer that has no constant
        return {"layers": [], "refused": str(error)}
    layers = [layer.record() for layer in network.layers]
    shown = {
        layer.name: ki.spectral.frequency_norms(layer, _POINTS).tolist()
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D)
    }
    sides = {side: getattr(network, side) for side in ("lower", "upper", "product")}
    return {"layers": layers, "spectra": shown, **sides}


def _alexnet(run: Run, variant: str) -> dict[str, Any]:
    """A record a layer: together they take minutes."""

    @functools.cache
    def model() -> keras.Model:
        return _built(run, VARIANTS[variant])

    settings = {"weights": _weights_key(run, VARIANTS[variant])}
    layers, spectra = [], {}
    for name in _LAYERS:

        def measure(name: str = name) -> dict[str, Any]:
            layer = model().get_layer(name)
            row = ki.spectral.analyze_layer(layer, layer.input.shape[1:]).record()
            if isinstance(layer, keras.layers.Conv2D):
                row["spectrum"] = ki.spectral.frequency_norms(layer, _POINTS).tolist()
                row["size"] = "×".join(
                    str(n) for n in (layer.kernel.shape[2], *layer.kernel.shape[:2], layer.filters)
                )
                row["stride"] = layer.strides[0]
            elif isinstance(layer, keras.layers.Dense):
                row["size"] = "×".join(map(str, layer.kernel.shape))
            return row

        row = run.record(f"table5/{variant}/{name}", [], measure, **settings)
        layers.append(row)
        if "spectrum" in row:
            spectra[name] = row["spectrum"]
    return {"layers": layers, "spectra": spectra, **settings}


def _built(run: Run, grouped: bool) -> keras.Model:
    if grouped and run.alexnet:
        model = ki.models.AlexNet.from_preset(str(run.alexnet.absolute()))
        if not model.grouped:
            raise ValueError(
                f"{run.alexnet} holds an AlexNet without groups; Table 5 needs the published one."
            )
        return model
    keras.utils.set_random_seed(0)
    return ki.models.AlexNet(grouped)


def _weights_key(run: Run, grouped: bool) -> str:
    if grouped and run.alexnet:
        return f"SHA-256 {ki.presets.load_metrics(run.alexnet.absolute())['sha256']}"
    return "initialization, seed 0"


def section(run: Run, values: dict[str, Any]) -> Section:
    """AlexNet's two tables, the presets' two, and the spectra."""
    tables = [_alexnet_table(values[variant], grouped) for variant, grouped in VARIANTS.items()]
    tables += [_layers_table(values["presets"]), _networks_table(run, values["presets"])]
    return Section("Table 5: bounds of the layers", tables, [_figure(run, values)])


def _alexnet_table(found: dict[str, Any], grouped: bool) -> Table:
    weights = found["weights"]
    untrained = weights.startswith("initialization")
    rows = []
    for row in found["layers"]:
        paper = _PAPER.get(row["name"])
        rows.append(
            (
                row["name"],
                [
                    Cell(row.get("size", "×".join(map(str, row["input_shape"])))),
                    Cell(str(row["stride"]) if "stride" in row else ""),
                    Cell(f"{paper['bound']:g}" if paper else ""),
                    *_numbers(row),
                ],
            )
        )
    eight = [row for row in found["layers"] if row["name"] in _PAPER]
    papers = math.prod(_PAPER[row["name"]]["bound"] for row in eight)
    for name, some, paper in (
        ("the eight layers' product", eight, f"{papers:.4g}"),
        ("with normalization and pooling", found["layers"], ""),
    ):
        printed = math.prod(row["paper"] or row["upper"] if row in eight else row["upper"] for row in some)
        right = math.prod(row["supremum"] or row["upper"] for row in some)
        upper = math.prod(row["upper"] for row in some)
        cells = [Cell(), Cell(), Cell(paper), *(Cell(f"{v:.4g}") for v in (printed, right)), Cell()]
        rows.append((name, [*cells, Cell(f"{upper:.4g}")]))
    which = "in two groups, as published" if grouped else "without groups, the sizes that the paper prints"
    title = f"AlexNet {which}: {'NOT TRAINED, ' if untrained else ''}weights {weights}"
    note = (
        "Operator norms from L2 to L2; every rectifier has slope 1. The paper's bound is of trained ImageNet weights"
        + (", so only its formulas can be compared with these, not its figures" if untrained else "")
        + ". Printed: the supremum over frequencies with the paper's factor Δ⁻², Δ being the stride; corrected: with Δ⁻¹, which "
        "bounds images of every size. Lower and upper: the norm at the image's real size, lower attained by an input, upper "
        "proved. Normalization (n = 5, β = ¾; k = 2 as published, 1 in Caffe's replication) has k^−β from below and a proved 1.0301·k^−β from above. "
        "Overlapping 3×3 max pooling with stride 2 reaches a factor of 2, where the paper calls pooling contractive. Weights of your own: "
        "--alexnet PRESET."
    )
    return Table(title, "layer", ["size", "stride", "the paper's bound", *_NUMBERS], rows, note)


_NUMBERS = ["printed formula", "corrected", "lower, real size", "upper, real size"]


def _numbers(row: dict[str, Any]) -> list[Cell]:
    values = (row["paper"], row["supremum"], row["lower"], row["upper"])
    return [Cell("" if value is None else f"{value:.5g}") for value in values]


def _layers_table(presets: dict[str, Any]) -> Table:
    rows = []
    for preset, found in presets.items():
        for row in found["layers"]:
            if row["upper"] == row["lower"] == 1:
                continue
            shape = "×".join(map(str, row["input_shape"]))
            rows.append((f"{preset}: {row['name']}", [Cell(row["kind"]), Cell(shape), *_numbers(row)]))
    note = (
        "Every layer of every preset (training seed 0) whose norm is not 1, without its activation: ¼ for a sigmoid. Columns as "
        "above; of dense layers both sides agree to rounding."
    )
    return Table("The presets' layers", "layer", ["kind", "input", *_NUMBERS], rows, note)


def _networks_table(run: Run, presets: dict[str, Any]) -> Table:
    rows = []
    for preset, found in presets.items():
        if "refused" in found:
            rows.append((preset, [Cell("none"), Cell(), Cell(), Cell()]))
            continue
        norms = math.prod(row["upper"] for row in found["layers"])
        values = (norms, found["product"], found["upper"], found["lower"])
        rows.append((preset, [Cell(f"{value:.4g}") for value in values]))
    refused = [f" {preset}: {found['refused']}" for preset, found in presets.items() if "refused" in found]
    note = (
        "Lipschitz constants of image to logits, L2 to L2. The product of norms is what Table 5's figures multiply to; with slopes: "
        "the activations' counted; proved: for chains of dense layers by diagonal multipliers; attained: by two inputs that a "
        f"search from {min(run.images, 16)} MNIST images found, for nets on photographs from random images. The true constant lies between the last two."
        + "".join(refused)
    )
    columns = ["product of norms", "with slopes", "best proved", "attained"]
    return Table("The presets as a whole", "preset", columns, rows, note)


def _figure(run: Run, values: dict[str, Any]) -> Figure:
    planes = [
        (
            f"AlexNet {name}"
            + (" (not trained)" if "initialization" in values["alexnet"]["weights"] else ""),
            plane,
        )
        for name, plane in values["alexnet"]["spectra"].items()
    ]
    for preset, found in values["presets"].items():
        planes += [(f"{preset} {name}", plane) for name, plane in found.get("spectra", {}).items()]
    path = run.out / "figures" / "table5-spectra.png"
    figures.planes(path, [(name, np.array(plane)) for name, plane in planes], "largest singular value")
    note = (
        f"σ₁ of every convolution's symbol (factor Δ⁻¹) at {_POINTS}×{_POINTS} frequencies; its supremum is the corrected bound. Every "
        "panel has its own scale."
    )
    return Figure("Spectra of the convolutions", path, note)


def claims_of(values: dict[str, Any]) -> list[Claim]:
    """What the numbers say of the paper's formula and of its remark on pooling."""
    rows = list(values["alexnet"]["layers"])
    rows += [row for found in values["presets"].values() for row in found["layers"]]
    return [_printed_formula(rows), _corrected_formula(rows), _pooling(rows)]


def _printed_formula(rows: list[dict[str, Any]]) -> Claim:
    strided = [
        row for row in rows if row["paper"] is not None and row["paper"] < row["supremum"] * (1 - 1e-9)
    ]
    exceeded = [row for row in strided if row["lower"] > row["paper"]]
    listed = ", ".join(
        f"{row['name']}: {row['lower']:.4g} attained, {row['paper']:.4g} printed" for row in exceeded
    )
    verdict = "does not hold" if exceeded else "holds" if strided else "undecided"
    return Claim(
        "§4.3's formula as printed, with the factor Δ⁻², bounds the operator norm of a convolution with stride Δ > 1",
        verdict,
        f"{len(exceeded)} of {len(strided)} strided convolutions exceed it"
        + (f" ({listed})" if listed else ""),
    )


def _corrected_formula(rows: list[dict[str, Any]]) -> Claim:
    known = [row for row in rows if row["supremum"] is not None]
    exceeded = sum(row["lower"] > row["supremum"] for row in known)
    closest = max((row["lower"] / row["supremum"] for row in known), default=math.nan)
    return Claim(
        "The supremum over frequencies, with Δ⁻¹, bounds the operator norm at the image's real size",
        "does not hold" if exceeded else "holds" if known else "undecided",
        f"{exceeded} of {len(known)} convolutions exceed it; the nearest attains {100 * closest:.1f}% of it",
    )


def _pooling(rows: list[dict[str, Any]]) -> Claim:
    pools = [row for row in rows if row["kind"].startswith("MaxPooling")]
    stretching = [row for row in pools if row["lower"] > 1 + 1e-9]
    largest = max((row["lower"] for row in pools), default=math.nan)
    return Claim(
        "Max-pooling layers are contractive (§4.3)",
        "does not hold" if stretching else "holds" if pools else "undecided",
        f"{len(stretching)} of {len(pools)} max-pooling layers stretch some pair of inputs, by up to {largest:.4g}",
    )
