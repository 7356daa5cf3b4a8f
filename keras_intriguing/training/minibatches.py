"""Minibatch training, with pools of adversarial examples at the outputs of layers or without (paper §4.2)."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_intriguing.classifiers import evaluation
from keras_intriguing.training import pools
from keras_intriguing.training.checkpoints import Checkpoint, architecture
from keras_intriguing.training.pools import Cut, Pool
from keras_intriguing.training.settings import MinibatchTraining

_SAVED_EVERY = 5  # epochs

_PoolTensors = tuple[tf.Tensor, tf.Tensor]  # a `Pool` inside the compiled epoch


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
    """Trains a classifier, in place, on images and, if layers are named, on adversarial examples.

    For every layer of `options.layers` a pool of examples is kept: minimal perturbations of the layer's outputs for
    correctly classified training images, after which the layers above give another class. Before every epoch a
    random part of each pool is replaced by examples generated for the current weights. Every step
    minimizes the cross-entropy of a minibatch of images, the weight decay, and the cross-entropy, with their
    images' true labels, of a minibatch from one pool; the pools take turns step by step. Examples at a
    layer's outputs train the layers above it only.

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
    cuts = {layer: pools.cut(model, layer) for layer in options.layers}
    steps = len(x) // options.batch_size
    optimizer = _optimizer(options, steps)
    optimizer.build(model.trainable_variables)
    run_epoch = _epoch_function(model, cuts, x, y, options, optimizer, seed)
    settings = {**dataclasses.asdict(options), "seed": seed, "model": architecture(model)}
    saved = Checkpoint(checkpoint, settings, x, y)
    variables = [*model.variables, *optimizer.variables]
    progress, examples = Progress(0, 0, float("inf"), {}), {}
    if restored := saved.restore(variables):
        progress, examples = _unpacked(*restored)

    for epoch in range(progress.epochs, options.epochs):
        random = np.random.default_rng([seed, epoch])
        distortion = {}
        if cuts and epoch >= options.warmup:
            examples, distortion = _refreshed(examples, model, cuts, x, y, options, random)
        order = random.permutation(len(x))[: steps * options.batch_size].reshape(steps, -1)
        drawn = random.integers(options.pool, size=order.shape)
        objective = float(run_epoch(epoch * steps, order, drawn, examples))
        if not np.isfinite(objective):
            raise FloatingPointError(
                f"The objective is {objective} in epoch {epoch + 1}; lower learning_rate."
            )
        progress = Progress(epoch + 1, (epoch + 1) * steps, objective, distortion)
        if progress.epochs % _SAVED_EVERY == 0 or progress.epochs == options.epochs:
            saved.save(*_packed(progress, variables, examples))
        on_epoch(progress, steps * options.epochs)
    return progress


def _check(model: keras.Model, x: np.ndarray, y: np.ndarray, options: MinibatchTraining) -> None:
    """Checks options against the model and the data."""
    if len(x) != len(y) or len(x) == 0:
        raise ValueError(f"x holds {len(x)} images and y {len(y)} labels; as many are needed, at least one.")
    if x.min() < pools.BOX[0] or x.max() > pools.BOX[1]:
        raise ValueError(f"x ranges from {x.min():.6g} to {x.max():.6g}; pixels must be in [0, 1].")
    if options.batch_size > len(x):
        raise ValueError(f"batch_size is {options.batch_size}, but there are {len(x)} images.")
    if options.layers and options.pool > len(x):
        raise ValueError(f"A pool of {options.pool} is larger than the training set of {len(x)} images.")
    kernels = len(_kernels(model))
    if len(options.decay) != kernels:
        raise ValueError(
            f"decay has {len(options.decay)} coefficients, but {model.name} has {kernels} kernels."
        )


def _optimizer(options: MinibatchTraining, steps: int) -> keras.optimizers.Optimizer:
    schedule = keras.optimizers.schedules.CosineDecay(options.learning_rate, steps * options.epochs)
    return keras.optimizers.Adam(schedule)  # pyright: ignore[reportArgumentType] (typed by its default)


def _kernels(model: keras.Model) -> list[keras.Variable]:
    return [v for v in model.trainable_variables if len(v.shape) > 1]


def _refreshed(
    examples: Mapping[str, Pool],
    model: keras.Model,
    cuts: Mapping[str, Cut],
    x: np.ndarray,
    y: np.ndarray,
    options: MinibatchTraining,
    random: np.random.Generator,
) -> tuple[dict[str, Pool], dict[str, float]]:
    """The pools with new examples, which fill a pool at first, and the mean distortion of the new ones.

    An image that is misclassified already is no start: its minimal perturbation is zero.
    """
    correct = np.flatnonzero(evaluation.labels(model, x) == y)
    refreshed, distortion = {}, {}
    for layer, parts in cuts.items():
        count = options.replaced if layer in examples else options.pool
        if len(correct) < count:
            raise ValueError(
                f"{count} examples are to be generated, but only {len(correct)} images are correctly classified. "
                "Train longer before (warmup), or make the pool smaller."
            )
        chosen = random.choice(correct, count, replace=False)
        seed = int(random.integers(2**31))
        new, distortion[layer] = pools.generate(parts, x, y, chosen, options.targets, seed)
        refreshed[layer] = pools.replace(examples[layer], new, random) if layer in examples else new
    return refreshed, distortion


def _epoch_function(
    model: keras.Model,
    cuts: Mapping[str, Cut],
    x: np.ndarray,
    y: np.ndarray,
    options: MinibatchTraining,
    optimizer: keras.optimizers.Optimizer,
    seed: int,
) -> Callable[[int, np.ndarray, np.ndarray, Mapping[str, Pool]], tf.Tensor]:
    """One epoch as a compiled function of the first step's number, images and examples by step, and pools."""
    variables, kernels = model.trainable_variables, _kernels(model)
    images, labels = tf.constant(x), tf.constant(y)

    def entropy(chosen: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        of_chosen = tf.gather(labels, chosen)
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(of_chosen, logits))

    def adversarial(parts: Cut, pool: _PoolTensors, drawn: tf.Tensor) -> tf.Tensor:
        """Of the drawn examples (modulo the pool's size: a failed attack leaves it smaller)."""
        image, perturbation = pool
        drawn = tf.math.floormod(drawn, tf.shape(image)[0])
        originals = tf.gather(image, drawn)
        h = tf.stop_gradient(parts.below(tf.gather(images, originals)))
        r = options.stretch * tf.gather(perturbation, drawn)
        return entropy(originals, parts.above(tf.clip_by_value(h + r, *pools.BOX)))

    def objective(
        step: tf.Tensor, chosen: tf.Tensor, drawn: tf.Tensor, examples: Sequence[_PoolTensors]
    ) -> tf.Tensor:
        logits = _with_dropout(model, tf.gather(images, chosen), options.dropout, tf.stack([seed, step]))
        pairs = zip(options.decay, kernels, strict=True)
        penalty = tf.add_n([decay * tf.reduce_sum(kernel**2) for decay, kernel in pairs])
        loss = entropy(chosen, logits) + penalty
        if examples:
            losses = [
                lambda parts=parts, pool=pool: adversarial(parts, pool, drawn)
                for parts, pool in zip(cuts.values(), examples, strict=True)
            ]
            loss += options.weight * tf.switch_case(tf.math.floormod(step, len(losses)), losses)
        return loss

    @tf.function(autograph=False)
    def run(
        first: tf.Tensor, order: tf.Tensor, drawn: tf.Tensor, examples: Sequence[_PoolTensors]
    ) -> tf.Tensor:
        def step(i: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            with tf.GradientTape() as tape:
                value = objective(first + i, order[i], drawn[i], examples)
            optimizer.apply(tape.gradient(value, variables), variables)
            return i + 1, total + value

        count = tf.shape(order)[0]
        _, total = tf.while_loop(lambda i, _: i < count, step, (0, 0.0))
        return total / tf.cast(count, tf.float32)

    def run_epoch(
        first: int, order: np.ndarray, drawn: np.ndarray, examples: Mapping[str, Pool]
    ) -> tf.Tensor:
        indices = [tf.constant(i, tf.int32) for i in (first, order, drawn)]
        pairs = [(tf.constant(pool.image), tf.constant(pool.perturbation)) for pool in examples.values()]
        return run(indices[0], indices[1], indices[2], pairs)

    return run_epoch


def _with_dropout(model: keras.Model, h: tf.Tensor, rates: tuple[float, float], seed: tf.Tensor) -> tf.Tensor:
    """The logits under dropout, at these rates, of the images and of the hidden layers' outputs.

    It is no layer of the model, which stays what it is without.
    """
    if not any(rates):
        return model(h)

    def dropped(h: tf.Tensor, rate: float, place: int) -> tf.Tensor:
        own = tf.random.fold_in(seed, place)
        return tf.nn.experimental.stateless_dropout(h, rate, seed=own) if rate else h

    h = dropped(h, rates[0], 0)
    _, *layers, last = model.layers
    for place, layer in enumerate(layers, start=1):
        h = layer(h)
        if layer.trainable_variables:
            h = dropped(h, rates[1], place)
    return last(h)


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
