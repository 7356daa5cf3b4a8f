"""`python -m reproductions.bench.certificates FOLDER`: images verified at SDP-CROWN's radii, beside published figures.

FOLDER holds networks `NAME.keras` of SDP-CROWN's Table 1 (arXiv:2506.06665) and its images `sdp_mnist_200.npz` and
`sdp_cifar_200.npz` with `x`, uint8, and `label`. Without a folder, certified beside found distortions of the package's nets.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.markdown import Markdown


class Published(NamedTuple):
    """A row of SDP-CROWN's Table 1, in percent of 200 images; seconds are an image's on a V100.

    Attributes:
        images: which file of images.
        radius: ‖r‖₂ of pixels in [0, 1].
        clean, attack: correctly classified, and what its attack leaves of these.
        sdp_crown, branching, lipschitz: verified by SDP-CROWN, by the better of GCP-CROWN and β-CROWN, by the Lipschitz
            constant.
        seconds: of SDP-CROWN.
    """

    images: str
    radius: float
    clean: float
    attack: float
    sdp_crown: float
    branching: float
    lipschitz: float
    seconds: float | None = None


TABLE_1 = {
    "sdp_mnist_mlp": Published("mnist", 1.0, 79, 54, 32.5, 41, 29, 2.5),
    "sdp_mnist_convsmall": Published("mnist", 0.3, 87.5, 84.5, 81.5, 19.5, 77.5),
    "sdp_cifar_cnn_c": Published("cifar", 24 / 255, 51, 47, 42.5, 35.5, 36.5),
    "cnn_a": Published("cifar", 24 / 255, 62, 55.5, 49, 20, 39),
    "convsmall": Published("cifar", 24 / 255, 60.5, 52.5, 43.5, 18, 33),
    "convdeep": Published("cifar", 24 / 255, 53, 50.5, 46, 31, 39.5),
}
PRESETS = ("fc10_mnist_decay1", "fc100_100_10_mnist", "fc200_200_10_mnist", "ae400_10_mnist", "convnet_mnist")


def main() -> int:
    """Prints a table; returns the exit status."""
    options = _options()
    known = TABLE_1 if options.folder else PRESETS
    unknown = [name for name in options.net if name not in known]
    if unknown:
        print(f"There is no {', '.join(unknown)}; known are {', '.join(known)}.", file=sys.stderr)
        return 2
    lines = _verified(options) if options.folder else _certified(options)
    Console(width=200).print(Markdown("\n".join(lines)))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m reproductions.bench.certificates",
        description="Verified images beside SDP-CROWN's Table 1; without a folder, certified beside found distortions.",
    )
    parser.add_argument(
        "folder", type=Path, nargs="?", help="of networks and images; see the module's docstring"
    )
    parser.add_argument("--net", nargs="*", default=[], help="only these (default: all that the folder has)")
    parser.add_argument(
        "--images", type=int, help="only the first so many (default: 200 verified, 256 certified)"
    )
    parser.add_argument(
        "--effort", default="standard", help="quick, standard or thorough (default: standard)"
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=0.0,
        help="of branch and bound for every image after that, in columns of their own (default: none)",
    )
    return parser.parse_args()


def _verified(options: argparse.Namespace) -> list[str]:
    import keras

    import keras_intriguing as ki
    from reproductions.bench.cost import peak_mib

    lines = [
        "| net | ‖r‖₂ | correct | verified | Lipschitz pairs alone | SDP-CROWN | GCP/β-CROWN | its Lipschitz | attack leaves | "
        "CPU s an image | peak MiB | with branch and bound | CPU s of an open image |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in TABLE_1.items():
        path = options.folder / f"{name}.keras"
        if not path.exists() or (options.net and name not in options.net):
            continue
        model = keras.saving.load_model(path)
        with np.load(options.folder / f"sdp_{row.images}_200.npz") as stored:
            x = stored["x"].reshape(-1, *model.input_shape[1:])[: options.images]
            label = stored["label"][: options.images]
        x = x.astype(np.float32) / np.float32(255)
        is_correct = ki.evaluation.labels(model, x) == label
        quick = ki.verify(model, x, row.radius, label=label, effort="quick").verified
        started = time.process_time()
        found = ki.verify(model, x, row.radius, label=label, effort=options.effort).verified
        seconds = (time.process_time() - started) / len(x)
        divided, of_open = "", ""
        if options.seconds:
            still = np.flatnonzero(is_correct & ~found)
            started = time.process_time()
            more = ki.verify(
                model, x[still], row.radius, label=label[still], effort="quick", seconds=options.seconds
            )
            of_open = f"{(time.process_time() - started) / max(1, len(still)):.1f}"
            divided = f"{100 * (found.sum() + more.verified.sum()) / len(x):.1f}"
        lines.append(
            f"| {name} | {row.radius:.3g} | {100 * is_correct.mean():.1f} | {100 * found.mean():.1f} | "
            f"{100 * quick.mean():.1f} | {row.sdp_crown} | {row.branching} | {row.lipschitz} | {row.attack} | "
            f"{seconds:.2f} | {peak_mib():.0f} | {divided} | {of_open} |"
        )
    return lines


def _certified(options: argparse.Namespace) -> list[str]:
    import keras_intriguing as ki

    x, _ = ki.data.load("mnist", "test")
    x = x[: options.images or 256]
    lines = [
        "| preset | certified / found, means | mean of ratios | Lipschitz pairs alone | CPU s an image | with branch and bound |"
    ]
    lines.append("|---|---|---|---|---|---|")
    for name in options.net or PRESETS:
        model = ki.from_preset(name)
        started = time.process_time()
        certified = ki.certified_distortion(model, x, effort=options.effort)
        seconds = (time.process_time() - started) / len(x)
        found = ki.minimal_distortion(model, x).distortion
        divided = ""
        if options.seconds:
            more = ki.certified_distortion(model, x, effort=options.effort, seconds=options.seconds)
            divided = f"{more.distortion.mean() / found.mean():.3f}"
        lines.append(
            f"| {name} | {certified.distortion.mean() / found.mean():.3f} | {(certified.distortion / found).mean():.3f} | "
            f"{certified.network.mean() / found.mean():.3f} | {seconds:.2f} | {divided} |"
        )
    return lines


if __name__ == "__main__":
    sys.exit(main())
