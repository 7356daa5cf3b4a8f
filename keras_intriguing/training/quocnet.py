"""QuocNet's training: filters without labels, stage by stage, then a classifier of one class on their features."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_intriguing import optimize
from keras_intriguing.data.photographs import Photographs, require_disjoint
from keras_intriguing.models import QuocNet
from keras_intriguing.training import logistic, reconstruction_ica
from keras_intriguing.training.checkpoints import Checkpoint
from keras_intriguing.training.detection import best_thresholds, detection
from keras_intriguing.training.progress import OnProgress
from keras_intriguing.training.settings import QuocNetTraining, ReconstructionICA

_BATCH = 128


class _Set(NamedTuple):
    """Features [N, F] of photographs, and which of these are of the class, bool [N]."""

    features: np.ndarray
    positive: np.ndarray


def train(
    model: QuocNet,
    images: Photographs,
    validation: Photographs,
    training: QuocNetTraining,
    *,
    seed: int = 0,
    checkpoint: Path | None = None,
    on_progress: OnProgress = lambda stage, progress, most: None,
) -> dict[str, Any]:
    """Trains the model, in place, and measures how well it, its units and simpler features detect the class.

    Beside the model, memory holds the photographs that filters are learned on with their whitened patches (0.6 GiB with
    the preset's settings), and later the pixels of all training photographs twice (0.9 GiB for Imagenette).

    Args:
        model: whose weights are replaced.
        images: to train on; the classifier alone sees their labels.
        validation: to measure on; nothing here is decided by it.
        training: how.
        seed: of the starting filters and of the photographs that are drawn.
        checkpoint: a file that is written after every round of L-BFGS on the filters, and from which the run goes on.
        on_progress: told of every round: its stage, the progress, and the stage's largest number of iterations.

    Returns:
        Errors and counts, the `stages`, and `detection`: how well, as balanced accuracy (`value`) with its interval, a
        classifier, the best unit and the average unit detect the class on the validation photographs, by the features, by
        those of random filters and by the pixels.

    Raises:
        ValueError: the photographs lack the class, the two sets' classes differ or they share files, the options do not
            fit the model, or the checkpoint belongs to another training.
    """
    _check(model, images, validation, training)
    stages = learn_filters(
        model, images, training.filters, seed=seed, checkpoint=checkpoint, on_progress=on_progress
    )
    both = images, validation
    labels = [one.labels == one.classes.index(training.positive) for one in both]

    def detectors(name: str, features: list[np.ndarray]) -> tuple[dict[str, Any], logistic.Classifier]:
        train, test = (_Set(x, positive) for x, positive in zip(features, labels, strict=True))
        return _detectors(name, train, test, training.decays, seed)

    features = [_features(model, one) for one in both]
    found, classifier = detectors("the features", features)
    on_progress("classifier", classifier.progress, classifier.progress.iterations)
    errors = _set_head(model, classifier, features, labels)

    random_net = type(model).from_config(model.get_config())
    learn_filters(random_net, images, dataclasses.replace(training.filters, iterations=0), seed=seed)
    features = [_features(random_net, one) for one in both]
    found |= detectors("random filters", features)[0]
    features = [one.images(model.image_size).reshape(len(one), -1) for one in both]
    found |= detectors("the pixels", features)[0]
    return {
        "train_error": errors[0],
        "train_images": len(images),
        "test_error": errors[1],
        "test_images": len(validation),
        "positives": {"train": int(labels[0].sum()), "val": int(labels[1].sum())},
        "detection": found,
        "images_sha256": {"train": images.sha256, "val": validation.sha256},
        "stages": [*stages, {"stage": "classifier", **classifier.progress._asdict()}],
    }


def learn_filters(
    model: QuocNet,
    images: Photographs,
    options: ReconstructionICA,
    *,
    seed: int = 0,
    checkpoint: Path | None = None,
    on_progress: OnProgress = lambda stage, progress, most: None,
) -> list[dict[str, Any]]:
    """Learns the filters of one stage after another, in place, going on from the checkpoint if there is one.

    Args:
        model: whose filters are replaced.
        images: to learn from.
        options: see `ReconstructionICA`.
        seed: of the starting filters and of the photographs that are drawn.
        checkpoint: as of `train`.
        on_progress: as of `train`.

    Returns:
        For every stage its name and its progress.
    """
    settings = {
        **dataclasses.asdict(options),
        "seed": seed,
        "model": model.get_config(),
        "data": images.sha256,
    }
    saved = Checkpoint(checkpoint, settings, np.array(images.names), images.labels)
    kernels = [v for filters, _, _ in model.stages for v in filters.weights]
    done: list[dict[str, Any]] = []
    weights: np.ndarray | None = None  # of the stage in progress, on whitened patches
    progress: optimize.Progress | None = None
    if restored := saved.restore(kernels):
        (done, state), arrays = restored
        if state:
            weights, progress = arrays["weights"], optimize.Progress(*state)

    drawn = np.random.default_rng(seed).permutation(len(images))[: options.images]
    x = images[drawn].images(model.image_size)
    for i, (filters, pool, contrast) in enumerate(model.stages):
        if i >= len(done):
            whitened = reconstruction_ica.whiten(filters, x, options.dimensions[i])
            if weights is None:
                weights = reconstruction_ica.start(whitened, filters.filters, 1000 * seed + i)
            variable = tf.Variable(tf.constant(weights))

            def on_round(
                progress: optimize.Progress, variable: tf.Variable = variable, name: str = filters.name
            ) -> None:
                saved.save((done, progress), kernels, {"weights": variable.numpy()})
                on_progress(name, progress, options.iterations)

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
            weights = progress = None
            saved.save((done, None), kernels)
        batches = (x[first : first + _BATCH] for first in range(0, len(x), _BATCH))
        x = np.concatenate([contrast(pool(filters(batch))) for batch in batches])
    return done


def _detectors(
    name: str, train: _Set, validation: _Set, decays: Sequence[float], seed: int
) -> tuple[dict[str, Any], logistic.Classifier]:
    """How well features detect the class.

    Returns:
        What `detection` tells, on the validation photographs, of a classifier and of the unit that is best on training
        photographs; the mean balanced accuracy there of all units, each with its best threshold on training
        photographs. The classifier.
    """
    rules = best_thresholds(train.features, train.positive)
    best = int(rules.balanced_accuracy.argmax())
    scores = rules.scores(validation.features)
    detected = scores > 0
    found, left = detected[validation.positive].mean(axis=0), 1 - detected[~validation.positive].mean(axis=0)
    balanced_accuracy = (found + left) / 2
    classifier = logistic.fit(train.features, train.positive, decays, seed)
    detectors = {
        f"classifier on {name}": {
            **detection(classifier.scores(validation.features), validation.positive)._asdict(),
            "decay": classifier.decay,
        },
        f"best unit of {name}": {**detection(scores[:, best], validation.positive)._asdict(), "unit": best},
        f"average unit of {name}": {
            "value": float(balanced_accuracy.mean()),
            "units": len(balanced_accuracy),
        },
    }
    return detectors, classifier


def _set_head(
    model: QuocNet,
    classifier: logistic.Classifier,
    features: list[np.ndarray],
    labels: list[np.ndarray],
) -> list[float]:
    """Gives the model two logits whose difference is the classifier's score; returns its errors on the features."""
    head = model.get_layer("logits")
    halves = np.array([-0.5, 0.5])
    head.set_weights([classifier.kernel[:, None] * halves, classifier.bias * halves])
    return [
        float(np.mean((np.argmax(head(x), -1) == 1) != positive))
        for x, positive in zip(features, labels, strict=True)
    ]


def _features(model: QuocNet, images: Photographs) -> np.ndarray:
    """The last features [N, F] of the photographs' center crops."""
    trunk = keras.Model(model.input, model.get_layer("features").output)
    return np.concatenate([np.asarray(trunk(x)) for x in images.center_crops(model.image_size)])


def _check(model: QuocNet, images: Photographs, validation: Photographs, training: QuocNetTraining) -> None:
    require_disjoint(images, validation)
    if training.positive not in images.classes:
        raise ValueError(
            f"The photographs have no class {training.positive!r}, which is to be told from the rest; they have "
            f"{', '.join(images.classes)}."
        )
    if len(training.filters.dimensions) != len(model.stages):
        raise ValueError(
            f"{model.name} has {len(model.stages)} stages, but dimensions are given for {len(training.filters.dimensions)}."
        )
