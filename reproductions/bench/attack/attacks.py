"""The attacks that are compared, and one's measurement on one model."""

import dataclasses
import importlib
import os
import statistics
from collections.abc import Callable
from importlib import metadata
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

import keras_intriguing as ki
from reproductions.bench.attack import exact, other_tools
from reproductions.bench.attack.evaluation import Attacked, distances
from reproductions.bench.cost import Cost, measured
from reproductions.shared.code import code_of

EXACT = "exact"
_ALL, _FEW, _NONE = None, 10, 0  # images of a first call
_REPEAT_SECONDS = 10.0  # shorter runs are repeated: one hiccup of the machine is a large part of them


class Attack(NamedTuple):
    """One attack of the comparison.

    Attributes:
        title: in tables.
        run: maps a model, images, labels and the settings to adversarial images.
        settings: of it.
        packages: that it needs: their import names and their names in the registry.
        warm_up: how many images its first call gets, which compiles, and whose time is given on its own.
    """

    title: str
    run: Callable[..., Attacked]
    settings: dict[str, Any]
    packages: dict[str, str]
    warm_up: int | None = _NONE


def untargeted(model: keras.Model, x: np.ndarray, labels: np.ndarray, *, method: str) -> Attacked:
    """The package's own attack, to the nearest class other than `labels` [B]."""
    result = ki.minimal_distortion(model, x, label=labels, method=method)
    return Attacked(result.adversarial, float(result.backward_passes.mean()))


def targeted(model: keras.Model, x: np.ndarray, targets: np.ndarray, *, method: str) -> Attacked:
    """The package's own attack, to `targets` [B]."""
    result = ki.minimal_distortion(model, x, target=targets, method=method)
    return Attacked(result.adversarial, float(result.backward_passes.mean()))


_FOOLBOX = {"foolbox": "foolbox", "eagerpy": "eagerpy"}
_NUMBA = {**_FOOLBOX, "numba": "numba"}
_ART = {"art": "adversarial-robustness-toolbox"}


def _foolbox(title: str, attack: str, **settings: Any) -> Attack:
    return Attack(f"foolbox {title}", other_tools.foolbox, {"attack": attack, **settings}, _FOOLBOX)


def _brendel_bethge(title: str, start: str) -> Attack:
    return Attack(f"foolbox {title}", other_tools.foolbox_brendel_bethge, {"start": start}, _NUMBA, _FEW)


UNTARGETED = {
    "direct": Attack("direct", untargeted, {"method": "direct"}, {}, _ALL),
    "ddn1000": _foolbox("DDN, 1000 steps", "DDNAttack", steps=1000),
    "cw": _foolbox("C&W", "L2CarliniWagnerAttack"),
    "ddn100": _foolbox("DDN, 100 steps", "DDNAttack", steps=100),
    "deepfool": _foolbox("DeepFool", "L2DeepFoolAttack"),
    "fmn": _foolbox("FMN, as shipped", "L2FMNAttack"),
    "fmn1000": Attack(
        "foolbox FMN, mended, 1000 steps", other_tools.foolbox_fmn_mended, {"steps": 1000}, _FOOLBOX
    ),
    "bb": _brendel_bethge("Brendel–Bethge from images", start="images"),
    "bb-ddn": _brendel_bethge("Brendel–Bethge from DDN", start="DDN"),
    "art-deepfool": Attack("ART DeepFool", other_tools.art, {"attack": "DeepFool"}, _ART),
    "art-cw": Attack("ART C&W", other_tools.art, {"attack": "CarliniL2Method"}, _ART),
    "penalty": Attack("penalty", untargeted, {"method": "penalty"}, {}, _ALL),
}
TARGETED = {
    "direct": Attack("direct", targeted, {"method": "direct"}, {}, _ALL),
    "penalty": Attack("penalty", targeted, {"method": "penalty"}, {}, _ALL),
    "scipy": Attack("penalty, SciPy L-BFGS-B", other_tools.scipy_penalty, {}, {"scipy": "scipy"}),
}
COMPARISONS = {"untargeted": UNTARGETED, "targeted": TARGETED}
_EXACT = {"untargeted": exact.to_nearest, "targeted": exact.to_target}


def title(comparison: str, name: str) -> str:
    """What a table calls an attack."""
    return "exact optimum" if name == EXACT else COMPARISONS[comparison][name].title


def key(preset: str, comparison: str, name: str) -> dict[str, Any]:
    """What of an attack on a preset decides its outcome, for its record's key.

    Raises:
        ImportError: a package that it needs is not there.
    """
    code = code_of(__name__, [preset])
    if name == EXACT:
        return {"code": code, "scipy": metadata.version("scipy")}
    attack = COMPARISONS[comparison][name]
    try:
        versions = {package: metadata.version(package) for package in attack.packages.values()}
    except metadata.PackageNotFoundError as error:
        raise ImportError(
            f"{attack.title} needs {error.name}: pip install 'keras-intriguing[bench,demo]', or choose others "
            "with --attacks."
        ) from error
    return {"attack": name, "settings": attack.settings, "code": code, **versions}


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
        gradients: of the model computed for an image; None for the exact optimum.
    """

    distance: list[float | None]
    seconds: float
    cpu_seconds: float
    peak_mib: float
    load: float
    first_call: float | None = None
    gradients: float | None = None


def measure(
    preset: str, comparison: str, name: str, x: np.ndarray, y: np.ndarray, targets: np.ndarray, seed: int
) -> Outcome:
    """Runs one attack on one model; in a process of its own, or the peak of memory means nothing.

    Args:
        preset: the model.
        comparison: `untargeted` or `targeted`.
        name: of the attack, or "exact".
        x: images [B, …].
        y: their labels [B].
        targets: classes to reach [B].
        seed: of attacks that draw random numbers.
    """
    model = ki.from_preset(preset)
    keras.utils.set_random_seed(seed)
    labels = targets if comparison == "targeted" else y
    if name == EXACT:
        kernel, bias = (np.asarray(w, np.float64) for w in model.get_weights())
        flat = x.reshape(len(x), -1).astype(np.float64)
        distance, costs = _repeated(lambda: _EXACT[comparison](kernel, bias, flat, labels))
        return _outcome(distance, costs, None, None)
    attack = COMPARISONS[comparison][name]
    for package in attack.packages:
        importlib.import_module(package)
    _differentiate(model, x)
    first = None
    count = len(x) if attack.warm_up is _ALL else attack.warm_up
    if count:
        _, first = measured(lambda: attack.run(model, x[:count], labels[:count], **attack.settings))
    attacked, costs = _repeated(lambda: attack.run(model, x, labels, **attack.settings))
    found = distances(model, x, y, attacked.adversarial, targets if comparison == "targeted" else None)
    return _outcome(found, costs, first, attacked.gradients)


def _repeated(work: Callable[[], Any]) -> tuple[Any, list[Cost]]:
    """The first result, and the costs of three runs, or of fewer when they take long."""
    result, cost = measured(work)
    costs = [cost]
    while len(costs) < 3 and sum(c.seconds for c in costs) < _REPEAT_SECONDS:
        costs.append(measured(work)[1])
    return result, costs


def _differentiate(model: keras.Model, x: np.ndarray) -> None:
    """Once, that no attack pays for what TensorFlow sets up at its first gradient."""
    with tf.GradientTape() as tape:
        images = tf.constant(x)
        tape.watch(images)
        total = tf.reduce_sum(model(images))
    tape.gradient(total, images)


def _outcome(found: np.ndarray, costs: list[Cost], first: Cost | None, gradients: float | None) -> Outcome:
    return Outcome(
        distance=[float(d) if np.isfinite(d) else None for d in found],
        seconds=statistics.median(c.seconds for c in costs),
        cpu_seconds=statistics.median(c.cpu_seconds for c in costs),
        first_call=first.seconds if first else None,
        peak_mib=max(c.peak_mib for c in [*costs, *([first] if first else [])]),
        gradients=gradients,
        load=os.getloadavg()[0],
    )
