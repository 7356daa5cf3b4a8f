"""QuocNet's training: filters without labels, stage by stage, then a classifier of one class on their features."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_intriguing import optimize
from keras_intriguing.data.photographs import Photographs, require_apart
from keras_intriguing.models import QuocNet
from keras_intriguing.training import checkpoints, reconstruction_ica
from keras_intriguing.training.detection import best_thresholds, detection
from keras_intriguing.training.quocnet_recipe import QuocRecipe

_BATCH = 128
_HELD_OUT = 5  # every so many-th photograph of a random order
_TOLERANCE, _MOST = 1e-3, 2000  # of a classifier

OnProgress = Callable[[str, optimize.Progress, int], None]


def make(
    model: QuocNet,
    recipe: QuocRecipe,
    checkpoint: Path,
    on_progress: OnProgress,
    images: Photographs,
    validation: Photographs,
) -> dict[str, Any]:
    """Trains the model, in place, and measures how well it, its units and what it is held against tell the class.

    Beside the model, memory holds the photographs that filters are learned on with their whitened patches (0.6 GiB with
    the recipe's options), and later the pixels of all training photographs twice (0.9 GiB for Imagenette).

    Args:
        model: whose weights are replaced.
        recipe: what to do.
        checkpoint: a file that is written after every round of L-BFGS on the filters, and from which the run goes on.
        on_progress: told of every round: its stage, the progress, and the most iterations.
        images: to train on; the classifier alone sees their labels.
        validation: to measure on; nothing here is decided by it.

    Returns:
        Errors and counts, the `stages`, and `detection`: how well, as balanced accuracy (`value`) with its interval, a
        classifier, the best unit and the average unit tell the class on the validation photographs, by the features, by
        those of random filters and by the pixels.

    Raises:
        ValueError: the photographs lack the class, the two sets' classes differ or they share files, the options do not
            fit the model, or the checkpoint belongs to another recipe, seed or data set.
    """
    _check(model, recipe, images, validation)
    stages = learn_filters(model, images, recipe, checkpoint, on_progress)
    sets = images, validation
    labels = tuple(one.labels == one.classes.index(recipe.positive) for one in sets)
    features = tuple(_features(model, one) for one in sets)
    found, classifier, progress = _measured("the features", features, labels, recipe)
    on_progress("classifier", progress, progress.iterations)
    head = model.get_layer("logits")
    halves = np.array([-0.5, 0.5])  # two logits whose difference is the score
    head.set_weights([classifier.kernel[:, None] * halves, classifier.bias * halves])
    errors = [
        float(np.mean((np.argmax(head(x), -1) == 1) != y)) for x, y in zip(features, labels, strict=True)
    ]
    twin = type(model).from_config(model.get_config())
    learn_filters(twin, images, _unlearned(recipe))
    untrained = tuple(_features(twin, one) for one in sets)
    pixels = tuple(one.images(model.image_size).reshape(len(one), -1) for one in sets)
    for name, rivals in {"random filters": untrained, "the pixels": pixels}.items():
        found |= _measured(name, rivals, labels, recipe)[0]
    return {
        "train_error": errors[0],
        "train_images": len(images),
        "test_error": errors[1],
        "test_images": len(validation),
        "positives": {"train": int(labels[0].sum()), "val": int(labels[1].sum())},
        "detection": found,
        "images_sha256": {"train": images.sha256, "val": validation.sha256},
        "stages": [*stages, {"stage": "classifier", **progress._asdict()}],
    }


def learn_filters(
    model: QuocNet,
    images: Photographs,
    recipe: QuocRecipe,
    checkpoint: Path | None = None,
    on_progress: OnProgress = lambda stage, progress, most: None,
) -> list[dict[str, Any]]:
    """Learns the filters of one stage after another, in place, going on from the checkpoint if there is one.

    Args: as of `make`.

    Returns:
        For every stage its name and its progress.
    """
    options = recipe.filters
    settings = {**recipe.record(), "config": model.get_config(), "images": images.sha256}
    belongs_to = checkpoints.fingerprint(settings, np.array(images.names), images.labels)
    kernels = [v for filters, _, _ in model.stages for v in filters.weights]
    done: list[dict[str, Any]] = []
    weights = progress = None
    if checkpoint and checkpoint.exists():
        (done, progress), arrays = checkpoints.read(checkpoint, belongs_to)
        for i, kernel in enumerate(kernels):
            kernel.assign(arrays[f"kernel{i}"])
        weights, progress = arrays["weights"], optimize.Progress(*progress) if progress else None

    def save(weights: np.ndarray, progress: optimize.Progress | None) -> None:
        if checkpoint:
            arrays = {f"kernel{i}": np.asarray(kernel) for i, kernel in enumerate(kernels)}
            checkpoints.write(checkpoint, belongs_to, (done, progress), {"weights": weights, **arrays})

    drawn = np.random.default_rng(recipe.seed).permutation(len(images))[: options.images]
    x = images[drawn].images(model.image_size)
    for i, (filters, pool, contrast) in enumerate(model.stages):
        if i >= len(done):
            whitened = reconstruction_ica.whiten(filters, x, options.dimensions[i])
            if progress is None:
                weights = reconstruction_ica.start(whitened, filters.filters, 1000 * recipe.seed + i)
            variable = tf.Variable(weights)

            def on_round(state: optimize.Progress, variable=variable, name=filters.name) -> None:
                save(variable.numpy(), state)
                on_progress(name, state, options.iterations)

            progress = optimize.minimize_variables(
                reconstruction_ica.objective(filters, pool, whitened, options),
                [variable],
                max_iterations=options.iterations,
                tolerance=0.0,
                start=progress,
                on_round=on_round,
            )
            reconstruction_ica.assign(filters, whitened, variable.numpy())
            done.append({"stage": filters.name, **progress._asdict()})
            progress = None
            save(variable.numpy(), None)
        batches = (x[first : first + _BATCH] for first in range(0, len(x), _BATCH))
        x = np.concatenate([contrast(pool(filters(batch))) for batch in batches])
    return done


class Classifier(NamedTuple):
    """A linear score of features [F]: above 0 for the class."""

    kernel: np.ndarray
    bias: float

    def scores(self, features: np.ndarray) -> np.ndarray:
        """Of features [N, F]."""
        return features @ self.kernel + self.bias


def _measured(
    name: str,
    features: tuple[np.ndarray, np.ndarray],
    labels: tuple[np.ndarray, np.ndarray],
    recipe: QuocRecipe,
) -> tuple[dict[str, Any], Classifier, optimize.Progress]:
    """How well training and validation features [N, F] tell the class.

    Returns:
        What `detection` tells, on the validation photographs, of a classifier and of the unit that is best on training
        photographs; the mean balanced accuracy there of all units, each with its best threshold on training
        photographs. The classifier, and its training.
    """
    (x, x_val), (y, y_val) = features, labels
    rules = best_thresholds(x, y)
    best = int(rules.balanced_accuracy.argmax())
    scores = rules.scores(x_val)
    taken = scores > 0
    of_units = (taken[y_val].mean(axis=0) + 1 - taken[~y_val].mean(axis=0)) / 2
    classifier, decay, progress = _fit(x, y, recipe)
    found = {
        f"classifier on {name}": {**detection(classifier.scores(x_val), y_val), "decay": decay},
        f"best unit of {name}": {**detection(scores[:, best], y_val), "unit": best},
        f"average unit of {name}": {"value": float(of_units.mean()), "units": len(of_units)},
    }
    return found, classifier, progress


def _fit(
    features: np.ndarray, labels: np.ndarray, recipe: QuocRecipe
) -> tuple[Classifier, float, optimize.Progress]:
    """Logistic regression in which both classes count alike; the decay is chosen on a fifth of the photographs."""
    mean = features.mean(axis=0)
    scale = (features.std(axis=0) + 1e-6) * np.float32(features.shape[1]) ** 0.5
    scaled = features - mean
    scaled /= scale  # in place: pixels take 0.4 GiB
    x = tf.constant(scaled)
    del scaled
    signs = tf.constant(np.where(labels, 1, -1), tf.float32)
    order = np.random.default_rng(recipe.seed).permutation(len(labels))
    held_out = order % _HELD_OUT == 0

    def losses(values: Sequence[tf.Tensor], members: np.ndarray) -> tf.Tensor:
        """The mean over both classes of the members' mean cross-entropy."""
        kernel, bias = values
        each = tf.nn.softplus(-signs * (tf.linalg.matvec(x, kernel) + bias))
        return tf.reduce_sum(_shares(labels, members) * each)

    def fit(decay: float, members: np.ndarray) -> tuple[list[tf.Variable], optimize.Progress]:
        values = [tf.Variable(tf.zeros(x.shape[1])), tf.Variable(0.0)]
        progress = optimize.minimize_variables(
            lambda values: losses(values, members) + decay * tf.reduce_sum(values[0] ** 2),
            values,
            max_iterations=_MOST,
            tolerance=_TOLERANCE,
        )
        return values, progress

    decay = min(recipe.decays, key=lambda decay: float(losses(fit(decay, ~held_out)[0], held_out)))
    (kernel, bias), progress = fit(decay, np.ones(len(labels), bool))
    kernel = kernel.numpy() / scale
    return Classifier(kernel, float(bias) - float(mean @ kernel)), decay, progress


def _shares(labels: np.ndarray, members: np.ndarray) -> np.ndarray:
    """The weight of every photograph, float32 [N]: ½ for the members of either class together, 0 for the others."""
    found = np.zeros(len(labels), np.float32)
    for kind in (labels & members, ~labels & members):
        found[kind] = 0.5 / max(1, kind.sum())
    return found


def _features(model: QuocNet, images: Photographs) -> np.ndarray:
    trunk = keras.Model(model.input, model.get_layer("features").output)
    return np.concatenate([np.asarray(trunk(x)) for x in images.squares(model.image_size)])


def _unlearned(recipe: QuocRecipe) -> QuocRecipe:
    return dataclasses.replace(recipe, filters=dataclasses.replace(recipe.filters, iterations=0))


def _check(model: QuocNet, recipe: QuocRecipe, images: Photographs, validation: Photographs) -> None:
    require_apart(images, validation)
    if recipe.positive not in images.classes:
        raise ValueError(
            f"The photographs have no class {recipe.positive!r}, which is to be told from the rest; they have "
            f"{', '.join(images.classes)}."
        )
    if len(recipe.filters.dimensions) != len(model.stages):
        raise ValueError(
            f"{model.name} has {len(model.stages)} stages, but dimensions are given for {len(recipe.filters.dimensions)}."
        )
