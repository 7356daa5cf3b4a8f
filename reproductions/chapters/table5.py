"""Table 5: upper bounds of every layer's operator norm, of AlexNet and of the presets."""

import math

import numpy as np

import keras_intriguing as ki
from keras_intriguing.report import Cell, Claim, Figure, Section, Table, figures
from reproductions.measurements import norms
from reproductions.measurements.norms import AlexNetLayerNorms, LayerNorms, NetworkNorms, PresetNorms
from reproductions.presentation.norms import NUMBERS, numbers, shape, strided
from reproductions.shared import imagenette, verdict
from reproductions.shared.chapter import Chapter
from reproductions.shared.measurement import Measurement, Values
from reproductions.shared.paper import PAPER
from reproductions.shared.run import Run

# nets on photographs do not travel in the package: where they are at hand
PRESETS = [
    *ki.presets.packaged(),
    *(preset for preset in (imagenette.ALEXNET,) if (ki.presets.ZOO / preset).is_dir()),
]
_VARIANTS = {True: "alexnet", False: "alexnet-ungrouped"}  # in groups or not
_PAPER = PAPER["table5"]
# AlexNet's with a constant other than 1, in order
LAYERS = (
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


def layer_norms(name: str, grouped: bool) -> AlexNetLayerNorms:
    """The bounds of a layer of AlexNet."""
    return AlexNetLayerNorms(f"table5/{_VARIANTS[grouped]}/{name}", name, grouped)


def preset_norms(preset: str) -> PresetNorms:
    """The bounds of a preset."""
    return PresetNorms(f"table5/{preset}", preset)


def _plan(run: Run) -> list[Measurement]:
    layers = [layer_norms(name, grouped) for grouped in _VARIANTS for name in LAYERS]
    return [*layers, *(preset_norms(preset) for preset in PRESETS)]


def _alexnet(values: Values, grouped: bool) -> list[LayerNorms]:
    return [values[layer_norms(name, grouped)] for name in LAYERS]


def _presets(values: Values) -> dict[str, NetworkNorms]:
    return {preset: values[preset_norms(preset)] for preset in PRESETS}


def _section(run: Run, values: Values) -> Section:
    """AlexNet's two tables, the presets' two, and the spectra."""
    grouped, ungrouped = (_alexnet_table(run, _alexnet(values, grouped), grouped) for grouped in _VARIANTS)
    presets = _presets(values)
    return Section(
        "Table 5: bounds of the layers",
        [grouped],
        _text(run, values),
        folded=[ungrouped, _networks_table(run, presets), _layers_table(presets), _figure(run, values)],
        method=[
            "Operator norms are those from L2 to L2. Every rectifier has slope 1.",
            "Printed formula: the supremum over frequencies with the paper's factor Δ⁻², Δ being the stride. Corrected: with Δ⁻¹, "
            "which bounds images of every size. Attained and proved: bounds of the norm at the image's real size, the lower "
            "one attained by an input.",
            "Normalization (n = 5, β = ¾; k = 2 as published, 1 in Caffe's replication) has k^−β from below and a proved "
            "1.0301·k^−β from above. Overlapping 3×3 max pooling with stride 2 reaches a factor of 2, where the paper calls "
            "pooling contractive.",
            "Weights of your own: `--alexnet PRESET`.",
        ],
        provenance=[
            ("measured on", "weights alone, but for the steepest slopes of networks: see their table")
        ],
    )


def _text(run: Run, values: Values) -> str:
    known = strided(_all_rows(values))
    exceeded = sum(row.lower > paper for row, paper in known)
    widest = max(row.upper / row.lower for row in _alexnet(values, True))
    weights = (
        "AlexNet's weights are those that were given."
        if run.alexnet
        else "AlexNet's weights are those before training. The paper's bounds are of trained ones, so only the formulas compare."
    )
    return (
        f"Of {len(known)} convolutions with a stride, {exceeded} have a norm above what the paper's formula gives. The norm of "
        f"every layer of AlexNet is known to a factor of at most {widest:.3g}. {weights}"
    )


def _by_network(values: Values) -> dict[str, list[LayerNorms]]:
    """The layers of AlexNet as published and of every preset."""
    return {"AlexNet": _alexnet(values, True)} | {name: net.layers for name, net in _presets(values).items()}


def _all_rows(values: Values) -> list[LayerNorms]:
    """The same of all of them."""
    return [row for layers in _by_network(values).values() for row in layers]


def _alexnet_table(run: Run, layers: list[LayerNorms], grouped: bool) -> Table:
    weights = norms.weights_of_alexnet(run, grouped)
    untrained = weights.startswith("initialization")
    rows = []
    for row in layers:
        paper = _PAPER.get(row.name)
        cells = [
            Cell(row.size or shape(row)),
            Cell("" if row.stride is None else str(row.stride)),
            Cell(f"{paper['bound']:g}" if paper else ""),
        ]
        rows.append((row.name, [*cells, *numbers(row)]))
    eight = [row for row in layers if row.name in _PAPER]
    papers = math.prod(_PAPER[row.name]["bound"] for row in eight)
    for name, some, paper in (
        ("the eight layers' product", eight, f"{papers:.4g}"),
        ("with normalization and pooling", layers, ""),
    ):
        printed = math.prod(row.paper or row.upper if row in eight else row.upper for row in some)
        right = math.prod(row.supremum or row.upper for row in some)
        upper = math.prod(row.upper for row in some)
        cells = [Cell(), Cell(), Cell(paper), *(Cell(f"{v:.4g}") for v in (printed, right)), Cell()]
        rows.append((name, [*cells, Cell(f"{upper:.4g}")]))
    which = "in two groups, as published" if grouped else "without groups, the sizes that the paper prints"
    title = f"AlexNet {which}, {'not trained' if untrained else 'weights'}: {weights}"
    note = "The norm at the image's real size lies between what is attained and what is proved."
    return Table(title, "layer", ["size", "stride", "the paper's bound", *NUMBERS], rows, note)


def _layers_table(presets: dict[str, NetworkNorms]) -> Table:
    rows = []
    for preset, found in presets.items():
        for row in found.layers:
            if not row.upper == row.lower == 1:
                cells = [Cell(row.kind), Cell(shape(row)), *numbers(row)]
                rows.append((f"{preset}: {row.name}", cells))
    note = (
        "Every layer of every preset (training seed 0) whose norm is not 1, without its activation: ¼ for a sigmoid. Of dense "
        "layers both sides agree to rounding."
    )
    return Table("The layers of the presets", "layer", ["kind", "input", *NUMBERS], rows, note)


def _networks_table(run: Run, presets: dict[str, NetworkNorms]) -> Table:
    rows = []
    for preset, found in presets.items():
        values = (math.prod(row.upper for row in found.layers), found.product, found.upper, found.lower)
        shown = [Cell("none"), Cell(), Cell(), Cell()]
        rows.append((preset, shown if found.refused else [Cell(f"{value:.4g}") for value in values]))
    refused = [f" {preset}: {found.refused}" for preset, found in presets.items() if found.refused]
    note = (
        "Lipschitz constants of image to logits, L2 to L2. The product of norms is what the paper's figures multiply to; with slopes: "
        "the activations' counted; proved: for chains of dense layers by diagonal multipliers; attained: by two inputs that a "
        f"search from {min(run.images, 16)} MNIST images found, for networks on photographs from random images. The true constant lies between the last two."
        + "".join(refused)
    )
    columns = ["product of norms", "with slopes", "best proved", "attained"]
    return Table("The presets as whole networks", "preset", columns, rows, note)


def _figure(run: Run, values: Values) -> Figure:
    untrained = "" if run.alexnet else " (not trained)"
    planes = [
        (f"AlexNet {row.name}{untrained}", row.spectrum) for row in _alexnet(values, True) if row.spectrum
    ]
    for preset, found in _presets(values).items():
        planes += [(f"{preset} {name}", plane) for name, plane in (found.spectra or {}).items()]
    path = run.out / "figures" / "table5-spectra.png"
    figures.planes(path, [(name, np.array(plane)) for name, plane in planes], "largest singular value")
    note = (
        f"σ₁ of every convolution's symbol (factor Δ⁻¹) at {norms.POINTS}×{norms.POINTS} frequencies; its supremum is the corrected bound. Every "
        "panel has its own scale."
    )
    alt = f"{len(planes)} square maps, one a convolution, of its largest singular value over the plane of frequencies."
    return Figure("Spectra of the convolutions", path, note, alt)


def claims(run: Run, values: Values) -> list[Claim]:
    """What the numbers say of the paper's formula and of its remark on pooling."""
    rows = _all_rows(values)
    return [_printed_formula(_by_network(values)), _corrected_formula(rows), _pooling(rows)]


def _printed_formula(networks: dict[str, list[LayerNorms]]) -> Claim:
    known = [(name, row, paper) for name, rows in networks.items() for row, paper in strided(rows)]
    exceeded = [one for one in known if one[1].lower > one[2]]
    listed = ", ".join(
        f"{row.name} of {name}: {row.lower:.4g} attained, {paper:.4g} printed"
        for name, row, paper in exceeded
    )
    largest = max((row.lower / paper for _, row, paper in known), default=None)
    return Claim(
        "The formula of §4.3 bounds the norm of convolutions with a stride",
        verdict.without_exception(len(exceeded), len(known)),
        "largest norm that is attained, over the printed bound",
        Cell("none" if largest is None else f"{largest:.3g}"),
        f"As printed, with the factor Δ⁻². {len(exceeded)} of {len(known)} strided convolutions exceed it"
        + (f" ({listed})." if listed else "."),
    )


def _corrected_formula(rows: list[LayerNorms]) -> Claim:
    known = [(row.lower, row.supremum) for row in rows if row.supremum is not None]
    exceeded = sum(lower > supremum for lower, supremum in known)
    closest = max((lower / supremum for lower, supremum in known), default=math.nan)
    return Claim(
        "With the factor Δ⁻¹ it does, at the image's real size",
        verdict.without_exception(exceeded, len(known)),
        "largest norm that is attained, over the corrected bound",
        Cell(f"{closest:.3f}"),
        f"{exceeded} of {len(known)} convolutions exceed the supremum over frequencies.",
        of_paper=False,
    )


def _pooling(rows: list[LayerNorms]) -> Claim:
    pools = [row for row in rows if row.kind.startswith("MaxPooling")]
    stretching = [row for row in pools if row.lower > 1 + 1e-9]
    largest = max((row.lower for row in pools), default=math.nan)
    return Claim(
        "Max-pooling layers are contractive",
        verdict.without_exception(len(stretching), len(pools)),
        "largest factor by which a pair of inputs is stretched",
        Cell(f"{largest:.4g}"),
        f"§4.3. {len(stretching)} of {len(pools)} max-pooling layers stretch some pair of inputs.",
    )


CHAPTER = Chapter("table5", _plan, _section, claims)
