"""Branch and bound: a region's images are divided by what single units get, until every part is proved.

A part is where the inputs of some units lie in narrower intervals than in the region, and its bound is the region's with these
intervals. That a part ends at a cut is used by free slopes, which do what the multipliers of β-CROWN do (Wang et al. 2021,
arXiv:2103.06624). The least bound of all parts is one of the region.
"""

import contextlib
import heapq
import itertools
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_intriguing.certificates import propagation
from keras_intriguing.certificates.narrowing import is_affordable, narrow_enclosures
from keras_intriguing.certificates.parts import Cut, Part, divided
from keras_intriguing.certificates.programs import Programs
from keras_intriguing.certificates.propagation import Gaps
from keras_intriguing.certificates.region import Region
from keras_intriguing.certificates.search import images_at_once, part_of
from keras_intriguing.certificates.steps.activation import Activation
from keras_intriguing.certificates.steps.curves import Curve
from keras_intriguing.certificates.steps.step import Enclosure, Variables
from keras_intriguing.classifiers.pixels import Bounds

_SIZES = (8, 64)  # of batches of parts: few, since functions are compiled for each
_FIRST_STEPS, _STEPS = (
    100,
    12,
)  # of a whole region, and of a part, which goes on with what its whole had chosen
_RATE = 0.5  # share of the largest step, for a part
_GROWTH, _MOST_GROWTH, _CLOSE = (
    1.1,
    1e3,
    1.005,
)  # of a radius: at first, at most, and where the search for it ends
_MOST_BYTES = 2**29  # that open parts keep


class Margins(NamedTuple):
    """Proved margins [K] of an image; and whether more time might raise them, if they are not all above 0."""

    proved: np.ndarray
    is_unfinished: bool


class _Image(NamedTuple):
    """An image's region, in float64, where the values of every step lie in it, and its label."""

    region: Region
    whole: list[Enclosure]
    label: int


class Splitter:
    """Branch and bound for the images of one network.

    Args:
        programs: of its circuit.
        bounds: of every pixel.
    """

    def __init__(self, programs: Programs, bounds: Bounds) -> None:
        self._programs, self._circuit, self._bounds = programs, programs.circuit, bounds
        self._rounding = propagation.rounding_of(self._circuit)
        most = images_at_once(self._circuit, 1, _SIZES[-1])
        self._sizes = [size for size in _SIZES if size <= most] or [1]
        users: dict[int, list[int]] = {len(self._circuit.steps) - 1: []}
        for position in range(len(self._circuit.steps) - 1, 0, -1):
            if position in users:  # else nothing rests on it
                for source in self._circuit.step(position).sources:
                    users.setdefault(source, []).append(position)
        # Other steps rely on the image's own values to lie in the intervals, which they do not in every part.
        self._activations: dict[int, int] = {}  # positions, by those of what they take
        self._curves: dict[int, Curve] = {}  # by position
        for source, of in users.items():
            step = self._circuit.step(of[0]) if source and len(of) == 1 else None
            if isinstance(step, Activation):
                self._activations[source], self._curves[of[0]] = of[0], step.curve
        self._compiled: set[str] = set()
        self._compiling = 0.0  # seconds

    def improve(
        self,
        x: np.ndarray,
        label: int,
        radius: float,
        proved: np.ndarray,
        seconds: float,
        tell: Callable[[float], None],
    ) -> Margins:
        """Better proved margins of an image.

        It ends when all are above 0, when the time is over, when the region turns out to hold an image of another class, when
        the part of the least bound cannot be divided or improved, or when open parts fill the memory.

        Args:
            x: the image.
            label: that is to keep ahead.
            radius: of the ball.
            proved: margins so far [K], of the label infinite.
            seconds: that it may take, compiling apart; a batch of parts that was begun is finished, and one is in any case.
            tell: is told how large a share of the time is over.
        """
        started = self._time()
        with self._compiling_apart("image"):
            image = self._image(x, label, radius)
        whole = [Part(int(other), proved[other]) for other in np.flatnonzero(proved <= 0)]
        numbers, is_final, over = itertools.count(), False, 0.0
        waiting = [(part.bound, next(numbers), part) for part in sorted(whole, key=lambda part: part.bound)]
        closed = np.full(len(proved), np.inf)
        while waiting and not is_final and over < 1:
            parts = self._next(waiting)
            evaluated, is_denied = self._evaluated(image, parts) if parts else ([], False)
            is_final = is_denied or not parts
            for part in evaluated:
                if part.bound > 0:
                    closed[part.other] = min(closed[part.other], part.bound)
                else:
                    heapq.heappush(waiting, (part.bound, next(numbers), part))
            over = (self._time() - started) / seconds
            tell(min(over, 1.0))
        for bound, _, part in waiting:
            closed[part.other] = min(closed[part.other], bound)
        return Margins(np.where(proved > 0, proved, np.maximum(proved, closed)), not is_final)

    def extend(
        self,
        x: np.ndarray,
        label: int,
        radius: float,
        farthest: float,
        margins: Callable[[np.ndarray], np.ndarray],
        seconds: float,
        tell: Callable[[float], None],
    ) -> Iterator[float]:
        """Growing radii within which an image is proved to keep its label; infinite where that holds for `farthest`.

        Args:
            x: the image.
            label: that is to keep ahead.
            radius: above 0, for which that is known.
            farthest: that any image lies, or infinite.
            margins: maps a radius [1] to margins [1, K] that are proved without parts, of the label infinite.
            seconds: as of `improve`, for all radii that are tried.
            tell: is told how large a share of the time is over.
        """
        started, growth, too_far = self._time(), _GROWTH, np.inf
        most = farthest if np.isfinite(farthest) else _MOST_GROWTH * radius
        left = seconds
        while left > 0 and min(too_far, most) > radius and too_far > _CLOSE * radius and growth > _CLOSE:
            tried = min(growth * radius, most if np.isinf(too_far) else (radius + too_far) / 2)
            (known,) = margins(np.array([tried]))
            begun = 1 - left / seconds
            told = part_of(tell, begun, (1 + begun) / 2)
            found = self.improve(x, label, tried, known, left / 2, told)
            if found.proved.min() > 0:
                radius, growth = tried, min(growth**2, _MOST_GROWTH)
                yield np.inf if radius >= farthest else radius
            elif found.is_unfinished:
                growth = growth**0.5
            else:
                too_far = tried
            left = seconds - (self._time() - started)

    def _time(self) -> float:
        """In seconds, but for those in which functions were compiled."""
        return time.monotonic() - self._compiling

    @contextlib.contextmanager
    def _compiling_apart(self, name: str) -> Iterator[None]:
        """Does not count the time of what is done first under a name, when its functions are compiled."""
        started = time.monotonic()
        yield
        if name not in self._compiled:
            self._compiled.add(name)
            self._compiling += time.monotonic() - started

    def _next(self, waiting: list[tuple[float, int, Part]]) -> list[Part]:
        """Parts to evaluate, out of those that are least proved; none where the worst cannot be divided, or there are too many."""
        parts: list[Part] = []
        are_whole = not waiting[0][2].variables
        while waiting and len(parts) + 2 <= max(self._sizes[-1], 2):
            part = waiting[0][2]
            further = part.further()
            is_too_much = len(waiting) * part.bytes > _MOST_BYTES
            if not further or is_too_much or are_whole != (not part.variables):
                break
            heapq.heappop(waiting)
            parts += further
        return parts

    def _evaluated(self, image: _Image, parts: list[Part]) -> tuple[list[Part], bool]:
        """Parts with bounds and cuts of their own; and whether one holds an image of another class."""
        size = next((size for size in self._sizes if size >= len(parts)), self._sizes[-1])
        found, is_denied = [], False
        for first in range(0, len(parts), size):
            some = parts[first : first + size]
            with self._compiling_apart(f"{size} parts"):
                more, denied = self._evaluated_at_once(image, some, size)
            found, is_denied = found + more, is_denied or denied
        return found, is_denied

    def _evaluated_at_once(self, image: _Image, parts: list[Part], size: int) -> tuple[list[Part], bool]:
        filled = [parts[min(i, len(parts) - 1)] for i in range(size)]  # the last one again and again
        known = divided(image.whole, filled)
        roughly = [Enclosure(*(tf.constant(v, tf.float32) for v in of)) for of in known]
        rows = np.zeros((size, 1, self._circuit.size(len(self._circuit.steps) - 1)))
        rows[:, 0, image.label] = 1
        rows[np.arange(size), 0, [part.other for part in filled]] = -1
        variables = self._optimized(image.region.repeated(size, tf.float32), roughly, rows, filled)
        bounds, gaps = self._programs.explained(
            image.region.repeated(size, tf.float64),
            [Enclosure(*map(tf.constant, of)) for of in known],
            tf.constant(rows),
            [{name: tf.cast(v, tf.float64) for name, v in of.items()} for of in variables],
            self._rounding,
        )
        bounds = bounds.numpy()[:, 0]
        bounds = np.where(np.isnan(bounds), -np.inf, bounds)
        kept = [{name: v.numpy() for name, v in of.items()} for of in variables]
        evaluated = [
            part._replace(
                bound=max(part.bound, float(bounds[i])),
                gained=float(bounds[i]) - part.bound,
                cut=self._cut(known, gaps, i),
                variables=[{name: v[i : i + 1].copy() for name, v in of.items()} for of in kept],
            )
            for i, part in enumerate(parts)
        ]
        return evaluated, bool((gaps.attained.numpy() <= 0).any())

    def _optimized(
        self, region: Region, known: list[Enclosure], rows: np.ndarray, parts: list[Part]
    ) -> list[Variables]:
        """The choices of parts, all of them whole regions, or none."""
        if parts[0].variables:
            steps, rate = _STEPS, _RATE
            variables = [
                {
                    name: tf.constant(np.concatenate([part.variables[i][name] for part in parts]))
                    for name in of
                }
                for i, of in enumerate(parts[0].variables)
            ]
        else:
            steps, rate = _FIRST_STEPS, 1.0
            variables = propagation.start(self._circuit, known, 1)
            for position in self._activations.values():
                variables[position]["added"] = tf.zeros_like(variables[position]["slope"])
        moments = [{name: (tf.zeros_like(v), tf.zeros_like(v)) for name, v in of.items()} for of in variables]
        of_type = tf.constant(rows, tf.float32)
        for step in range(1, steps + 1):
            share = rate * (1 - (step - 1) / steps)
            counted = tf.constant(float(step), tf.float32), tf.constant(share, tf.float32)
            _, variables, moments = self._programs.step(region, known, of_type, variables, moments, *counted)
        return variables

    def _cut(self, known: list[Enclosure], gaps: Gaps, i: int) -> Cut | None:
        """Of the unit whose interval makes part i's bound lack most; where that is none, of the widest interval."""
        most, cut = (0.0, 0.0), None
        for source, position in self._activations.items():
            lower, upper = (v[i].ravel() for v in (known[source].lower, known[source].upper))
            gap, near = (of[position][i].numpy().ravel() for of in (gaps.of_units, gaps.between))
            at = self._curves[position].cut(lower, upper, near)
            is_divisible = (lower < at) & (at < upper)
            gap = np.where(is_divisible, np.maximum(np.nan_to_num(gap), 0), 0)
            width = np.where(is_divisible, upper - lower, 0)
            unit = int(gap.argmax() if gap.any() else width.argmax())
            if (gap[unit], width[unit]) > most:
                most, cut = (gap[unit], width[unit]), Cut(source, unit, float(at[unit]))
        return cut

    def _image(self, x: np.ndarray, label: int, radius: float) -> _Image:
        region = Region.of(x[None], np.array([radius]), self._bounds, tf.float64)
        if is_affordable(self._circuit):
            known = narrow_enclosures(self._programs, region, self._rounding)
        else:
            known = self._programs.enclosed(region, self._rounding)
        return _Image(region, [Enclosure(*(v.numpy() for v in of)) for of in known], label)
