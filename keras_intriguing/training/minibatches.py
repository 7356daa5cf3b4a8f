"""Minibatch training, with adversarial examples at the outputs of layers or without (paper §4.2)."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_intriguing.training import chain, epoch, pools
from keras_intriguing.training.checkpoints import Checkpoint, architecture
from keras_intriguing.training.pools import Pool
from keras_intriguing.training.settings import MinibatchTraining, Pools

_SAVED_EVERY = 5  # epochs


class Progress(NamedTuple):
    """The state of a training at the end of an epoch.

    Attributes:
        epochs: done so far.
        iterations: steps of the optimizer so far, one a minibatch.
        objective: mean over the epoch of what was minimized: cross-entropies and weight decay.
        distortion: of the examples generated last for the pool of every layer, mean ‖r‖₂/√n.
    """

    epochs: int
    iterations: int
    objective: float
    distortion: dict[str, float]


def fit(
    model: keras.Model,
    x: np.ndarray,
    y: np.ndarray,
    options: MinibatchTraining,
    *,
    seed: int = 0,
    checkpoint: Path | None = None,
    on_epoch: Callable[[Progress, int], None] = lambda progress, steps: None,
) -> Progress:
    """Trains a classifier, in place, on images and, if the options say so, on adversarial examples.

    Every step minimizes the cross-entropy of a minibatch of images, the weight decay, and the cross-entropy of a
    minibatch of adversarial examples, with their images' true labels. Of two kinds:

    - `Pools`, the paper's. For every layer a pool is kept: minimal perturbations of the layer's outputs for correctly
      classified training images, after which the layers above give another class. Before every epoch a random part of
      each pool is replaced by examples generated for the current weights. The pools take turns step by step. Examples at
      a layer's outputs train the layers above it only.
    - `GradientSteps`. The images of the minibatch once more, after a step along the gradient of their own cross-entropy at
      a layer's outputs. The layers take turns, and examples train those above only, as with pools.

    The order of images, the replacements and the dropout follow from the seed and the epoch alone, so that a
    run that was interrupted goes on from its checkpoint to the same weights as one that was not.

    Args:
        model: functional, a chain of layers from images [B, …] in [0, 1] to logits [B, K].
        x: float32 [N, …] in [0, 1].
        y: int [N], the classes.
        options: see `MinibatchTraining`.
        seed: of everything random but the model's starting weights.
        checkpoint: a file that is written every few epochs, and from which the run goes on if it exists.
        on_epoch: told of every epoch, and of the number of steps in all.

    Returns:
        The progress at the end.

    Raises:
        ValueError: options that do not fit the model or the data, or a checkpoint of another training.
        FloatingPointError: the objective is no longer finite.
    """
    _check(model, x, y, options)
    steps = len(x) // options.batch_size
    optimizer = _optimizer(options, steps)
    optimizer.build(model.trainable_variables)
    run_epoch = epoch.compiled(model, x, y, options, optimizer, seed)
    settings = {**dataclasses.asdict(options), "seed": seed, "model": architecture(model)}
    saved = Checkpoint(checkpoint, settings, x, y)
    variables = [*model.variables, *optimizer.variables]
    progress, examples = Progress(0, 0, float("inf"), {}), {}
    if restored := saved.restore(variables):
        progress, examples = _unpacked(*restored)

    for done in range(progress.epochs, options.epochs):
        random = np.random.default_rng([seed, done])
        distortion, size = {}, 1
        if isinstance(options.adversarial, Pools):
            size = options.adversarial.size
            if done >= options.adversarial.warmup:
                examples, distortion = pools.refreshed(examples, model, options.adversarial, x, y, random)
        order = random.permutation(len(x))[: steps * options.batch_size].reshape(steps, -1)
        drawn = random.integers(size, size=order.shape)
        objective = float(run_epoch(done * steps, order, drawn, examples))
        if not np.isfinite(objective):
            raise FloatingPointError(
                f"The objective is {objective} in epoch {done + 1}; lower learning_rate."
            )
        progress = Progress(done + 1, (done + 1) * steps, objective, distortion)
        if progress.epochs % _SAVED_EVERY == 0 or progress.epochs == options.epochs:
            saved.save(*_packed(progress, variables, examples))
        on_epoch(progress, steps * options.epochs)
    return progress


def _check(model: keras.Model, x: np.ndarray, y: np.ndarray, options: MinibatchTraining) -> None:
    """Checks options against the model and the data."""
    if len(x) != len(y) or len(x) == 0:
        raise ValueError(f"x holds {len(x)} images and y {len(y)} labels; as many are needed, at least one.")
    if x.min() < chain.UNIT[0] or x.max() > chain.UNIT[1]:
        raise ValueError(f"x ranges from {x.min():.6g} to {x.max():.6g}; pixels must be in [0, 1].")
    if options.batch_size > len(x):
        raise ValueError(f"batch_size is {options.batch_size}, but there are {len(x)} images.")
    kernels = len(epoch.kernels(model))
    if len(options.decay) != kernels:
        raise ValueError(
            f"decay has {len(options.decay)} coefficients, but {model.name} has {kernels} kernels."
        )
    if options.adversarial is not None:
        bounds = [chain.cut(model, layer).bounds for layer in options.adversarial.layers]
        if isinstance(options.adversarial, Pools):
            if any(found != chain.UNIT for found in bounds):
                raise ValueError("Pools are of examples at the input and at sigmoid layers only.")
            if options.adversarial.size > len(x):
                raise ValueError(
                    f"A pool of {options.adversarial.size} is larger than the training set of {len(x)} images."
                )


def _optimizer(options: MinibatchTraining, steps: int) -> keras.optimizers.Optimizer:
    schedule = keras.optimizers.schedules.CosineDecay(options.learning_rate, steps * options.epochs)
    return keras.optimizers.Adam(schedule)  # pyright: ignore[reportArgumentType] (typed by its default)


def _packed(
    progress: Progress, variables: Sequence[Any], examples: Mapping[str, Pool]
) -> tuple[dict[str, Any], Sequence[Any], dict[str, np.ndarray]]:
    """What a checkpoint holds: the state, the variables, and the pools as arrays."""
    arrays = {
        f"{layer}.{field}": array
        for layer, pool in examples.items()
        for field, array in pool._asdict().items()
    }
    return {**progress._asdict(), "pools": list(examples)}, variables, arrays


def _unpacked(state: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> tuple[Progress, dict[str, Pool]]:
    layers = state.pop("pools")
    examples = {layer: Pool(*(arrays[f"{layer}.{field}"] for field in Pool._fields)) for layer in layers}
    return Progress(**state), examples
