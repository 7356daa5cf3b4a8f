"""The comparison of operator norms, from records to a page in Markdown."""

import os

from reproductions.bench import markdown
from reproductions.bench.spectral import layers, norms
from reproductions.bench.spectral.norms import Norm

GAPS = {"random": 1e-2, "trained-like": 2e-3}  # the goals: upper / lower − 1 of every layer,
SECONDS, MEBIBYTES = 60, 2000  # and all eight layers together

Norms = dict[tuple[str, str, str], Norm]  # by kernel, layer and tool


def page(found: Norms, seed: int) -> str:
    """All tables.

    Args:
        found: all that was measured.
        seed: of the kernels.
    """
    loads = [norm.load for norm in found.values()]
    text = [
        f"# Operator norms of AlexNet's layers beside each other, seed {seed}",
        "The norm of every layer at its real size, without groups as in Table 5. The reference is the largest value that "
        "an input attains: operator_norm's lower side or svds'. Every measurement has a process of its own; memory is by how "
        "much it grew, with the kernels there before. svds and Keras' power iteration only give values from below, and the FFT "
        f"those of a periodic convolution without stride. Load of the machine ({os.cpu_count()} processors): {min(loads):.1f} to "
        f"{max(loads):.1f}; the processor's time is the steadier one.",
    ]
    for kind, description in layers.KERNELS.items():
        mine = {key[1:]: values for key, values in found.items() if key[0] == kind}
        text += [f"## Kernels: {kind}", f"{description}.", _values(mine), _costs(mine)]
        text.append("\n".join(f"- {line}" for line in goals(mine, GAPS[kind])))
    return "\n\n".join(text) + "\n"


def _values(found: dict[tuple[str, str], Norm]) -> str:
    """Both sides of ours, and every other value over the reference."""
    others = [tool for tool in norms.TOOLS if tool != norms.OWN]
    head = ("layer", "lower", "upper", "gap", *(f"{norms.TOOLS[tool].title} / reference" for tool in others))
    rows = []
    for layer in layers.LAYERS:
        own = found.get((layer, norms.OWN))
        if own is None:
            continue
        reference = max(own.lower, found.get((layer, "svds"), own).lower)
        values = [found.get((layer, tool)) for tool in others]
        ratios = ["–" if value is None else f"{value.upper / reference:.6f}" for value in values]
        rows.append((layer, f"{own.lower:.6f}", f"{own.upper:.6f}", f"{gap(own):.1e}", *ratios))
    return markdown.table(head, rows)


def _costs(found: dict[tuple[str, str], Norm]) -> str:
    head = ("layer", *(f"{tool.title}: s / CPU s / MiB" for tool in norms.TOOLS.values()))
    rows = []
    for layer in (*layers.LAYERS, norms.ALL):
        values = [found.get((layer, tool)) for tool in norms.TOOLS]
        cells = [
            "–" if v is None else f"{v.seconds:.1f} / {v.cpu_seconds:.1f} / {v.peak_mib:.0f}" for v in values
        ]
        rows.append((layer, *cells))
    return markdown.table(head, rows)


def gap(norm: Norm) -> float:
    """Upper / lower − 1."""
    return norm.upper / norm.lower - 1


def goals(found: dict[tuple[str, str], Norm], most: float) -> list[str]:
    """What is asked of `operator_norm`, each with what came out."""
    said = []
    gaps = {layer: gap(v) for (layer, tool), v in found.items() if tool == norms.OWN and layer != norms.ALL}
    if gaps:
        worst = max(gaps, key=lambda layer: gaps[layer])
        said.append(_said(gaps[worst] <= most, f"a gap of at most {most:g}: {gaps[worst]:.1e}, {worst}"))
    for (layer, tool), values in found.items():
        reference = found.get((layer, "svds"))
        if tool == norms.OWN and reference and reference.upper > values.upper * (1 + 1e-9):
            said.append(_said(False, f"bounds hold: svds found more on {layer}"))
    if (norms.ALL, norms.OWN) in found:
        both = found[norms.ALL, norms.OWN]
        met = both.seconds <= SECONDS and both.peak_mib <= MEBIBYTES
        said.append(
            _said(
                met,
                f"all eight layers in {SECONDS} s and {MEBIBYTES} MiB: {both.seconds:.1f} s ({both.cpu_seconds:.1f} s "
                f"of the processors, load {both.load:.1f}), {both.peak_mib:.0f} MiB",
            )
        )
    return said


def _said(met: bool, what: str) -> str:
    return f"{'met' if met else '**missed**'}: {what}"
