"""One attack's measurement on one model, in a process of its own."""

import contextlib
import dataclasses
import importlib
import os
import statistics
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import keras
import numpy as np

from reproductions.bench.attack import exact
from reproductions.bench.attack.attacks import COMPARISONS, EXACT, Attack
from reproductions.bench.attack.evaluation import Attacked, distances
from reproductions.bench.attack.subjects import Images, Subject
from reproductions.bench.cost import Cost, in_a_fresh_process, measured

_REPEAT_SECONDS = 10.0  # shorter runs are repeated: one hiccup of the machine is a large part of them
_EXACT = {"untargeted": exact.to_nearest, "targeted": exact.to_target}


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What an attack came to on one model.

    Attributes:
        distance: ‖r‖₂ of every image, None where the attack failed.
        seconds: of the run after the first call, where there is one; the median of three runs where these are short.
        cpu_seconds: of all processors together, likewise.
        peak_mib: by how much the process grew at its peak, in whichever call it was most.
        load: processes that wanted to run, on an average of the run's last minute.
        first_call: its seconds, None where there is none.
        passes: of the model, forward and backward, for every image; none of the exact optimum.
    """

    distance: list[float | None]
    seconds: float
    cpu_seconds: float
    peak_mib: float
    load: float
    first_call: float | None = None
    passes: list[float] = dataclasses.field(default_factory=list)


class _Run(NamedTuple):
    """What comes back from an attack's process."""

    attacked: Attacked
    costs: list[Cost]
    first: Cost | None


def measure(
    subject: Subject, model: keras.Model, comparison: str, name: str, budget: int, images: Images, seed: int
) -> Outcome:
    """Runs one attack on one model in a process of its own, and judges its images in this one.

    Args:
        subject: the model, by name.
        model: the same, loaded.
        comparison: `untargeted` or `targeted`.
        name: of the attack, or "exact".
        budget: passes an image.
        images: what is attacked.
        seed: of attacks that draw random numbers.
    """
    targets = images.targets if comparison == "targeted" else None
    labels = images.y if targets is None else targets
    if name == EXACT:
        kernel, bias = (np.asarray(w, np.float64) for w in model.get_weights())
        flat = images.x.reshape(len(images.x), -1).astype(np.float64)
        distance, costs = _repeated(lambda: _EXACT[comparison](kernel, bias, flat, labels))
        return _outcome(distance, costs, None, [])
    attack = COMPARISONS[comparison][name]
    with _backend(attack.backend):
        run = in_a_fresh_process(_run, subject, attack, attack.within(budget), images.x, labels, seed)
    found = distances(model, images.x, images.y, run.attacked.adversarial, targets)
    passes = np.broadcast_to(run.attacked.forward_passes + run.attacked.backward_passes, len(found))
    return _outcome(found, run.costs, run.first, [float(count) for count in passes])


@contextlib.contextmanager
def _backend(name: str) -> Iterator[None]:
    """Processes that are started have this backend of Keras."""
    before = os.environ.get("KERAS_BACKEND")
    os.environ["KERAS_BACKEND"] = name
    try:
        yield
    finally:
        os.environ.pop("KERAS_BACKEND")
        if before is not None:
            os.environ["KERAS_BACKEND"] = before


def _run(
    subject: Subject, attack: Attack, settings: dict[str, Any], x: np.ndarray, labels: np.ndarray, seed: int
) -> _Run:
    module, function = attack.run
    run = getattr(importlib.import_module(module), function)
    model = subject.load()
    keras.utils.set_random_seed(seed)
    run_on = lambda count: run(model, x[:count], labels[:count], **settings)  # noqa: E731
    warm_up = len(x) if attack.warm_up is None else attack.warm_up
    first = measured(lambda: run_on(warm_up))[1] if warm_up else None
    return _Run(*_repeated(lambda: run_on(len(x))), first)


def _repeated(work: Callable[[], Any]) -> tuple[Any, list[Cost]]:
    """The first result, and the costs of three runs, or of fewer when they take long."""
    result, cost = measured(work)
    costs = [cost]
    while len(costs) < 3 and sum(c.seconds for c in costs) < _REPEAT_SECONDS:
        costs.append(measured(work)[1])
    return result, costs


def _outcome(found: np.ndarray, costs: list[Cost], first: Cost | None, passes: list[float]) -> Outcome:
    return Outcome(
        distance=[float(d) if np.isfinite(d) else None for d in found],
        seconds=statistics.median(c.seconds for c in costs),
        cpu_seconds=statistics.median(c.cpu_seconds for c in costs),
        first_call=first.seconds if first else None,
        peak_mib=max(c.peak_mib for c in [*costs, *([first] if first else [])]),
        passes=passes,
        load=os.getloadavg()[0],
    )
