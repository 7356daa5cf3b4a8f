"""An attack whose finished batches are kept in a file, so that an interrupted one goes on."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

from keras_intriguing.attack import minimal
from keras_intriguing.attack.batch import Settings
from keras_intriguing.attack.result import Result
from keras_intriguing.classifiers.outputs import call
from keras_intriguing.classifiers.per_image import provenance
from keras_intriguing.classifiers.request import Request

profiler = tf.compat.v1.profiler


# Of a batch; some minutes on two cores. Fewer than eight images hardly show each other the way to other classes.
_OPERATIONS, _FEWEST = 4e12, 8
_USUAL = 500  # gradients that `direct` takes for an image, of large budgets an eighth; each costs three passes forward


class Kept:
    """The result of the first images, in a file beside the one that all are for.

    Args:
        out: of the whole result.
        key: JSON values that tell one attack from another.
    """

    def __init__(self, out: Path, key: dict[str, Any]) -> None:
        self._path = out.with_name(f".{out.name}.part")
        self._key = json.loads(json.dumps(key, default=str))

    def load(self) -> Result | None:
        """What is there of the same attack."""
        try:
            result = Result.load(self._path)
        except (OSError, ValueError):  # none, or damaged: there is nothing to lose
            return None
        return result if result.provenance == self._key else None

    def count(self) -> int:
        """How many images there are of the same attack."""
        result = self.load()
        return 0 if result is None else len(result)

    def save(self, result: Result) -> None:
        """Keeps the result so far."""
        dataclasses.replace(result, provenance=self._key).save(self._path)

    def remove(self) -> None:
        """When the whole result is written."""
        self._path.unlink(missing_ok=True)


def attack(
    model: Callable,
    request: Request,
    settings: Settings,
    kept: Kept,
    on_images: Callable[[float], None],
    *,
    batch_size: int | None,
    **made: Any,
) -> Result:
    """`minimal_distortion` of checked input batch by batch; those that are kept are not attacked again.

    Args:
        model: what is attacked, as its user gave it.
        request: all the images.
        settings: of the attack.
        kept: the finished ones.
        on_images: told how many images are done, within a batch about how many.
        batch_size: as of `minimal_distortion`, but by default fewer where the model is large: only finished batches are kept.
        **made: settings that the result remembers.
    """
    minimal.check_fit(request, settings)
    x, before = request.x, kept.load()
    done = [] if before is None else [before]
    first = sum(map(len, done))
    affordable = batch_size or min(
        minimal.batch_size_for(x, None), _affordable(request.model, x.shape[1:], settings.budget)
    )
    on_images(first)
    while first < len(x):
        part = request.rows(first, first + affordable)

        def tell(of_batch: float, total: float, first: int = first) -> None:
            on_images(first + of_batch)

        size = minimal.batch_size_for(part.x, affordable)
        done.append(minimal.attack(part, settings, size, tell))
        first += len(part.x)
        kept.save(Result.concatenate(done))
        on_images(first)
    return dataclasses.replace(Result.concatenate(done), provenance=provenance(model, x, **made))


def _affordable(model: Callable, shape: tuple[int, ...], budget: int) -> int:
    """How many images of this shape can be attacked in some minutes: a power of two, told by graph and budget alone."""

    def outputs(images: tf.Tensor) -> Any:
        return call(model, images)

    try:
        traced = tf.function(outputs, autograph=False).get_concrete_function(tf.TensorSpec((1, *shape)))
    except Exception:  # whatever the model raises of one image; the attack takes more
        return _FEWEST
    counted = profiler.ProfileOptionBuilder(profiler.ProfileOptionBuilder.float_operation())
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel("ERROR")  # it advises a newer profiler, which counts no operations
    try:
        operations = profiler.profile(
            traced.graph, options=counted.with_empty_output().build()
        ).total_float_ops
    finally:
        logger.setLevel(level)
    gradients = min(budget // 2, max(_USUAL, budget // 8))
    affordable = int(_OPERATIONS / (3 * gradients * max(operations, 1)))
    return max(_FEWEST, 2 ** max(affordable.bit_length() - 1, 0))
