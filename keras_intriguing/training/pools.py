"""Pools of adversarial examples at the outputs of a layer (paper §4.2)."""

import functools
from typing import NamedTuple

import keras
import numpy as np

from keras_intriguing import transfer
from keras_intriguing.attack import minimal_distortion

_BATCH = 256  # one shape, so that the attack on a layer's outputs is compiled once
BOX = (0.0, 1.0)  # of pixels and of a sigmoid's outputs


class Cut(NamedTuple):
    """A model cut at a layer's outputs; both parts share the model's variables.

    Attributes:
        below: images [B, …] to the layer's outputs h [B, …].
        above: h to logits [B, K].
    """

    below: keras.Model
    above: keras.Model


class Pool(NamedTuple):
    """P adversarial examples at a layer's outputs h, as perturbations of the h of training images.

    The layers below learn on, so that an example would go stale with its h: what is kept is its image and the
    perturbation r, and the example is always clip(h(x) + r) with the current h. Its label is the image's true one.

    Attributes:
        image: int32 [P], indices of training images.
        perturbation: float32 [P, …], the r of every example.
    """

    image: np.ndarray
    perturbation: np.ndarray


@functools.lru_cache(maxsize=8)  # a part is built once
def cut(model: keras.Model, layer: str) -> Cut:
    """Cuts a functional model at a layer's outputs, or before all layers at its input.

    Raises:
        ValueError: unknown layer, one whose outputs are not in [0, 1], or one that parallel paths go around.
    """
    names = [candidate.name for candidate in model.layers if _is_boxed(candidate)]
    if layer not in names:
        raise ValueError(
            f"No adversarial examples can be generated at {layer!r} of {model.name}. "
            f"Known are its input and its sigmoid layers: {', '.join(names)}."
        )
    outputs = model.get_layer(layer).output
    try:
        return Cut(keras.Model(model.input, outputs), keras.Model(outputs, model.output))
    except ValueError as error:  # Keras says that the graph is disconnected
        raise ValueError(f"The logits of {model.name} do not depend on {layer!r} alone: {error}") from error


def _is_boxed(layer: keras.layers.Layer) -> bool:
    """Whether a layer's outputs are in [0, 1]: it is the images' own, or ends in a sigmoid."""
    activation = getattr(layer, "activation", None)
    return isinstance(layer, keras.layers.InputLayer) or activation is keras.activations.sigmoid


def generate(
    parts: Cut, x: np.ndarray, y: np.ndarray, images: np.ndarray, targets: str, seed: int
) -> tuple[Pool, float]:
    """Minimal adversarial examples of training images at a layer's outputs.

    Args:
        parts: the model cut there.
        x: training images [N, …].
        y: their labels [N].
        images: indices of those to start from.
        targets: `"nearest"` class or `"random"` wrong classes.
        seed: of the random targets.

    Returns:
        Those examples with which the attack succeeded, and their mean distortion ‖r‖₂/√n.

    Raises:
        RuntimeError: it succeeded with none.
    """
    h, label = np.asarray(parts.below(x[images])), y[images]
    random = targets == "random"
    result = minimal_distortion(
        parts.above,
        h,
        target=transfer.random_targets(label, parts.above.output_shape[-1], seed) if random else None,
        label=None if random else label,
        bounds=BOX,
        batch_size=_BATCH,
    )
    success = result.success
    if not success.any():
        raise RuntimeError(f"The attack at {parts.above.name} found no example; it says: {result.reason[0]}")
    pool = Pool(images[success].astype(np.int32), (result.adversarial - h)[success])
    return pool, float(result.distortion[success].mean())


def replace(pool: Pool, new: Pool, random: np.random.Generator) -> Pool:
    """The pool with as many of its examples, drawn at random, replaced as there are new ones; it does not grow."""
    new = Pool(*(array[: len(pool.image)] for array in new))
    places = random.choice(len(pool.image), len(new.image), replace=False)
    image, perturbation = pool.image.copy(), pool.perturbation.copy()
    image[places], perturbation[places] = new
    return Pool(image, perturbation)
