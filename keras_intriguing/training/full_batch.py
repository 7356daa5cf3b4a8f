"""Training as the paper did, by full-batch L-BFGS until convergence (Table 1)."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_intriguing import optimize
from keras_intriguing.training.checkpoints import Checkpoint, architecture
from keras_intriguing.training.progress import OnProgress
from keras_intriguing.training.settings import FullBatchTraining, SparseAutoencoder

# of the values of the variables that are trained
Objective = Callable[[Sequence[tf.Tensor]], tf.Tensor]


class _Stage(NamedTuple):
    """One minimization; `prepare` gives its objective and the variables that it trains."""

    name: str
    max_iterations: int
    prepare: Callable[[], tuple[Objective, Sequence[keras.Variable]]]


def fit(
    model: keras.Model,
    x: np.ndarray,
    y: np.ndarray,
    training: FullBatchTraining,
    *,
    seed: int = 0,
    checkpoint: Path | None = None,
    on_progress: OnProgress = lambda stage, progress, most: None,
) -> list[dict[str, Any]]:
    """Minimizes stage by stage, in place, going on from the checkpoint if there is one.

    Args:
        model: from images [B, …] to logits [B, K]; with an autoencoder, an `AE400_10`.
        x: float32 [N, …] in [0, 1].
        y: int [N], the classes.
        training: the stages and their objectives.
        seed: of the model's starting weights, which only the checkpoint asks for; nothing here is random.
        checkpoint: a file that is written after every round of L-BFGS.
        on_progress: told of every round: its stage, the progress, and the stage's largest number of iterations.

    Returns:
        For every stage its name, iterations, evaluations, final objective, and whether it converged.

    Raises:
        ValueError: the checkpoint belongs to another training.
        FloatingPointError: the objective is not finite at the start.
    """
    settings = {**dataclasses.asdict(training), "seed": seed, "model": architecture(model)}
    saved = Checkpoint(checkpoint, settings, x, y)
    weights = list(model.weights)
    done: list[dict[str, Any]] = []
    start: optimize.Progress | None = None
    if restored := saved.restore(weights):
        done, progress = restored[0]["done"], restored[0]["progress"]
        start = optimize.Progress(*progress) if progress else None

    stages = [
        _Stage("classifier", training.max_iterations, lambda: _classifier_objective(model, x, y, training))
    ]
    if sparse := training.autoencoder:
        first = _Stage("autoencoder", sparse.max_iterations, lambda: _autoencoder_objective(model, x, sparse))
        stages.insert(0, first)
    for stage in stages[len(done) :]:
        objective, trained = stage.prepare()

        def on_round(progress: optimize.Progress, stage: _Stage = stage) -> None:
            saved.save({"done": done, "progress": progress}, weights)
            on_progress(stage.name, progress, stage.max_iterations)

        progress = optimize.minimize_variables(
            objective,
            [v.value for v in trained],
            max_iterations=stage.max_iterations,
            tolerance=training.tolerance,
            start=start,
            on_round=on_round,
        )
        start = None
        done.append({"stage": stage.name, **progress._asdict()})
        saved.save({"done": done, "progress": None}, weights)
    return done


def _classifier_objective(
    model: Any, x: np.ndarray, y: np.ndarray, training: FullBatchTraining
) -> tuple[Objective, Sequence[keras.Variable]]:
    """Mean cross-entropy plus weight decay; over a frozen autoencoder, only the softmax on its code."""
    if training.autoencoder:
        layer = model.classifier
        inputs = model.encoder(x.reshape(len(x), -1))
    else:
        layer, inputs = model, tf.constant(x)
    labels = tf.constant(y)

    def objective(values: Sequence[tf.Tensor]) -> tf.Tensor:
        logits, _ = layer.stateless_call(values, [], inputs)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        kernels = [v for v in values if len(v.shape) > 1]
        pairs = zip(training.decay, kernels, strict=True)
        return loss + tf.add_n([decay * tf.reduce_sum(kernel**2) for decay, kernel in pairs])

    return objective, layer.trainable_variables


def _autoencoder_objective(
    model: Any, x: np.ndarray, settings: SparseAutoencoder
) -> tuple[Objective, Sequence[keras.Variable]]:
    """See `SparseAutoencoder`."""
    images = tf.constant(x.reshape(len(x), -1))
    trained = [*model.encoder.trainable_variables, *model.decoder.trainable_variables]

    def objective(values: Sequence[tf.Tensor]) -> tf.Tensor:
        code, _ = model.encoder.stateless_call(values[:2], [], images)
        reconstruction, _ = model.decoder.stateless_call(values[2:], [], code)
        rho, mean = settings.activity, tf.reduce_mean(code, axis=0)
        divergence = rho * tf.math.log(rho / mean) + (1 - rho) * tf.math.log((1 - rho) / (1 - mean))
        squares = tf.reduce_sum(values[0] ** 2) + tf.reduce_sum(values[2] ** 2)
        return (
            tf.nn.l2_loss(reconstruction - images) / len(x)
            + settings.weight * tf.reduce_sum(divergence)
            + settings.decay * squares
        )

    return objective, trained
