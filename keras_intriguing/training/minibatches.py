"""Minibatch training with pools of adversarial examples, made at the outputs of layers (paper §4.2)."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_intriguing.classifiers import evaluation
from keras_intriguing.training import checkpoints, pools
from keras_intriguing.training.pools import Cut, Pool
from keras_intriguing.training.recipes import AdversarialTraining

_SAVED_EVERY = 5  # epochs


class Progress(NamedTuple):
    """The state of a training at the end of an epoch.

    Attributes:
        epochs: done so far.
        iterations: steps of the optimizer so far, one a minibatch.
        objective: mean over the epoch of what was minimized: cross-entropies and weight decay.
        distortion: of the examples made last for the pool of every layer, mean ‖r‖₂/√n.
    """

    epochs: int
    iterations: int
    objective: float
    distortion: dict[str, float]


def train(
    model: keras.Model,
    x: np.ndarray,
    y: np.ndarray,
    options: AdversarialTraining,
    *,
    seed: int = 0,
    checkpoint: Path | None = None,
    on_epoch: Callable[[Progress, int], None] = lambda progress, steps: None,
) -> Progress:
    """Trains a classifier, in place, on images and on adversarial examples of themselves.

    For every layer of `options.layers` a pool of examples is kept: minimal changes of the layer's outputs for
    training images that the model classifies rightly, after which the layers above give another class. Before
    every epoch a random part of each pool is replaced by examples made for today's weights. Every step
    minimizes the cross-entropy of a minibatch of images, the weight decay, and the cross-entropy, with their
    images' true labels, of a minibatch from one pool; the pools take turns step by step. Examples at a
    layer's outputs train the layers above it only.

    The order of images, the replacements and the dropout follow from the seed and the epoch alone, so that a
    run that was interrupted goes on from its checkpoint to the same weights as one that was not.

    Args:
        model: functional, a chain of layers from images [B, …] in [0, 1] to logits [B, K].
        x: float32 [N, …] in [0, 1].
        y: int [N], the classes.
        options: see `AdversarialTraining`.
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
    settings = {**dataclasses.asdict(options), "seed": seed, "model": _architecture(model)}
    belongs_to = checkpoints.fingerprint(settings, x, y)
    state = [*model.variables, *optimizer.variables]
    progress, held = Progress(0, 0, float("inf"), {}), {}
    if checkpoint and checkpoint.exists():
        progress, held = _restore(checkpoint, belongs_to, state)

    for epoch in range(progress.epochs, options.epochs):
        random = np.random.default_rng([seed, epoch])
        distortion = {}
        if cuts and epoch >= options.warmup:
            held, distortion = _renew(held, model, cuts, x, y, options, random)
        order = random.permutation(len(x))[: steps * options.batch_size].reshape(steps, -1)
        drawn = random.integers(options.pool, size=order.shape)
        objective = float(run_epoch(epoch * steps, order, drawn, held))
        if not np.isfinite(objective):
            raise FloatingPointError(
                f"The objective is {objective} in epoch {epoch + 1}; lower learning_rate."
            )
        progress = Progress(epoch + 1, (epoch + 1) * steps, objective, distortion)
        if checkpoint and (progress.epochs % _SAVED_EVERY == 0 or progress.epochs == options.epochs):
            _save(checkpoint, belongs_to, state, progress, held)
        on_epoch(progress, steps * options.epochs)
    return progress


def _architecture(model: keras.Model) -> list[list[Any]]:
    """Every layer's class, weights' shapes and activation, by which a checkpoint knows its model."""
    return [
        [type(layer).__name__, [list(w.shape) for w in layer.weights], getattr(activation, "__name__", None)]
        for layer in model.layers
        for activation in [getattr(layer, "activation", None)]
    ]


def _check(model: keras.Model, x: np.ndarray, y: np.ndarray, options: AdversarialTraining) -> None:
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


def _optimizer(options: AdversarialTraining, steps: int) -> keras.optimizers.Optimizer:
    schedule = keras.optimizers.schedules.CosineDecay(options.learning_rate, steps * options.epochs)
    return keras.optimizers.Adam(schedule)


def _kernels(model: keras.Model) -> list[keras.Variable]:
    return [v for v in model.trainable_variables if len(v.shape) > 1]


def _renew(
    held: Mapping[str, Pool],
    model: keras.Model,
    cuts: Mapping[str, Cut],
    x: np.ndarray,
    y: np.ndarray,
    options: AdversarialTraining,
    random: np.random.Generator,
) -> tuple[dict[str, Pool], dict[str, float]]:
    """The pools with new examples, which fill a pool at first, and the mean distortion of the new ones.

    An image that the model misclassifies already is no start: its minimal change is none at all.
    """
    right = np.flatnonzero(evaluation.labels(model, x) == y)
    renewed, distortion = {}, {}
    for layer, parts in cuts.items():
        wanted = options.replaced if layer in held else options.pool
        if len(right) < wanted:
            raise ValueError(
                f"{wanted} examples are to be made, but only {len(right)} images are classified rightly. "
                "Train longer before (warmup), or make the pool smaller."
            )
        images = random.choice(right, wanted, replace=False)
        new, distortion[layer] = pools.make(parts, x, y, images, options.targets, int(random.integers(2**31)))
        renewed[layer] = pools.replaced(held[layer], new, random) if layer in held else new
    return renewed, distortion


def _epoch_function(
    model: keras.Model,
    cuts: Mapping[str, Cut],
    x: np.ndarray,
    y: np.ndarray,
    options: AdversarialTraining,
    optimizer: keras.optimizers.Optimizer,
    seed: int,
) -> Callable[[int, np.ndarray, np.ndarray, Mapping[str, Pool]], tf.Tensor]:
    """One epoch as a compiled function of the first step's number, images and examples by step, and pools."""
    variables, kernels = model.trainable_variables, _kernels(model)
    images, labels = tf.constant(x), tf.constant(y)

    def entropy(of: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(tf.gather(labels, of), logits))

    def adversarial(parts: Cut, pool: Pool, drawn: tf.Tensor) -> tf.Tensor:
        """Of the drawn examples (modulo the pool's size: a failed attack leaves it smaller)."""
        drawn %= tf.shape(pool.image)[0]
        of = tf.gather(pool.image, drawn)
        h = tf.stop_gradient(parts.below(tf.gather(images, of)))
        change = options.stretch * tf.gather(pool.change, drawn)
        return entropy(of, parts.above(tf.clip_by_value(h + change, *pools.BOX)))

    def objective(step: tf.Tensor, of: tf.Tensor, drawn: tf.Tensor, held: Sequence[Pool]) -> tf.Tensor:
        logits = _dropped_out(model, tf.gather(images, of), options.dropout, tf.stack([seed, step]))
        pairs = zip(options.decay, kernels, strict=True)
        loss = entropy(of, logits) + tf.add_n([decay * tf.reduce_sum(kernel**2) for decay, kernel in pairs])
        if held:
            losses = [
                lambda parts=parts, pool=pool: adversarial(parts, pool, drawn)
                for parts, pool in zip(cuts.values(), held, strict=True)
            ]
            loss += options.weight * tf.switch_case(step % len(losses), losses)
        return loss

    @tf.function(autograph=False)
    def run(first: tf.Tensor, order: tf.Tensor, drawn: tf.Tensor, held: Sequence[Pool]) -> tf.Tensor:
        def step(i: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            with tf.GradientTape() as tape:
                value = objective(first + i, order[i], drawn[i], held)
            optimizer.apply(tape.gradient(value, variables), variables)
            return i + 1, total + value

        count = tf.shape(order)[0]
        _, total = tf.while_loop(lambda i, _: i < count, step, (0, 0.0))
        return total / tf.cast(count, tf.float32)

    def run_epoch(first: int, order: np.ndarray, drawn: np.ndarray, held: Mapping[str, Pool]) -> tf.Tensor:
        indices = (tf.constant(i, tf.int32) for i in (first, order, drawn))
        return run(*indices, [Pool(*map(tf.constant, pool)) for pool in held.values()])

    return run_epoch


def _dropped_out(model: keras.Model, h: tf.Tensor, rates: tuple[float, float], seed: tf.Tensor) -> tf.Tensor:
    """The logits under dropout, at these rates, of the images and of the hidden layers' outputs.

    It is no layer of the model, which stays what it is without.
    """
    if not any(rates):
        return model(h)

    def dropped(h: tf.Tensor, rate: float, place: int) -> tf.Tensor:
        own = tf.random.experimental.stateless_fold_in(seed, place)
        return tf.nn.experimental.stateless_dropout(h, rate, seed=own) if rate else h

    h = dropped(h, rates[0], 0)
    _, *layers, last = model.layers
    for place, layer in enumerate(layers, start=1):
        h = layer(h)
        if layer.trainable_variables:
            h = dropped(h, rates[1], place)
    return last(h)


def _save(
    path: Path,
    belongs_to: str,
    variables: Sequence[Any],
    progress: Progress,
    held: Mapping[str, Pool],
) -> None:
    arrays = {f"variable{i}": np.asarray(v) for i, v in enumerate(variables)}
    for layer, pool in held.items():
        arrays |= {f"{layer}.image": pool.image, f"{layer}.change": pool.change}
    checkpoints.write(path, belongs_to, {**progress._asdict(), "pools": list(held)}, arrays)


def _restore(path: Path, belongs_to: str, variables: Sequence[Any]) -> tuple[Progress, dict[str, Pool]]:
    state, arrays = checkpoints.read(path, belongs_to)
    for i, variable in enumerate(variables):
        variable.assign(arrays[f"variable{i}"])
    names = state.pop("pools")
    held = {layer: Pool(arrays[f"{layer}.image"], arrays[f"{layer}.change"]) for layer in names}
    return Progress(**state), held
