"""Distortions below which an image's label is proved to stay."""

import dataclasses
import functools
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
from keras_intriguing.classifiers.request import Request, checked
from keras_intriguing.progress import Progress, shown
from keras_intriguing.spectral.graph import Node, nodes

# Of a radius in one step: at first, when the bounds hardly improve, and after many steps, when the radius only swings.
_GROWTHS = 1.5, 1.05, 1.01
_MANY = 60  # steps
_HAIR = 1 - 1e-3  # a proof is tried so little before where it is expected
# And before where the first proof's bounds say it is, which is early: they fall faster than by the radius's first power.
_NEARER = 1 - 1e-4
_TRIALS = 8
_OF_INTERVALS = (
    3  # about the power of the radius by which bounds fall where intervals are narrowed at every radius
)
_LARGEST = 1e3  # times the radius of the Lipschitz bound, where bounds are infinite


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class Certificate(PerImage):
    """Certified distortions of B images, as NumPy arrays.

    Attributes:
        distortion: float64 [B]: no image within the bounds whose change has a smaller root mean square ‖r‖₂/√n has
            another label; the larger of the two below. Infinite where no image within the bounds has one.
        l2: float64 [B], the same as a distance ‖r‖₂: `distortion` times √n.
        label: int32 [B]: the class that is certified.
        network: float64 [B], from the margins and the Lipschitz bounds of the pairs of classes.
        relaxation: float64 [B], from bounds propagated through the layers, of all parts where `seconds` were given; NaN where
            that was not tried.
        loosest: [B], the layer where the propagated bound of the nearest class lost most, "the ball" for what the layers'
            common ball cost; empty where that was not tried.
    """

    distortion: np.ndarray
    l2: np.ndarray
    label: np.ndarray
    network: np.ndarray
    relaxation: np.ndarray
    loosest: np.ndarray

    def __repr__(self) -> str:
        finite = self.distortion[np.isfinite(self.distortion)]
        mean = f", mean distortion {finite.mean():.4g}" if len(finite) else ""
        return f"Certificate({len(self)} {self.word}s{mean})"

    def __str__(self) -> str:
        lines = [repr(self)]
        is_certified = (self.distortion > 0) & np.isfinite(self.distortion)
        if is_certified.sum() > 1:
            lines += extremes("distortion", self.distortion[is_certified], "root mean square, proved")
            lines += extremes("l2", self.l2[is_certified], "‖r‖₂, proved")
        counts = {
            "have another label already, or nothing is certified": self.distortion == 0,
            "keep their label whatever change is made": np.isinf(self.distortion),
            "by the network's Lipschitz bound alone": is_certified & ~(self.relaxation > self.network),
        }
        lines += [f"  {of.sum()} {what}" for what, of in counts.items() if of.any()]
        return "\n".join(lines)


def certified_distortion(
    model: keras.Model,
    x: Any,
    *,
    label: Any = None,
    bounds: tuple[Any, Any] = (0.0, 1.0),
    effort: str = "standard",
    seconds: float = 0.0,
    on_batch: Callable[[int, int], None] | None = None,
    on_stage: Callable[[str], None] = lambda name: None,
    progress: bool | Progress = False,
) -> Certificate:
    """For every image a distortion below which no change of it can change its label.

    Of any network with a Lipschitz bound (see `analyze`): two logits cannot change places before their difference has
    been used up. And by bounds that are propagated through the layers for the ball and the box of valid pixels (see
    `propagation`), far less loose, with slopes and penalties optimized while the radius grows to what they prove. What
    `minimal_distortion` finds without a target is never smaller.

    The certificate is for the network's function in exact arithmetic: rounding can give an image whose margin is of
    that size another label. Bounds are computed in float64 with rounding accounted for; of layers without a rule for
    propagation, the values at the image come from their own forward pass, less 1e-5 of the largest for its rounding. A
    model that ends in softmax is certified by its logits.

    Args:
        model: a functional or sequential Keras model of one input and one output, of logits or ending in softmax.
        x: float images [B, …] within the bounds.
        label: int [B] or one int, the class to certify; by default the model's own prediction. Where the model
            gives another, the certified distortion is 0.
        bounds: as of `minimal_distortion`.
        effort: "quick" for the Lipschitz bound alone, whose norms are measured once a model; "standard" for 60 steps of
            optimization, about the cost of as many passes forward and back for every pair of classes, and where layers
            are wide some twenty seconds an image more; "thorough" for 300.
        seconds: of branch and bound for every image after that, at growing distances; more where functions are compiled, as of
            `verify`. It ends sooner where one distance is proved and another, half a percent longer, cannot be.
        on_batch: called after every batch with the number of images done and of all.
        on_stage: told the name of every layer before it is measured.
        progress: show a bar in a terminal or a notebook; or a function that is told how many images of how many are done,
            within a batch about how many.

    Raises:
        ValueError, TypeError: bad input, a layer without a known constant, one that computes in half precision, or a
            model with a call() of its own; the message says what to do.

        Interrupted: Ctrl-C once the bounds of single images are searched; it has the certificate of those that are done.

    Warns:
        UserWarning: before work starts, where the network's Lipschitz bound is so large that nothing will be certified;
            then the propagated bounds are tried with "thorough" only.
    """
    model = as_model(model)
    check_model(model, "certified_distortion", x)
    graph = nodes(model)
    steps_of(effort)  # before work starts
    seconds = checked_seconds(seconds)
    request = checked(model, x, None, label, bounds, None, from_probabilities=None)
    given = {"label": request.label, "bounds": request.bounds, "effort": effort, "seconds": seconds}
    made = provenance(model, request.x, **given)
    with shown(progress, "certified distortions") as show:
        show(0, len(request.x))
        found = _certified(graph, request, effort, seconds, made, on_batch, on_stage, show)
        show(len(request.x), len(request.x))
    return found


def _certified(
    graph: Sequence[Node],
    request: Request,
    effort: str,
    seconds: float,
    made: dict[str, Any],
    on_batch: Callable[[int, int], None] | None,
    on_stage: Callable[[str], None],
    show: Progress,
) -> Certificate:
    """The certificate of checked images; `made` becomes its provenance."""
    label, steps = request.label_to_leave, steps_of(effort)
    classifier = classifier_of(graph, request.trace, on_stage)
    images = request.x.astype(np.float64)
    flat = images.reshape(len(images), -1)
    lower, upper = request.bounds.flat()
    farthest = np.linalg.norm(np.maximum(flat - lower, upper - flat), axis=1)
    margins = classifier.margins(images, label, request.bounds)
    radii = classifier.lipschitz_radii(margins, label)
    network = radii.min(axis=1)
    relaxation, names = np.full(len(label), np.nan), np.full(len(label), "", object)
    to_rms = 1 / np.sqrt(flat.shape[1])

    def so_far() -> Certificate:
        is_given = request.before == label
        of_label = (np.where(is_given | np.isnan(r), r * to_rms, 0.0) for r in (network, relaxation))
        by_network, by_relaxation = of_label
        both = np.fmax(by_network, by_relaxation)
        return Certificate(
            both, both / to_rms, label, by_network, by_relaxation, names.astype(str), provenance=made
        )

    before = BEFORE_PARTS if seconds else 1.0
    if (steps or seconds) and not (warn_if_hopeless(network, farthest) and effort != "thorough"):
        rows = min(rows_of(margins), 10)
        size = images_at_once(classifier.circuit, rows, len(label))
        optimizer = Optimizer(classifier.programs, request.bounds, narrows=True)
        splitter = Splitter(classifier.programs, request.bounds)
        order = np.argsort(radii, axis=1)
        done = 0
        try:
            for batch, last in whole_batches(len(label), size):
                tell = telling(show, done, last, len(label))
                if steps:
                    others = order[batch, :rows]
                    # classes beyond the nearest are left to the Lipschitz bound
                    most = np.sort(radii[batch], axis=1)[:, rows]
                    clean = np.take_along_axis(margins[batch], others, axis=1)
                    problem = Problem(images[batch], label[batch], others)
                    found, places = _largest_radii(
                        optimizer,
                        problem,
                        clean,
                        network[batch],
                        farthest[batch],
                        steps,
                        part_of(tell, 0, before),
                    )
                    relaxation[batch] = np.minimum(found, most)
                    names[batch] = classifier.names(places)
                if seconds:
                    known = np.where(request.before == label, np.fmax(relaxation, network), 0.0)
                    some = np.unique(batch)
                    some = some[(known[some] > 0) & (known[some] < farthest[some])]
                    for number, i in enumerate(some):
                        within = functools.partial(classifier.margins_within, margins[[i]], label[[i]])
                        ends = np.interp([number, number + 1], [0, len(some)], [before, 1])
                        of_image, distances = part_of(tell, *ends), (float(known[i]), float(farthest[i]))
                        longer = splitter.extend(
                            images[i], int(label[i]), *distances, within, seconds, of_image
                        )
                        for relaxation[i] in longer:
                            pass  # each is kept, whatever interrupts the next
                done = last
                if on_batch:
                    on_batch(done, len(label))
        except KeyboardInterrupt:
            raise Interrupted(so_far()) from None
    elif on_batch:
        on_batch(len(label), len(label))
    return so_far()


def _largest_radii(
    optimizer: Optimizer,
    problem: Problem,
    clean: np.ndarray,
    start: np.ndarray,
    farthest: np.ndarray,
    steps: int,
    tell: Callable[[float], None],
) -> tuple[np.ndarray, np.ndarray]:
    """Proved radii [B] in L2, infinite where that of `farthest` is proved, and where the bounds lose most [B].

    The radius is moved towards where a curve through the clean margin and the present one is zero, while the bounds are
    improved; what comes out is proved in float64 at that radius, or a little before it.
    """
    # without bounds there is no longest change, and a radius is sought up to a multiple of where the search starts
    multiple = np.where(np.isfinite(start) & (start > 0), _LARGEST * start, 1.0)
    most = np.where(np.isfinite(farthest), farthest, multiple)
    least = np.where(start > 0, np.minimum(1e-4 * most, multiple), 1e-4 * most)
    radius = np.clip(2 * start, least, most)
    optimizer.start(problem, radius)
    power = _OF_INTERVALS if optimizer.narrows else 1
    for step in range(1, steps + 1):
        margins = optimizer.improve(problem, radius, step, 1 - (step - 1) / steps)
        phase = 3 * (step - 1) // steps
        growth = _GROWTHS[phase if step > _MANY else min(phase, 1)]
        radius = np.clip(
            _zero(radius, clean, margins, power), radius / growth, np.minimum(radius * growth, most)
        )
        tell(0.9 * step / steps)  # the rest are the proofs
    proved, places = np.zeros(len(radius)), np.zeros(len(radius), int)
    radius = np.where(radius < most, _HAIR * radius, most)
    for trial in range(_TRIALS):
        margins, costs = optimizer.proved(problem, radius)
        holds = (margins > 0).all(axis=1) & (proved == 0)
        places = np.where(proved == 0, loosest(margins, costs), places)
        proved = np.where(holds, np.where(radius >= farthest, np.inf, radius), proved)
        if (proved > 0).all():
            break
        share = _NEARER if trial == 0 and not optimizer.narrows else _HAIR
        radius = np.where(proved > 0, 0.0, share * np.minimum(_zero(radius, clean, margins, power), radius))
    return proved, places


def _zero(radius: np.ndarray, clean: np.ndarray, margins: np.ndarray, power: int) -> np.ndarray:
    """Where margins are first zero that fall from the clean margins [B, m] by a power of the radius [B], as the margins [B, m] do."""
    margins = np.where(np.isfinite(margins), margins, -np.inf)
    lost = np.maximum(clean - margins, 1e-30)
    return np.min(radius[:, None] * (np.maximum(clean, 0) / lost) ** (1 / power), axis=1)
