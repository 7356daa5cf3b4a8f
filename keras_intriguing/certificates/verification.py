"""Whether images keep their label within a given distance."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from keras_intriguing.certificates.classifier import warn_if_hopeless
from keras_intriguing.certificates.kept import classifier_of
from keras_intriguing.certificates.optimization import Optimizer, Problem
from keras_intriguing.certificates.search import (
    BEFORE_PARTS,
    Interrupted,
    check_model,
    checked_seconds,
    images_at_once,
    loosest,
    part_of,
    rows_of,
    steps_of,
    telling,
    whole_batches,
)
from keras_intriguing.certificates.splitting import Splitter
from keras_intriguing.classifiers.loading import as_model
from keras_intriguing.classifiers.per_image import PerImage, extremes, provenance
from keras_intriguing.classifiers.pixels import word
from keras_intriguing.classifiers.request import Request, checked
from keras_intriguing.progress import Progress, shown
from keras_intriguing.spectral.graph import Node, nodes

_AT_ONCE = 10  # classes
_LOOK_EVERY = 20  # steps between two looks at whether all is proved


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class Verification(PerImage):
    """What is proved of B images within a distance of each, as NumPy arrays.

    Attributes:
        verified: bool [B]: no image within the bounds and the distance has another label.
        margin: float64 [B], in logits: a proved lower bound of how far the label stays ahead of every other class; not the
            best that could be proved where it is decided, since the search ends when no image is left to be.
        label: int32 [B]: the class that is certified.
        radius: float64 [B]: the distance, ‖r‖₂.
        loosest: [B]: the layer where the propagated bound lost most, "the ball" for what the layers' common ball cost, before
            branch and bound; empty where the Lipschitz bound was enough or nothing else was tried.
    """

    verified: np.ndarray
    margin: np.ndarray
    label: np.ndarray
    radius: np.ndarray
    loosest: np.ndarray

    def __repr__(self) -> str:
        if not len(self):
            return f"Verification(0 {self.word}s)"
        low, high = self.radius.min(), self.radius.max()
        within = f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}, each its own"
        return (
            f"Verification({self.verified.sum()} of {len(self)} {self.word}s verified within ‖r‖₂ = {within})"
        )

    def __str__(self) -> str:
        is_given = np.isfinite(self.margin)
        lines = [repr(self)]
        if is_given.sum() > 1:
            lines += extremes("margin", self.margin[is_given], "logits, proved; above 0 where verified")
        if not is_given.all():
            lines.append(f"  {(~is_given).sum()} have another label already")
        return "\n".join(lines)


def verify(
    model: keras.Model,
    x: Any,
    radius: Any,
    *,
    label: Any = None,
    bounds: tuple[Any, Any] = (0.0, 1.0),
    effort: str = "standard",
    seconds: float = 0.0,
    on_batch: Callable[[int, int], None] | None = None,
    on_stage: Callable[[str], None] = lambda name: None,
    progress: bool | Progress = False,
) -> Verification:
    """For every image whether no image within a distance of it has another label.

    By the Lipschitz bounds of the pairs of classes, and for images that these leave open by bounds propagated through the
    layers, as in `certified_distortion`; cheaper than that, since no radius is searched. What is proved, and how rounding
    is accounted for, is said there. Images that are still open are divided by branch and bound, if `seconds` are given.

    Args:
        model: a functional or sequential Keras model of one input and one output, of logits or ending in softmax.
        x: float images [B, …] within the bounds.
        radius: a distance ‖r‖₂ ≥ 0, the same for all images or one for each, [B]. (A distortion times √n, n the number of
            values in an image.)
        label: int [B] or one int, the class to certify; by default the model's own prediction. An image that the model
            gives another class is not verified.
        bounds: as of `minimal_distortion`.
        effort: "quick" for the Lipschitz bound alone; "standard" for at most 60 steps of optimization; "thorough" for 300.
        seconds: of branch and bound for every image that is open after that, about: the first also waits for functions to be
            compiled, and where layers are wide each for bounds of their units. It ends sooner where all is proved, where an image
            of another class is met within the distance, or where nothing is left to divide or open parts fill the memory. How
            far it comes depends on the machine.
        on_batch: called after every batch with the number of images done and of all that the Lipschitz bound left.
        on_stage: told the name of every layer before it is measured.
        progress: show a bar in a terminal or a notebook; or a function that is told how many images of how many are done,
            within a batch about how many.

    Raises:
        ValueError, TypeError, Interrupted: as of `certified_distortion`.
        ValueError: `radius` or `seconds` is no finite number of at least 0.

    Warns:
        UserWarning: as of `certified_distortion`; then only "thorough" tries more than the Lipschitz bound.
    """
    model = as_model(model)
    check_model(model, "verify", x)
    graph = nodes(model)
    steps_of(effort)  # before work starts
    seconds = checked_seconds(seconds)
    request = checked(model, x, None, label, bounds, None, from_probabilities=None)
    distances = _checked_radius(radius, request.x.shape)
    given = {"radius": distances, "label": request.label, "bounds": request.bounds, "effort": effort}
    made = provenance(model, request.x, seconds=seconds, **given)
    with shown(progress, "verified images") as show:
        show(0, len(request.x))
        found = _verified(graph, request, distances, effort, seconds, made, on_batch, on_stage, show)
        show(len(request.x), len(request.x))
    return found


def _verified(
    graph: Sequence[Node],
    request: Request,
    distances: np.ndarray,
    effort: str,
    seconds: float,
    made: dict[str, Any],
    on_batch: Callable[[int, int], None] | None,
    on_stage: Callable[[str], None],
    show: Progress,
) -> Verification:
    """The verification of checked images within checked distances [B]; `made` becomes its provenance."""
    label, steps = request.label_to_leave, steps_of(effort)
    classifier = classifier_of(graph, request.trace, on_stage)
    images = request.x.astype(np.float64)
    margins = classifier.margins(images, label, request.bounds)
    proved = classifier.margins_within(margins, label, distances)
    names = np.full(len(label), "", object)

    def so_far() -> Verification:
        margin = np.where(request.before == label, proved.min(axis=1), -np.inf)
        return Verification(margin > 0, margin, label, distances, names.astype(str), provenance=made)

    left = np.flatnonzero((proved.min(axis=1) <= 0) & (margins.min(axis=1) >= 0) & (request.before == label))
    flat = images.reshape(len(images), -1)
    lower, upper = request.bounds.flat()
    farthest = np.linalg.norm(np.maximum(flat - lower, upper - flat), axis=1)
    radii = classifier.lipschitz_radii(margins, label).min(axis=1)
    is_hopeless = warn_if_hopeless(radii, farthest) and effort != "thorough"
    before = BEFORE_PARTS if seconds else 1.0
    if (steps or seconds) and len(left) and not is_hopeless:
        rows = min(rows_of(margins), _AT_ONCE)
        size = images_at_once(classifier.circuit, rows, len(left))
        optimizer = Optimizer(classifier.programs, request.bounds)
        splitter = Splitter(classifier.programs, request.bounds)
        whole = Problem(images, label, np.zeros(()))
        done = decided = len(label) - len(left)
        try:
            for places_left, count in whole_batches(len(left), size):
                batch = left[places_left]
                tell = telling(show, done, decided + count, len(label))
                if steps:
                    problem = whole._replace(x=images[batch], label=label[batch])
                    proved[batch], places = _improved(
                        optimizer,
                        problem,
                        distances[batch],
                        proved[batch],
                        rows,
                        steps,
                        part_of(tell, 0, before),
                    )
                    names[batch] = classifier.names(places)
                if seconds:
                    _divide(
                        splitter,
                        whole,
                        distances,
                        proved,
                        np.unique(batch),
                        seconds,
                        part_of(tell, before, 1),
                    )
                done = decided + count
                if on_batch:
                    on_batch(count, len(left))
        except KeyboardInterrupt:
            raise Interrupted(so_far()) from None
    return so_far()


def _checked_radius(radius: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Distances [B] for images of a shape [B, …]."""
    try:
        distances = np.broadcast_to(np.asarray(radius, np.float64), shape[:1])
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"radius must be a number or one for each of {shape[0]} {word(shape)}s, not {radius!r}."
        ) from error
    if not (np.isfinite(distances).all() and (distances >= 0).all()):
        raise ValueError(f"radius must be finite and not negative, not {radius!r}.")
    return distances.copy()


def _divide(
    splitter: Splitter,
    problem: Problem,
    radius: np.ndarray,
    proved: np.ndarray,
    batch: np.ndarray,
    seconds: float,
    tell: Callable[[float], None],
) -> None:
    """Puts better margins into those proved of all images [B, K], for the images of a batch that are open."""
    still = batch[proved[batch].min(axis=1) <= 0]
    for number, i in enumerate(still):
        of_image = part_of(tell, number / len(still), (number + 1) / len(still))
        proved[i] = splitter.improve(
            problem.x[i], int(problem.label[i]), float(radius[i]), proved[i], seconds, of_image
        ).proved


def _improved(
    optimizer: Optimizer,
    problem: Problem,
    radius: np.ndarray,
    proved: np.ndarray,
    rows: int,
    steps: int,
    tell: Callable[[float], None],
) -> tuple[np.ndarray, np.ndarray]:
    """Better proved margins [B, K], and where the least of them lose most [B].

    The classes of the least margins come first. Those that the Lipschitz bound leaves open are taken in parts, until one
    part is not proved for any image.
    """
    order = np.argsort(proved, axis=1)
    parts = -(-(order.shape[1] - 1) // rows)
    least, places = np.full(len(radius), np.inf), np.zeros(len(radius), int)
    for first in range(0, order.shape[1] - 1, rows):
        others = order[:, :-1][:, first : first + rows]
        others = np.concatenate(
            [order[:, : rows - others.shape[1]], others], axis=1
        )  # a last part of the same shape
        before = np.take_along_axis(proved, others, axis=1)
        if first and ((before > 0).all() or (least <= 0).all()):
            break
        part = problem._replace(others=others)
        optimizer.start(part, radius)
        halfway = before
        for step in range(1, steps + 1):
            found = optimizer.improve(part, radius, step, 1 - (step - 1) / steps)
            tell((first / rows + 0.9 * step / steps) / parts)
            if step % _LOOK_EVERY == _LOOK_EVERY // 2:
                halfway = found
            if step % _LOOK_EVERY == 0:
                # margins rise ever more slowly, and steps grow shorter, by half on average
                pace = 2 * (found - halfway) / _LOOK_EVERY
                is_proved = (np.maximum(found, before) > 0).all(axis=1)
                is_within_reach = np.maximum(found + pace * (steps - step) / 2, before) > 0
                if not (is_within_reach.all(axis=1) & ~is_proved).any():
                    margins, _ = optimizer.proved(part, radius)
                    if (np.maximum(margins[is_proved], before[is_proved]) > 0).all():
                        break
        margins, costs = optimizer.proved(part, radius)
        margins = np.maximum(margins, before)
        np.put_along_axis(proved, others, margins, axis=1)
        is_less = margins.min(axis=1) < least
        least, places = (
            np.minimum(least, margins.min(axis=1)),
            np.where(is_less, loosest(margins, costs), places),
        )
    return proved, places
