"""Pools of adversarial examples at the outputs of a layer (paper §4.2)."""

from collections.abc import Mapping
from typing import NamedTuple

import keras
import numpy as np

from keras_intriguing import transfer
from keras_intriguing.attack import minimal_distortion
from keras_intriguing.classifiers import evaluation
from keras_intriguing.training import chain
from keras_intriguing.training.settings import Pools

_BATCH = 256  # one shape, so that the attack on a layer's outputs is compiled once
_BUDGET = 100  # passes: changes are 5% longer than with the usual budget, in a fifth of the time


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


def generate(
    parts: chain.Cut, x: np.ndarray, y: np.ndarray, images: np.ndarray, targets: str, seed: int
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
        bounds=parts.bounds,
        batch_size=_BATCH,
        budget=_BUDGET,
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


def refreshed(
    pools: Mapping[str, Pool],
    model: keras.Model,
    settings: Pools,
    x: np.ndarray,
    y: np.ndarray,
    random: np.random.Generator,
) -> tuple[dict[str, Pool], dict[str, float]]:
    """The pools with new examples, which fill a pool at first, and the mean distortion of the new ones.

    An image that is misclassified already is no start: its minimal perturbation is zero.

    Args:
        pools: by layer; empty at first.
        model: with its weights of now.
        settings: of which layers, how many.
        x: training images [N, …].
        y: their labels [N].
        random: what decides the images, the places and the random targets.

    Raises:
        ValueError: fewer images are correctly classified than examples are needed.
    """
    correct = np.flatnonzero(evaluation.labels(model, x) == y)
    found, distortion = {}, {}
    for layer in settings.layers:
        count = settings.replaced if layer in pools else settings.size
        if len(correct) < count:
            raise ValueError(
                f"{count} examples are to be generated, but only {len(correct)} images are correctly classified. "
                "Train longer before (warmup), or make the pool smaller."
            )
        chosen = random.choice(correct, count, replace=False)
        seed = int(random.integers(2**31))
        new, distortion[layer] = generate(chain.cut(model, layer), x, y, chosen, settings.targets, seed)
        found[layer] = replace(pools[layer], new, random) if layer in pools else new
    return found, distortion
