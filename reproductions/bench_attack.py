"""`python -m reproductions.bench_attack`: the attack beside SciPy's L-BFGS-B and foolbox, in one run.

The same Keras models, images and targets for all; every result is judged by one fresh forward pass, inside the
box. On softmax regression the exact optimum is computed too. Needs `pip install 'keras-intriguing[bench,demo]'`.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from rich.console import Console
from rich.table import Table
from scipy import optimize

import keras_intriguing as ki
from keras_intriguing.attack import penalty as penalty_method
from keras_intriguing.attack.logits import logits_function
from keras_intriguing.attack.program import CLASS_PENALTY, Bounds, Program, Task, margin_of, unit_of
from reproductions.run import PAPER

PRESETS = list(PAPER["table1"])
TARGETED, SPEED_IMAGES = 20, 256


class Outcome(NamedTuple):
    """Distances ‖r‖₂ [N], infinite where the attack failed, and the time it took."""

    distance: np.ndarray
    seconds: float


def main() -> None:
    """Prints three tables."""
    parser = argparse.ArgumentParser(description="The attack beside SciPy and foolbox.")
    parser.add_argument("presets", nargs="*", default=PRESETS)
    parser.add_argument("--images", type=int, default=100, help="images of the untargeted comparison")
    parser.add_argument("--dataset", choices=("mnist", "mnist5k"), default="mnist5k")
    parser.add_argument("--skip-carlini-wagner", action="store_true", help="it takes minutes a model")
    options = parser.parse_args()
    x, y = ki.data.load(options.dataset, "test" if options.dataset == "mnist" else "train")
    if options.dataset == "mnist5k":
        order = np.random.default_rng(0).permutation(len(x))
        x, y = x[order], y[order]
    console = Console(width=130)
    for preset in options.presets:
        model = ki.from_preset(preset)
        correct = np.flatnonzero(ki.evaluation.labels(model, x) == y)
        _first_call(console, preset, model, x[correct], y[correct])
        _untargeted(console, preset, model, x, y, correct[: options.images], options.skip_carlini_wagner)
        _targeted(console, preset, model, x, y, correct)


def _first_call(console: Console, preset: str, model: Any, x: np.ndarray, y: np.ndarray) -> None:
    targets = ki.transfer.random_targets(y[:SPEED_IMAGES], 10, seed=0)
    seconds = [
        _timed(lambda: ki.minimal_distortion(model, x[:SPEED_IMAGES], target=targets))[1] for _ in range(2)
    ]
    console.print(
        f"[bold]{preset}[/]: targeted direct, {SPEED_IMAGES} images: first call {seconds[0]:.1f} s (tracing and XLA "
        f"compilation included), second {seconds[1]:.2f} s"
    )
    _where_time_goes(console, model, x, y)


def _where_time_goes(console: Console, model: Any, x: np.ndarray, y: np.ndarray) -> None:
    """Times every compiled step on its own: traced and compiled once, then once more."""
    images = tf.constant(x[:SPEED_IMAGES].reshape(-1, x[0].size))
    targets = tf.constant(ki.transfer.random_targets(y[:SPEED_IMAGES], 10, seed=0))
    program = Program(logits_function(model), x.shape[1:], jit=True)
    logits = program.logits(images)
    rivals = ~tf.one_hot(targets, logits.shape[-1], on_value=True, off_value=False)
    task = Task(
        images, targets, rivals, Bounds(tf.constant(0.0), tf.constant(1.0)), margin_of(logits, targets)
    )
    walked = program.walk(task, tf.constant(0.1))
    multipliers = program.linearize(task, walked.v)[1]
    unit, rho = unit_of(task, walked), tf.fill([len(images), 1], CLASS_PENALTY)
    program = Program(logits_function(model), x.shape[1:], jit=True)
    steps = {
        "walk, 40 gradients": lambda: program.walk(task, tf.constant(0.1)),
        "approach, 4 projections": lambda: program.approach(task, walked),
        "one round of L-BFGS": lambda: program.minimize(
            task, walked.v, unit, multipliers, rho, tf.zeros_like(walked.distance)
        ),
        "bisection along r": lambda: program.shorten(task, walked.v),
    }
    table = Table("compiled step", "first call, s", "second call, s")
    for name, step in steps.items():
        table.add_row(
            name,
            *(
                f"{_timed(lambda step=step: tf.nest.map_structure(np.asarray, step()))[1]:.3f}"
                for _ in range(2)
            ),
        )
    console.print(table)


def _untargeted(
    console: Console, preset: str, model: Any, x: np.ndarray, y: np.ndarray, rows: np.ndarray, skip_slow: bool
) -> None:
    x, y = x[rows], y[rows]
    ki.minimal_distortion(model, x)  # compiles
    outcomes = {"direct": _ours(model, x, y, None, "direct")}
    for name, attack in _foolbox(skip_slow).items():
        outcomes[name] = _run_foolbox(attack, model, x, y)
    if preset.startswith("fc10_"):
        outcomes["exact optimum"] = Outcome(*_timed(lambda: _exact_untargeted(model, x, y)))
    ours = outcomes["direct"]
    table = Table(
        "attack", "success", "mean RMS", "mean / direct", "worst: direct / attack", "s", "s / direct"
    )
    for name, outcome in outcomes.items():
        both = np.isfinite(outcome.distance) & np.isfinite(ours.distance)
        ratio = outcome.distance[both].mean() / ours.distance[both].mean()
        table.add_row(
            name,
            f"{100 * np.isfinite(outcome.distance).mean():.0f}%",
            f"{outcome.distance[both].mean() / 28:.5f}",
            f"{ratio:.5f}",
            f"{(ours.distance / outcome.distance).max():.5f}",
            f"{outcome.seconds:.2f}",
            f"{outcome.seconds / ours.seconds:.1f}",
        )
    console.print(f"{preset}, untargeted, {len(x)} images classified rightly")
    console.print(table)


def _targeted(
    console: Console, preset: str, model: Any, x: np.ndarray, y: np.ndarray, correct: np.ndarray
) -> None:
    rows = correct[:SPEED_IMAGES]
    targets = ki.transfer.random_targets(y[rows], 10, seed=0)
    outcomes = {}
    for method in ("direct", "penalty"):
        ki.minimal_distortion(model, x[rows], target=targets, method=method)  # compiles
        outcomes[method] = _ours(model, x[rows], y[rows], targets, method)
    few = rows[:TARGETED]
    distance, seconds = _timed(lambda: _scipy_penalty(model, x[few], targets[:TARGETED]))
    outcomes["penalty, SciPy L-BFGS-B"] = Outcome(distance, seconds * len(rows) / len(few))
    if preset.startswith("fc10_"):
        outcomes["exact optimum"] = Outcome(*_timed(lambda: _exact_targeted(model, x[rows], targets)))
    table = Table(
        "targeted", "success", f"mean RMS, first {TARGETED}", "mean RMS, all", "worst: direct / it", "s"
    )
    for name, outcome in outcomes.items():
        count = len(outcome.distance)
        table.add_row(
            name,
            f"{100 * np.isfinite(outcome.distance).mean():.0f}%",
            f"{outcome.distance[:TARGETED].mean() / 28:.5f}",
            f"{outcome.distance.mean() / 28:.5f}" if count == len(rows) else "",
            f"{(outcomes['direct'].distance[:count] / outcome.distance).max():.5f}",
            f"{outcome.seconds:.2f}",
        )
    ratio = outcomes["penalty, SciPy L-BFGS-B"].seconds / outcomes["direct"].seconds
    console.print(
        f"{preset}, random targets, {len(rows)} images (SciPy, one image at a time: {len(few)}, its time scaled up): "
        f"SciPy takes {ratio:.0f} × the time of direct"
    )
    console.print(table)


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    result = work()
    return result, time.perf_counter() - started


def _ours(model: Any, x: np.ndarray, y: np.ndarray, targets: np.ndarray | None, method: str) -> Outcome:
    result, seconds = _timed(
        lambda: ki.minimal_distortion(
            model, x, target=targets, label=None if targets is not None else y, method=method
        )
    )
    return Outcome(_judged(model, x, y, result.adversarial, targets), seconds)


def _judged(
    model: Any, x: np.ndarray, y: np.ndarray, adversarial: np.ndarray, targets: np.ndarray | None
) -> np.ndarray:
    labels = np.argmax(np.asarray(model(adversarial)), axis=1)
    good = labels == targets if targets is not None else labels != y
    good &= (adversarial.min(axis=(1, 2, 3)) >= 0) & (adversarial.max(axis=(1, 2, 3)) <= 1)
    distance = np.linalg.norm((adversarial.astype(np.float64) - x).reshape(len(x), -1), axis=1)
    return np.where(good, distance, np.inf)


def _foolbox(skip_slow: bool) -> dict[str, Any]:
    import foolbox

    attacks = {
        "foolbox DDN, 1000 steps": foolbox.attacks.DDNAttack(steps=1000),
        "foolbox DDN, 100 steps": foolbox.attacks.DDNAttack(steps=100),
        "foolbox DeepFool": foolbox.attacks.L2DeepFoolAttack(),
        "foolbox C&W, default": foolbox.attacks.L2CarliniWagnerAttack(),
    }
    if skip_slow:
        del attacks["foolbox C&W, default"]
    return attacks


def _run_foolbox(attack: Any, model: Any, x: np.ndarray, y: np.ndarray) -> Outcome:
    import foolbox

    wrapped = foolbox.TensorFlowModel(model, bounds=(0, 1))
    labels = tf.constant(y, tf.int64)
    (_, adversarial, _), seconds = _timed(lambda: attack(wrapped, tf.constant(x), labels, epsilons=None))
    return Outcome(_judged(model, x, y, np.asarray(adversarial), None), seconds)


def _scipy_penalty(model: Any, x: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The penalty method image by image, with the search of `keras_intriguing.attack.penalty`."""

    @tf.function
    def entropy(v: tf.Tensor, target: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(v)
            logits = model(tf.reshape(tf.cast(v, tf.float32), (1, 28, 28, 1)), training=False)
            value = tf.nn.sparse_softmax_cross_entropy_with_logits(target[None], logits)[0]
        return value, tape.gradient(value, v), tf.argmax(logits[0])

    def one(image: np.ndarray, target: tf.Tensor) -> float:
        start, distance, c = image, np.inf, penalty_method.FIRST_C
        succeeded = failed = np.nan
        for _ in range(penalty_method.SEARCH_STEPS):

            def objective(v: np.ndarray, c: float = c) -> tuple[float, np.ndarray]:
                value, gradient, _ = entropy(tf.constant(v), target)
                return c * np.sum((v - image) ** 2) + float(value), 2 * c * (v - image) + gradient.numpy()

            v = optimize.minimize(
                objective, start, jac=True, method="L-BFGS-B", bounds=[(0, 1)] * image.size
            ).x
            if int(entropy(tf.constant(v), target)[2]) == int(target):
                start, distance, succeeded = v, np.linalg.norm(v - image), c
            else:
                failed = c
            c = float(penalty_method.next_c(np.array(succeeded), np.array(failed)))
        return distance

    flat = x.reshape(len(x), -1).astype(np.float64)
    return np.array([one(image, tf.constant(target)) for image, target in zip(flat, targets, strict=True)])


def _exact_targeted(model: Any, x: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Distance of a linear model's images to their targets: the dual in one multiplier a rival class."""
    kernel, bias = (np.asarray(w, np.float64) for w in model.get_weights())

    def one(image: np.ndarray, target: int) -> float:
        rivals = np.arange(len(bias)) != target
        a, b = (kernel[:, rivals] - kernel[:, [target]]).T, bias[rivals] - bias[target]

        def negative_dual(multipliers: np.ndarray) -> tuple[float, np.ndarray]:
            v = np.clip(image - multipliers @ a, 0, 1)
            constraints = a @ v + b
            return -(0.5 * np.sum((v - image) ** 2) + multipliers @ constraints), -constraints

        dual = optimize.minimize(
            negative_dual,
            np.zeros(len(b)),
            jac=True,
            method="L-BFGS-B",
            bounds=[(0, None)] * len(b),
            options={"maxiter": 2000, "ftol": 1e-15, "gtol": 1e-10},
        )
        return float(np.sqrt(-2 * dual.fun))

    flat = x.reshape(len(x), -1).astype(np.float64)
    return np.array([one(image, target) for image, target in zip(flat, targets, strict=True)])


def _exact_untargeted(model: Any, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Distance of a linear model's images to the nearest class: per class one scalar dual, by bisection."""
    kernel, bias = (np.asarray(w, np.float64) for w in model.get_weights())

    def one(image: np.ndarray, label: int, other: int) -> float:
        a, b = kernel[:, label] - kernel[:, other], bias[label] - bias[other]

        def residual(multiplier: float) -> float:
            return a @ np.clip(image - multiplier * a, 0, 1) + b

        if residual(1e6) > 0:
            return np.inf
        multiplier = optimize.brentq(residual, 0, 1e6, xtol=1e-12)
        return float(np.linalg.norm(np.clip(image - multiplier * a, 0, 1) - image))

    flat = x.reshape(len(x), -1).astype(np.float64)
    return np.array(
        [
            min(one(image, label, k) for k in range(10) if k != label)
            for image, label in zip(flat, y, strict=True)
        ]
    )


if __name__ == "__main__":
    main()
