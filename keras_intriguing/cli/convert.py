"""The command `keras-intriguing convert`."""

import argparse
from pathlib import Path
from typing import Any

from keras_intriguing import presets, quiet


def add_to(commands: Any) -> None:
    """Adds `convert` to the command's subparsers."""
    convert = commands.add_parser("convert", help="make a preset of weights in another program's form")
    convert.add_argument(
        "weights",
        metavar="WEIGHTS",
        type=Path,
        help="Caffe's bvlc_alexnet as .npy; torchvision's alexnet, or EfficientNet-Lite0 in its PyTorch port's names, "
        "as .pth or .safetensors; no code in them is run",
    )
    convert.add_argument("--out", metavar="FOLDER", type=Path, required=True, help="folder of the preset")
    convert.set_defaults(run=_convert)


def _convert(options: argparse.Namespace) -> None:
    quiet.import_tensorflow()
    from keras_intriguing import conversion

    conversion.convert(options.weights, options.out)
    print((options.out / presets.CARD).read_text(encoding="utf-8"))
    print(f"Preset written to {options.out}")
