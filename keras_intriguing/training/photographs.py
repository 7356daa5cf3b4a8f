"""Minibatch training of nets on photographs, with random crops, flips and colours."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_intriguing.classifiers import evaluation
from keras_intriguing.data.photographs import Photographs, require_disjoint
from keras_intriguing.training.checkpoints import Checkpoint
from keras_intriguing.training.settings import PhotographTraining

_SAVED_EVERY = 2  # epochs
_VALIDATED_EVERY = 4
_ASPECTS = (3 / 4, 4 / 3)
_EMA = 0.9995  # a step's factor on the average of the weights so far
_READ_AT = 1.25  # of the size of the crops: larger photographs are shrunk first


class Progress(NamedTuple):
    """The state of a training at the end of an epoch.

    Attributes:
        epochs: done so far.
        iterations: steps of the optimizer so far, one a minibatch.
        objective: mean over the epoch of the cross-entropy with smoothed labels.
        curve: of every epoch the objective, the error on its augmented training images under dropout (where images are
            mixed, of the larger part's class), and, every few epochs, the validation error (else None), of the weights
            as they are, not averaged.
    """

    epochs: int
    iterations: int
    objective: float
    curve: list[list[float | None]]


def fit(
    model: keras.Model,
    images: Photographs,
    validation: Photographs,
    options: PhotographTraining,
    *,
    seed: int = 0,
    checkpoint: Path | None = None,
    on_epoch: Callable[[Progress, int], None] = lambda progress, steps: None,
) -> Progress:
    """Trains a classifier, in place, in bfloat16 arithmetic with float32 weights.

    The order of images, their crops and colours follow from the seed and the step alone, so that a run that was
    interrupted goes on from its checkpoint as one that was not.

    Args:
        model: from square images [B, S, S, 3] in [0, 1] to logits [B, K]; it has a `get_config`.
        images: to train on.
        validation: whose error is followed; nothing here is decided by it.
        options: see `PhotographTraining`.
        seed: of everything random but the model's starting weights.
        checkpoint: a file that is written every few epochs, and from which the run goes on if it exists.
        on_epoch: told of every epoch, and of the number of steps in all.

    Returns:
        The progress at the end.

    Raises:
        ValueError: fewer images than a minibatch, the same in both sets, classes that differ between the two or from
            the model's logits, or a checkpoint of another training.
        FloatingPointError: the objective is no longer finite.
        FileNotFoundError: a photograph is gone; the run goes on from its checkpoint when it is back.
    """
    _check(model, images, validation, options)
    steps = len(images) // options.batch_size
    fast = _in_bfloat16(model, seed)
    optimizer = _optimizer(options, steps)
    fast.compile(
        optimizer,
        keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=options.label_smoothing),
        metrics=["accuracy"],
        jit_compile=False,  # pyright: ignore[reportArgumentType] (XLA's convolutions are slower on a CPU)
    )
    optimizer.build(fast.trainable_variables)
    settings = {
        **dataclasses.asdict(options),
        "seed": seed,
        "model": model.get_config(),
        "images": images.sha256,
        "validation": validation.sha256,
    }
    saved = Checkpoint(checkpoint, settings, np.array(images.names), images.labels)
    variables = [*fast.variables, *optimizer.variables]
    progress = Progress(0, 0, float("inf"), [])
    if restored := saved.restore(variables):
        progress = Progress(**restored[0])

    def end_epoch(epoch: int, logs: dict[str, float]) -> None:
        nonlocal progress
        if not np.isfinite(logs["loss"]):
            raise FloatingPointError(
                f"The objective is {logs['loss']} in epoch {epoch + 1}; lower learning_rate."
            )
        done, last = epoch + 1, epoch + 1 == options.epochs
        validation_error = error(fast, validation) if done % _VALIDATED_EVERY == 0 or last else None
        curve = [*progress.curve, [logs["loss"], 1 - logs["accuracy"], validation_error]]
        progress = Progress(done, done * steps, logs["loss"], curve)
        if done % _SAVED_EVERY == 0 or last:
            saved.save(progress._asdict(), variables)
        on_epoch(progress, steps * options.epochs)

    if progress.epochs < options.epochs:
        try:
            fast.fit(
                _minibatches(images, model.input_shape[1], options, seed, progress.epochs, steps),
                initial_epoch=progress.epochs,
                epochs=options.epochs,
                steps_per_epoch=steps,
                callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=end_epoch)],
                shuffle=False,  # it is done
                verbose=0,  # pyright: ignore[reportArgumentType] (typed by its default)
            )
        except tf.errors.NotFoundError as gone:
            raise FileNotFoundError(f"A photograph is gone since the beginning: {gone.message}") from gone
    if options.averaged:
        optimizer.finalize_variable_values(fast.trainable_variables)
    model.set_weights(fast.get_weights())
    return progress


def error(model: keras.Model, images: Photographs) -> float:
    """The share of the photographs, each by its center crop, that the model does not give their class."""
    crops = images.center_crops(model.input_shape[1])
    labels = np.concatenate([tf.argmax(evaluation.call(model, x), -1) for x in crops])
    return float(np.mean(labels != images.labels))


def _check(
    model: keras.Model, images: Photographs, validation: Photographs, options: PhotographTraining
) -> None:
    if len(images) < options.batch_size:
        raise ValueError(f"batch_size is {options.batch_size}, but there are {len(images)} photographs.")
    require_disjoint(images, validation)
    if model.output_shape[-1] != len(images.classes):
        raise ValueError(
            f"The photographs have {len(images.classes)} classes, {model.name} has {model.output_shape[-1]} logits."
        )


@contextlib.contextmanager
def _policy(name: str) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _in_bfloat16(model: keras.Model, seed: int) -> keras.Model:
    """A copy that computes in bfloat16; the states of its random layers follow from the seed."""
    with _policy("mixed_bfloat16"):
        copy = type(model).from_config(model.get_config())
    copy.set_weights(model.get_weights())
    weights = {id(w) for w in copy.weights}
    for i, state in enumerate(v for v in copy.variables if id(v) not in weights):
        state.assign([seed, i])
    return copy


def _optimizer(options: PhotographTraining, steps: int) -> keras.optimizers.Optimizer:
    optimizer = keras.optimizers.AdamW(
        _Schedule(options, steps),  # pyright: ignore[reportArgumentType] (typed by its default)
        weight_decay=options.weight_decay,
        use_ema=options.averaged > 0,
        ema_momentum=_EMA,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return optimizer


class _Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """A warm-up, a fall to zero along a cosine, and the constant rate of the epochs whose weights are averaged."""

    def __init__(self, options: PhotographTraining, steps: int) -> None:
        warmup, self._falls_until = options.warmup * steps, (options.epochs - options.averaged) * steps
        self._cosine = keras.optimizers.schedules.CosineDecay(
            0.0, self._falls_until - warmup, warmup_target=options.learning_rate, warmup_steps=warmup
        )
        self._rate = options.averaged_rate

    def __call__(self, step: Any) -> Any:
        falling: Any = self._cosine(step)
        return tf.where(step < self._falls_until, falling, self._rate)


def _minibatches(
    images: Photographs, size: int, options: PhotographTraining, seed: int, done: int, steps: int
) -> tf.data.Dataset:
    """All minibatches after `done` epochs: images [B, size, size, 3] and one-hot labels [B, K].

    They are prepared between steps, not beside them: threads that prepare images take a core from the step's, which then
    wait for each other, and both take longer than one after the other.
    """
    an_epoch = steps * options.batch_size
    labels = tf.constant(images.labels)
    kinds = (tf.TensorSpec((size, size, 3), tf.float32), tf.TensorSpec((len(images.classes),), tf.float32))

    def example(count: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        place = [seed, count // an_epoch]
        index = tf.random.experimental.index_shuffle(  # pyright: ignore[reportAttributeAccessIssue]
            tf.math.floormod(count, an_epoch), place, len(images) - 1
        )
        image = _shrunk(images.read(index), round(_READ_AT * size))
        x = _random_crop(image, size, options.smallest_crop, tf.stack([seed, count]))
        return x, tf.one_hot(labels[index], len(images.classes))

    def minibatch(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        counts = number * options.batch_size + tf.range(options.batch_size, dtype=tf.int64)
        x, y = tf.map_fn(example, counts, fn_output_signature=kinds)
        colours_seed, mixup_seed = tf.unstack(tf.random.split(tf.stack([seed, number])))
        return _mixup(_random_colours(x, options.colours, colours_seed), y, options.mixup, mixup_seed)

    between = tf.data.Options()
    between.experimental_optimization.inject_prefetch = False
    return tf.data.Dataset.range(done * steps, options.epochs * steps).map(minibatch).with_options(between)


def _shrunk(image: tf.Tensor, side: int) -> tf.Tensor:
    """A photograph [H, W, 3] whose shorter side is longer, resized to it without aliasing; so crops need little resizing."""
    shape = tf.shape(image)[:2]
    ratio = side / tf.reduce_min(shape)
    size = tf.cast(tf.round(tf.cast(shape, ratio.dtype) * ratio), tf.int32)
    return tf.cond(ratio < 1, lambda: tf.image.resize(image, size, antialias=True), lambda: image)


def _random_crop(image: tf.Tensor, size: int, smallest: float, seed: tf.Tensor) -> tf.Tensor:
    """A random part of the image, [size, size, 3], in half of the cases mirrored."""
    seed, flip_seed = tf.unstack(tf.random.split(seed))
    begin, extent, _ = tf.image.stateless_sample_distorted_bounding_box(
        tf.shape(image),
        tf.zeros((0, 0, 4)),
        seed,
        aspect_ratio_range=_ASPECTS,
        area_range=(smallest, 1.0),
        use_image_if_no_bounding_boxes=True,
    )
    part = tf.image.resize(tf.slice(image, begin, extent), (size, size))
    return tf.image.stateless_random_flip_left_right(part, flip_seed)


def _random_colours(x: tf.Tensor, strength: float, seed: tf.Tensor) -> tf.Tensor:
    """Every image's brightness, contrast and saturation multiplied by factors between 1 ± strength."""
    shape = tf.stack([3, tf.shape(x)[0], 1, 1, 1])
    factors = tf.random.stateless_uniform(shape, seed, 1 - strength, 1 + strength)
    brightness, contrast, saturation = tf.unstack(factors)
    grey = tf.reduce_mean(x, -1, keepdims=True)
    mean = tf.reduce_mean(x, (1, 2, 3), keepdims=True)
    x = grey + saturation * (x - grey)
    return tf.clip_by_value(brightness * (mean + contrast * (x - mean)), 0, 1)


def _mixup(x: tf.Tensor, y: tf.Tensor, alpha: float, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Images and labels averaged with those of another in the minibatch, weights from Beta(α, α) (Zhang et al. 2018)."""
    if not alpha:
        return x, y
    ours, theirs = tf.unstack(tf.random.stateless_gamma((2, tf.shape(x)[0]), seed, tf.constant(alpha)))
    own = ours / (ours + theirs)
    # a product is faster than sums of images
    parts = tf.linalg.diag(own) + tf.reverse(tf.linalg.diag(1 - own), [1])
    mixed = tf.matmul(parts, tf.reshape(x, (tf.shape(x)[0], -1)))
    return tf.reshape(mixed, tf.shape(x)), tf.matmul(parts, y)
