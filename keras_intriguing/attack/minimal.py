"""The public attack: checks its input, and cuts it into batches."""

import dataclasses
import functools
import math
import numbers
import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import psutil
import tensorflow as tf

from keras_intriguing.attack.batch import METHODS, Settings, attack_batch
from keras_intriguing.attack.direct import BUDGET, SMALLEST_BUDGET
from keras_intriguing.attack.distribute import Replicas
from keras_intriguing.attack.programs import Programs
from keras_intriguing.attack.result import Result
from keras_intriguing.attack.rounding import ROUNDING
from keras_intriguing.classifiers.loading import as_model
from keras_intriguing.classifiers.per_image import provenance
from keras_intriguing.classifiers.request import Request, checked
from keras_intriguing.progress import Progress, shown

_WORKING_MEMORY = 2**30  # bytes
_COPIES = 84  # float32 copies of an image, at most, that the work on it takes
_LARGEST_BATCH = 256
_SCALES = 1e3  # between the largest and the smallest range of values, for `penalty`


def minimal_distortion(
    model: Callable,
    x: Any,
    *,
    target: Any = None,
    label: Any = None,
    bounds: tuple[Any, Any] = (0.0, 1.0),
    method: str = "direct",
    budget: int = BUDGET,
    levels: int | None = None,
    starts: Any = None,
    batch_size: int | None = None,
    from_probabilities: bool = False,
    on_batch: Callable[[int, int], None] | None = None,
    progress: bool | Progress = False,
    strategy: tf.distribute.Strategy | None = None,
) -> Result:
    """The smallest change of every image that changes its label (Szegedy et al. 2014, §4.1).

    Solves min ‖r‖₂ s.t. f(x + r) = target, x + r in the box, to the nearest of several local minima. For a linear
    model with a given target, or with up to ten classes, that is the global one. The steps are compiled once per shape
    of batch for all models with the same graph, whatever their weights, and kept for later calls; at most eight graphs
    are. `keras_intriguing/README.md` says how the compiled code is kept on disk.

    Args:
        model: a Keras model, the path of a saved one (.keras, .h5), or a function from images [B, …] to logits [B, K],
            differentiable by TensorFlow. What ends in softmax is attacked through its logits. One output, a logit or a
            probability behind a sigmoid, is two classes, with logits 0 and z. Called with `training=False`.
        x: float images [B, …] of any rank, within the bounds, or a `tf.data.Dataset` of them or of pairs with labels.
        target: int [B] or one int, the class to reach: the result's logit of it is the largest. None: the
            nearest other class, among the nine most likely ones.
        label: int [B] or one int, the class to leave; by default the model's own prediction. An image that
            the model does not give its label is already adversarial.
        bounds: the smallest and the largest value a pixel may have: two numbers, or two arrays that broadcast to an image,
            for tabular data say; either may be infinite. Distances weigh all values alike, whatever their bounds. For `penalty`
            their ranges may differ by a factor of a thousand.
        method: `"direct"` for the problem above, by descents from many starts, other images of the batch among
            them; `"penalty"` for the paper's
            approximation, c‖r‖² + cross-entropy in the box with a search for the largest c that succeeds.
        budget: forward and backward passes of an image that `direct` may take, everything counted; it takes fewer where
            more starts bring nothing, and of a budget above 2,000 tries up to ten times as many before. Without meaning for
            `penalty`.
        levels: grey levels at equal distances between the bounds, 256 for images of 8 bits: the adversarial images lie on
            them, so that they can be saved, and success and distortion are theirs. None: any value of the box.
        starts: images [S, …] like those of x, of any classes, for `direct`: some descents begin between an image and the
            nearest images of another class, or of the target, among these and the batch. That helps where the gradient at
            an image is zero.
        batch_size: images at once, on every device; by default as many as fit 1 GiB of working memory and half of
            what is free, at most 256, and few enough for every replica to have some. Where the memory is not there
            for it, fewer are taken, with a warning.
        from_probabilities: the model gives probabilities, and its softmax or sigmoid cannot be seen (in a SavedModel, or
            written by hand): their logarithms are attacked. Those that round to 0 or 1 have no gradient.
        on_batch: called after every batch with the number of images done and of all. Batches may end in any
            order where there are several replicas; those of other workers count when all are done.
        progress: show a bar in a terminal or a notebook; or a function that is told how many images of how many are done,
            within a batch about how many.
        strategy: a `OneDeviceStrategy`, `MirroredStrategy` or `MultiWorkerMirroredStrategy` of `tf.distribute`,
            whose replicas then attack whole batches side by side; build or load the model in its scope. With an
            explicit `batch_size` the batches are those of one device, and so are the results, up to how devices
            of different kinds round. Of several workers, all must make the same call; each attacks its share of
            the batches and all return the whole result. If one raises an error, so do the others, when they are
            done with their share; if one is killed, TensorFlow ends their wait with an `UnavailableError`.

    Returns:
        A `Result`. An image that is already adversarial has distortion 0.

    Raises:
        ValueError, TypeError: bad input; the message says what was wrong and what was expected.
        RuntimeError: Keras runs on another backend than TensorFlow, or another worker raised an error.
        MemoryError: there is not enough for a single image.
        OSError: there is no space left where compiled programs are kept.
    """
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            f"Keras runs on {keras.backend.backend()}; the attack needs TensorFlow (KERAS_BACKEND=tensorflow)."
        )
    if on_batch is not None and not callable(on_batch):
        raise TypeError(f"on_batch must be a function of two numbers, or None, not {on_batch!r}.")
    settings = checked_settings(method, budget, levels)
    # TensorFlow's own default is a strategy that distributes nothing.
    is_default = strategy is tf.distribute.get_strategy() and not tf.distribute.has_strategy()
    replicas = None if strategy is None or is_default else Replicas(strategy)
    model = as_model(model)
    check_starts(method, starts)
    check = functools.partial(
        checked, model, x, target, label, bounds, batch_size, from_probabilities, starts
    )
    request = check() if replicas is None else replicas.agreed(check, (method, budget, levels, batch_size))
    check_fit(request, settings)
    size = batch_size_for(request.x, batch_size, replicas)
    with shown(progress, "minimal distortions") as show:
        result = attack(request, settings, size, show, on_batch, replicas)
    given = {"target": target, "label": label, "bounds": request.bounds}
    if starts is not None:
        given["starts"] = request.starts.x
    return dataclasses.replace(
        result, provenance=provenance(model, request.x, method=method, budget=budget, levels=levels, **given)
    )


def checked_settings(method: str, budget: int, levels: int | None) -> Settings:
    """Arguments of `minimal_distortion` that have nothing to do with its images.

    Raises:
        ValueError: see the messages.
    """
    if method not in METHODS:
        raise ValueError(f"Unknown method {method!r}. Known: {', '.join(METHODS)}.")
    if levels is not None and (not isinstance(levels, numbers.Integral) or levels < 2):
        raise ValueError(f"levels must be a whole number of at least 2, or None, not {levels!r}.")
    least = SMALLEST_BUDGET + (ROUNDING if levels else 0)
    if not isinstance(budget, numbers.Integral) or budget < least:
        grey = f" for {levels} grey levels" if levels else ""
        raise ValueError(f"budget must be a whole number of at least {least} passes{grey}, not {budget!r}.")
    return Settings(method, budget, levels)


def check_starts(method: str, starts: Any) -> None:
    """Checks that the method takes the images to start from, if there are any.

    Raises:
        ValueError: it does not.
    """
    if method == "penalty" and starts is not None:
        raise ValueError("starts are for the method 'direct'; 'penalty' begins at the images themselves.")


def check_fit(request: Request, settings: Settings) -> None:
    """Checks that images can be attacked so.

    Raises:
        ValueError: see the messages.
    """
    if settings.levels is not None and not request.bounds.are_finite:
        raise ValueError(
            f"Between infinite bounds there are no {settings.levels} grey levels: leave levels out, or give finite bounds."
        )
    if settings.method == "penalty":
        _check_scales(request)


def attack(
    request: Request,
    settings: Settings,
    size: int,
    show: Progress,
    on_batch: Callable[[int, int], None] | None = None,
    replicas: Replicas | None = None,
) -> Result:
    """`minimal_distortion` of checked input, in batches of `size`; the result does not say what made it."""
    parts = [request.rows(first, first + size) for first in range(0, len(request.x), size)]
    programs = Programs(request.model, request.x.shape[1:], request.trace)
    results, done = {}, 0
    show(0, len(request.x))

    def tell(share: float) -> None:
        if replicas is None:  # whose batches are side by side
            show(done + share * min(size, len(request.x) - done), len(request.x))

    settings = settings._replace(tell=tell)
    attack_part = functools.partial(attack_batch, request.model, programs, size=size, settings=settings)

    def keep(index: int, result: Result) -> None:
        nonlocal done
        results[index] = result
        done += len(parts[index].x)
        show(done, len(request.x))
        if on_batch:
            on_batch(done, len(request.x))

    if replicas is None:
        for index, part in enumerate(parts):
            keep(index, attack_part(part))
    else:
        replicas.attack(parts, attack_part, keep)
    return Result.concatenate(results[index] for index in range(len(parts)))


def _check_scales(request: Request) -> None:
    """Checks that values have similar ranges: else the line search of `penalty` runs out of float32 digits, and may not end.

    Raises:
        ValueError: they have not.
    """
    finite = request.bounds.finite(request.x)
    spans = np.asarray(finite.upper, np.float64) - finite.lower
    if spans.max() > _SCALES * spans.min():
        raise ValueError(
            f"The method 'penalty' needs values of similar size, but their ranges go from {spans.min():.3g} to {spans.max():.3g} (where "
            "bounds are infinite, those of x). Scale the values before the model, or use the method 'direct'."
        )


def batch_size_for(x: np.ndarray, given: int | None, replicas: Replicas | None = None) -> int:
    """How many of the images x [B, …] are attacked at once, where so many may be or nothing else is asked for.

    A power of two, so that calls with a few images more or less share a compiled program.

    Replicas must agree on it, whatever is free on each of their machines.
    """
    need = _COPIES * 4 * x[0].size
    free = math.inf if replicas else psutil.virtual_memory().available
    fitting = max(1, int(min(_WORKING_MEMORY, free / 2) // need))
    most = given or min(_LARGEST_BATCH, _power_of_two_below(fitting))
    share = len(x) if given or replicas is None else -(-len(x) // len(replicas))
    size = min(most, 2 ** (share - 1).bit_length())
    if size * need > free:
        smaller = _power_of_two_below(max(1, int(free // need)))
        warnings.warn(
            f"batch_size {size} takes about {size * need / 2**20:,.0f} MiB, but {free / 2**20:,.0f} are free: batches of "
            f"{smaller} instead.",
            stacklevel=3,
        )
        size = smaller
    return size


def _power_of_two_below(number: int) -> int:
    return 2 ** (number.bit_length() - 1)
