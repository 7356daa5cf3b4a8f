"""Other tools' attacks, each a function from a model, images and labels to adversarial images.

All take a model of images [B, …] in [0, 1] to logits, images x, labels [B], to be changed if not said otherwise, and
settings of the attack by its own library's names; what is not set is the library's default.
"""

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from scipy import optimize

from keras_intriguing.attack import WeightSearch
from reproductions.bench.attack.evaluation import Attacked, CountedGradients


def foolbox(model: Callable, x: np.ndarray, y: np.ndarray, *, attack: str, **settings: Any) -> Attacked:
    """An attack of `foolbox.attacks`, by its name."""
    foolbox = _foolbox()

    return _run_foolbox(getattr(foolbox.attacks, attack)(**settings), model, x, y)


def foolbox_fmn_mended(model: Callable, x: np.ndarray, y: np.ndarray, *, steps: int) -> Attacked:
    """FMN with the projection of Pintor et al. 2021 (arXiv:2102.12827), from other images of the batch.

    foolbox 3.3.4 divides a norm by itself there. From the image itself, the attack so mended comes to the boundary
    from inside and mostly never passes it.
    """
    import eagerpy

    foolbox = _foolbox()

    class Mended(foolbox.attacks.L2FMNAttack):
        def project(self, x: Any, x0: Any, epsilon: Any) -> Any:
            norms = eagerpy.maximum((x - x0).flatten(start=1).norms.l2(axis=-1), 1e-12)
            factor = eagerpy.minimum(1, epsilon / norms)
            return x0 + (x - x0) * factor.reshape((-1, *[1] * (x.ndim - 1)))

    return _run_foolbox(Mended(steps=steps, init_attack=_other_images(model, x)), model, x, y)


def foolbox_brendel_bethge(model: Callable, x: np.ndarray, y: np.ndarray, *, start: str) -> Attacked:
    """Brendel–Bethge from other images of the batch (`start="images"`) or from DDN's result (`start="DDN"`).

    foolbox multiplies the trust region by the number of images, which is divided out here.
    """
    foolbox = _foolbox()

    init = foolbox.attacks.DDNAttack() if start == "DDN" else _other_images(model, x)
    attack = foolbox.attacks.L2BrendelBethgeAttack(init_attack=init, lr=1e-3 / len(x))
    return _run_foolbox(attack, model, x, y)


def _foolbox() -> Any:
    """Imported late, since the package does not need it, and without its types, which hide what it exports."""
    return importlib.import_module("foolbox")


def _other_images(model: Callable, x: np.ndarray) -> Any:
    foolbox = _foolbox()

    attack = foolbox.attacks.DatasetAttack()
    attack.feed(foolbox.TensorFlowModel(model, bounds=(0, 1)), tf.constant(x))
    return attack


def _run_foolbox(attack: Any, model: Callable, x: np.ndarray, y: np.ndarray) -> Attacked:
    foolbox = _foolbox()

    counted = CountedGradients(model)
    wrapped = foolbox.TensorFlowModel(counted, bounds=(0, 1))
    found, _, _ = attack(wrapped, tf.constant(x), tf.constant(y, tf.int64), epsilons=None)
    return _attacked(found.numpy(), counted)


def _attacked(adversarial: np.ndarray, counted: CountedGradients) -> Attacked:
    """In the box, which FMN's result, for one, leaves by its rounding."""
    return Attacked(np.clip(adversarial, 0, 1), counted.images / len(adversarial))


def art(model: Callable, x: np.ndarray, y: np.ndarray, *, attack: str, **settings: Any) -> Attacked:
    """An attack of ART's `art.attacks.evasion`, by its name, on all images at once."""
    from art.attacks import evasion
    from art.estimators.classification import TensorFlowV2Classifier

    counted = CountedGradients(model)
    classifier = TensorFlowV2Classifier(
        counted,
        nb_classes=model(x[:1]).shape[-1],
        input_shape=x.shape[1:],
        loss_object=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        clip_values=(0, 1),
    )
    made = getattr(evasion, attack)(classifier, batch_size=len(x), verbose=False, **settings)
    return _attacked(made.generate(x, y), counted)


def scipy_penalty(model: Callable, x: np.ndarray, targets: np.ndarray) -> Attacked:
    """The paper's penalty to reach `targets` [B], image by image, with the package's search for c."""
    evaluations = 0

    @tf.function
    def entropy(v: tf.Tensor, target: tf.Tensor) -> tuple[Any, Any, Any]:
        with tf.GradientTape() as tape:
            tape.watch(v)
            logits = model(tf.reshape(tf.cast(v, tf.float32), (1, *x.shape[1:])), training=False)
            value = tf.nn.sparse_softmax_cross_entropy_with_logits(target[None], logits)[0]
        return value, tape.gradient(value, v), tf.argmax(logits[0])

    def one(image: np.ndarray, target: tf.Tensor) -> np.ndarray:
        nonlocal evaluations
        start, search = image, WeightSearch(np.ones(1))
        for _ in range(search.STEPS):

            def objective(v: np.ndarray, c: float = search.c[0]) -> tuple[float, np.ndarray]:
                value, gradient, _ = entropy(tf.constant(v), target)
                return c * np.sum((v - image) ** 2) + float(value), 2 * c * (v - image) + gradient.numpy()

            found = optimize.minimize(
                objective, start, jac=True, method="L-BFGS-B", bounds=[(0, 1)] * image.size
            )
            evaluations += found.nfev + 1
            succeeded = int(entropy(tf.constant(found.x), target)[2]) == int(target)
            if succeeded:
                start = found.x
            search.update(np.array([succeeded]))
        return start

    flat = x.reshape(len(x), -1).astype(np.float64)
    rows = [one(image, tf.constant(target)) for image, target in zip(flat, targets, strict=True)]
    return Attacked(np.array(rows, np.float32).reshape(x.shape), evaluations / len(x))
