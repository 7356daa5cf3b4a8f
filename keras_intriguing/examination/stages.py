"""What is measured of a model, a stage each. What cannot be measured says why."""

import io
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from PIL import Image

from keras_intriguing.attack.result import Result
from keras_intriguing.certificates.lowering import gives_probabilities, is_probability
from keras_intriguing.classifiers import evaluation
from keras_intriguing.examination.findings import SMALLEST_JPEG, Norms, Stored
from keras_intriguing.spectral import network
from keras_intriguing.spectral.graph import nodes
from keras_intriguing.spectral.layers import is_convolution

JPEG_QUALITIES = (95, 75)


def storage(
    model: Callable, x: np.ndarray, y: np.ndarray, result: Result, bounds: tuple[float, float]
) -> dict[str, Stored]:
    """What is left of adversarial examples that are stored with 8 bits or as JPEG.

    Args:
        model: as two or more classes.
        x: the images [B, …].
        y: the labels that were left [B].
        result: of the attack on them.
        bounds: the values of black and white.

    Returns:
        By form.
    """
    changed = result.success & (result.distortion > 0)
    forms: dict[str, Callable[[np.ndarray], np.ndarray]] = {"8 bits": _with_8_bits}
    if x.ndim == 4 and x.shape[-1] in (1, 3) and min(x.shape[1:3]) >= SMALLEST_JPEG:
        for quality in JPEG_QUALITIES:
            forms[f"JPEG, quality {quality}"] = lambda images, quality=quality: _as_jpeg(images, quality)
    lower, span = bounds[0], bounds[1] - bounds[0]
    found = {}
    for form, store in forms.items() if changed.any() else ():

        def stored(images: np.ndarray, store: Callable = store) -> np.ndarray:
            return evaluation.labels(model, lower + span * store((images[changed] - lower) / span))

        left, kept = stored(result.adversarial) != y[changed], stored(x) == y[changed]
        found[form] = Stored(float(left.mean()), float(kept.mean()))
    return found


def default_effort(model: Any) -> str:
    """Of the certificates, so that they take no longer than the attack."""
    layers = model._flatten_layers() if isinstance(model, keras.Model) else ()
    return "quick" if any(is_convolution(layer) for layer in layers) else "standard"


def norms(model: Any, on_stage: Callable[[str], None], on_step: Callable[[int, int], None]) -> Norms:
    """The norms of a model's layers and Lipschitz bounds of the whole.

    Args:
        model: whose they are.
        on_stage: told the name of every layer before it is measured.
        on_step: told how many steps of how many of the search in the whole network are done, which takes longest.

    Raises:
        ValueError, TypeError: they are not known of this model.
    """
    found = network.analyze(model, on_stage=on_stage, on_step=on_step)
    last = nodes(model)[-1]
    ends = gives_probabilities(last) or is_probability(getattr(last.operation, "activation", None), last)
    return Norms(found, ends)


def _with_8_bits(images: np.ndarray) -> np.ndarray:
    return np.rint(images * 255).astype(np.float32) / 255


def _as_jpeg(images: np.ndarray, quality: int) -> np.ndarray:
    stored = []
    for image in np.rint(images * 255).astype(np.uint8):
        file = io.BytesIO()
        picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
        picture.save(file, "JPEG", quality=quality)
        stored.append(np.asarray(Image.open(file)).reshape(image.shape))
    return np.stack(stored).astype(np.float32) / 255
