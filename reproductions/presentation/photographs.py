"""Pictures of adversarial photographs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_intriguing.report import figures
from reproductions.shared import imagenette

NOTE = "original; difference around grey, scaled as written above; adversarial image"
DISTORTION = "Distortion: root mean square over pixels and channels in [0, 1]. The paper's figure is of AlexNet on ImageNet, 64 examples."


def pairs(
    path: Path,
    net: Any,
    x: np.ndarray,
    adversarial: np.ndarray,
    before: Sequence[str],
    after: Sequence[str],
) -> None:
    """Draws photographs [N, S, S, 3] beside their differences and what becomes of them, two in a row.

    Args:
        path: of the file.
        net: whose probabilities are written.
        x: the originals.
        adversarial: likewise.
        before: their labels in words.
        after: likewise of the adversarial ones.
    """
    words = [
        [f"{name}\n{100 * share:.0f}%" for name, share in zip(names, shares, strict=True)]
        for names, shares in (
            (before, imagenette.confidences(net, x)),
            (after, imagenette.confidences(net, adversarial)),
        )
    ]
    triples = [figures.Triple(*one) for one in zip(x, adversarial, *words, strict=True)]
    figures.triples(path, [("", triples[i : i + 2]) for i in range(0, len(triples), 2)])
