"""The making of presets; training as the paper did, by full-batch L-BFGS until convergence (Table 1)."""

import dataclasses
import functools
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_intriguing import data, models, optimize, presets
from keras_intriguing.classifiers import evaluation
from keras_intriguing.data import photographs
from keras_intriguing.presets import cards
from keras_intriguing.training import checkpoints
from keras_intriguing.training import minibatches as adversarial_training
from keras_intriguing.training import photographs as photograph_training
from keras_intriguing.training import quocnet as quoc_training
from keras_intriguing.training.quocnet_recipe import QuocRecipe
from keras_intriguing.training.recipes import (
    MinibatchRecipe,
    PhotographRecipe,
    Recipe,
    SparseAutoencoder,
    get,
)

CHECKPOINT = "checkpoint.npz"

# Called after every round or epoch with the stage's name, its progress and its largest number of iterations.
Progress = optimize.Progress | adversarial_training.Progress | photograph_training.Progress
OnProgress = Callable[[str, Progress, int], None]


def train_preset(
    preset: str,
    folder: str | Path,
    *,
    seed: int | None = None,
    data_dir: str | None = None,
    images: str | Path | None = None,
    skip_unreadable: bool = False,
    on_progress: OnProgress = lambda stage, progress, most: None,
) -> Path:
    """Makes a preset from nothing: trains, measures both errors, writes the preset folder.

    After every round of 100 iterations, or every few epochs, the state is saved in the folder; a run that was
    interrupted goes on from there, and ends at the same weights as one that was not.

    Args:
        preset: a name of `keras_intriguing.training.recipes.RECIPES`.
        folder: where the preset is written.
        seed: of the starting weights; by default the recipe's.
        data_dir: see `data.load` and `photographs.load`.
        images: folder of photographs with `train` and `val` in it, for nets on photographs; see `photographs.load`.
        skip_unreadable: see `photographs.load`.
        on_progress: told of every round or epoch.

    Returns:
        The folder.

    Raises:
        ValueError: unknown preset, `images` for a net on digits, photographs that cannot be used (see
            `photographs.load`), or the folder holds the checkpoint of another recipe or seed.
        FileExistsError: the folder holds a finished preset.
        FileNotFoundError: the training data cannot be had (see `data.load`).
    """
    recipe = get(preset)
    if seed is not None:
        recipe = dataclasses.replace(recipe, seed=seed)
    folder = Path(folder)
    presets.require_vacant(folder)
    if isinstance(recipe, PhotographRecipe | QuocRecipe):
        load = functools.partial(photographs.load, images, data_dir=data_dir, skip_unreadable=skip_unreadable)
        run = _on_photographs if isinstance(recipe, PhotographRecipe) else quoc_training.make
        train = functools.partial(run, images=load(split="train"), validation=load(split="val"))
    elif images is not None:
        raise ValueError(
            f"{preset} is trained on {recipe.dataset}, not on photographs of one's own (images)."
        )
    else:
        train = functools.partial(_on_digits, data_dir=data_dir)
    started, resumed = time.monotonic(), (folder / CHECKPOINT).exists()
    model = getattr(models, recipe.model)(name=recipe.model.lower())
    initialize(model, recipe.seed)
    measured = train(model, recipe, folder / CHECKPOINT, on_progress)
    command = ["keras-intriguing", "train", preset, "--seed", str(recipe.seed)]
    command += ["--images", str(images)] if images is not None else []
    command += ["--skip-unreadable"] if skip_unreadable else []
    metrics = {
        "preset": preset,
        "recipe": recipe.record(),
        "seed": recipe.seed,
        **measured,
        "seconds": round(time.monotonic() - started),
        "resumed": resumed,
        "versions": presets.versions(),
        "command": " ".join(command),
    }
    presets.save_to_preset(model, folder, metrics, cards.card(metrics))
    (folder / CHECKPOINT).unlink()
    return folder


def _on_digits(
    model: keras.Model,
    recipe: Recipe | MinibatchRecipe,
    checkpoint: Path,
    on_progress: OnProgress,
    data_dir: str | None,
) -> dict[str, Any]:
    """Trains on MNIST, and measures."""
    x, y = data.load(recipe.dataset, recipe.split, data_dir)
    x_test, y_test = data.load(recipe.dataset, "test", data_dir)
    run = _fit_minibatches if isinstance(recipe, MinibatchRecipe) else fit
    stages = run(model, x, y, recipe, checkpoint, on_progress)
    return {
        "train_error": evaluation.error(model, x, y),
        "train_images": len(x),
        "test_error": evaluation.error(model, x_test, y_test),
        "test_images": len(x_test),
        **_other_half(model, recipe, data_dir),
        "stages": stages,
    }


def _on_photographs(
    model: keras.Model,
    recipe: PhotographRecipe,
    checkpoint: Path,
    on_progress: OnProgress,
    images: photographs.Photographs,
    validation: photographs.Photographs,
) -> dict[str, Any]:
    """Trains on photographs, and measures; their middle squares, in float32."""
    progress = photograph_training.train(
        model,
        images,
        validation,
        recipe.training,
        seed=recipe.seed,
        checkpoint=checkpoint,
        on_epoch=lambda progress, most: on_progress("minibatches", progress, most),
    )
    return {
        "train_error": photograph_training.error(model, images),
        "train_images": len(images),
        "test_error": photograph_training.error(model, validation),
        "test_images": len(validation),
        "classes": list(validation.classes),
        "images_sha256": {"train": images.sha256, "val": validation.sha256},
        "stages": [{"stage": "minibatches", **progress._asdict()}],
    }


def _fit_minibatches(
    model: keras.Model,
    x: np.ndarray,
    y: np.ndarray,
    recipe: MinibatchRecipe,
    checkpoint: Path,
    on_progress: OnProgress,
) -> list[dict[str, Any]]:
    progress = adversarial_training.train(
        model,
        x,
        y,
        recipe.training,
        seed=recipe.seed,
        checkpoint=checkpoint,
        on_epoch=lambda progress, most: on_progress("minibatches", progress, most),
    )
    return [{"stage": "minibatches", **progress._asdict()}]


def _other_half(model: keras.Model, recipe: Recipe | MinibatchRecipe, data_dir: str | None) -> dict[str, Any]:
    """The error of a model of P1 on P2, or the other way round (paper, Table 3)."""
    if recipe.split == "train":
        return {}
    x, y = data.load(recipe.dataset, "p2" if recipe.split == "p1" else "p1", data_dir)
    return {"other_half_error": evaluation.error(model, x, y), "other_half_images": len(x)}


def initialize(model: keras.Model, seed: int) -> None:
    """Draws Glorot's uniform kernels and sets vectors, as biases are, to zero; the same for the same seed and architecture."""
    for i, weight in enumerate(model.weights):
        if len(weight.shape) > 1:
            weight.assign(keras.initializers.GlorotUniform(seed=1000 * seed + i)(weight.shape))
        else:
            weight.assign(keras.ops.zeros(weight.shape))


def fit(
    model: keras.Model,
    x: np.ndarray,
    y: np.ndarray,
    recipe: Recipe,
    checkpoint: Path,
    on_progress: OnProgress,
) -> list[dict[str, Any]]:
    """Runs the recipe's stages on the model, in place, going on from the checkpoint if there is one.

    Returns:
        For every stage its name, iterations, evaluations, final objective, and whether it converged.

    Raises:
        ValueError: the checkpoint belongs to another recipe or to other data.
    """
    belongs_to = checkpoints.fingerprint(recipe.record(), x, y)
    weights = list(model.weights)
    done: list[dict[str, Any]] = []
    start: optimize.Progress | None = None
    if checkpoint.exists():
        done, start = _restore(checkpoint, belongs_to, weights)

    plan = [("classifier", recipe.max_iterations)]
    if recipe.autoencoder:
        plan.insert(0, ("autoencoder", recipe.autoencoder.max_iterations))
    for name, most in plan[len(done) :]:
        if name == "autoencoder":
            objective, trained = _autoencoder_objective(model, x, recipe.autoencoder)
        else:
            objective, trained = _classifier_objective(model, x, y, recipe)

        def on_round(progress: optimize.Progress, name: str = name, most: int = most) -> None:
            _save(checkpoint, belongs_to, weights, done, progress)
            on_progress(name, progress, most)

        progress = optimize.minimize_variables(
            objective,
            [v.value for v in trained],
            max_iterations=most,
            tolerance=recipe.tolerance,
            start=start,
            on_round=on_round,
        )
        start = None
        done.append({"stage": name, **progress._asdict()})
        _save(checkpoint, belongs_to, weights, done, None)
    return done


def _classifier_objective(
    model: keras.Model, x: np.ndarray, y: np.ndarray, recipe: Recipe
) -> tuple[Callable, Sequence[keras.Variable]]:
    """Mean cross-entropy plus weight decay; over a frozen autoencoder, only the softmax on its code."""
    if recipe.autoencoder:
        layer = model.classifier
        inputs = model.encoder(x.reshape(len(x), -1))
    else:
        layer, inputs = model, tf.constant(x)
    labels = tf.constant(y)

    def objective(values: Sequence[tf.Tensor]) -> tf.Tensor:
        logits, _ = layer.stateless_call(values, [], inputs)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        kernels = [v for v in values if len(v.shape) > 1]
        pairs = zip(recipe.decay, kernels, strict=True)
        return loss + tf.add_n([decay * tf.reduce_sum(kernel**2) for decay, kernel in pairs])

    return objective, layer.trainable_variables


def _autoencoder_objective(
    model: models.AE400_10, x: np.ndarray, settings: SparseAutoencoder
) -> tuple[Callable, Sequence[keras.Variable]]:
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


def _save(
    path: Path,
    belongs_to: str,
    weights: Sequence[keras.Variable],
    done: list[dict[str, Any]],
    progress: optimize.Progress | None,
) -> None:
    arrays = {f"weight{i}": np.asarray(w) for i, w in enumerate(weights)}
    checkpoints.write(path, belongs_to, {"done": done, "progress": progress}, arrays)


def _restore(
    path: Path, belongs_to: str, weights: Sequence[keras.Variable]
) -> tuple[list[dict[str, Any]], optimize.Progress | None]:
    state, arrays = checkpoints.read(path, belongs_to)
    for i, weight in enumerate(weights):
        weight.assign(arrays[f"weight{i}"])
    progress = state["progress"]
    return state["done"], optimize.Progress(*progress) if progress else None
