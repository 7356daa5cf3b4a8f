"""Attacks of foolbox and ART, each a function from a model, images and labels to adversarial images.

All take a model of images [B, …] in [0, 1] to logits, images x, labels [B], to be changed if not said otherwise, and
settings of the attack by its own library's names; what is not set is the library's default.
"""

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from reproductions.bench.attack.evaluation import Attacked


class Counted:
    """A Keras model that counts the images that pass it forward and backward; for attacks that are not compiled.

    Args:
        model: maps images [B, …] to logits [B, K].

    Attributes:
        forward: passes so far, by the image.
        backward: likewise.
    """

    def __init__(self, model: Callable) -> None:
        self.forward = self.backward = 0
        # compiled, as the package's own attack is: an eager Keras model takes more than twice the time
        self._model = tf.function(lambda x: model(x, training=False), reduce_retracing=True)

    def __call__(self, x: Any, training: bool = False) -> tf.Tensor:
        """The logits, in inference mode; libraries say `training`, of which there is none here."""
        self.forward += len(x)
        return self._model(self._watched(tf.convert_to_tensor(x)))

    def _watched(self, x: tf.Tensor) -> Any:
        @tf.custom_gradient
        def identity(x: tf.Tensor) -> tuple[tf.Tensor, Callable]:
            def backward(gradient: tf.Tensor) -> tf.Tensor:
                self.backward += len(gradient)
                return gradient

            return tf.identity(x), backward

        return identity(x)


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

    counted = Counted(model)
    wrapped = foolbox.TensorFlowModel(counted, bounds=(0, 1))
    found, _, _ = attack(wrapped, tf.constant(x), tf.constant(y, tf.int64), epsilons=None)
    return _attacked(found.numpy(), counted)


def _attacked(adversarial: np.ndarray, counted: Counted) -> Attacked:
    """In the box, which FMN's result, for one, leaves by its rounding."""
    mean = np.full(len(adversarial), 1 / len(adversarial))
    return Attacked(np.clip(adversarial, 0, 1), counted.forward * mean, counted.backward * mean)


def art(model: Callable, x: np.ndarray, y: np.ndarray, *, attack: str, **settings: Any) -> Attacked:
    """An attack of ART's `art.attacks.evasion`, by its name, on all images at once."""
    from art.attacks import evasion
    from art.estimators.classification import TensorFlowV2Classifier

    counted = Counted(model)
    classifier = TensorFlowV2Classifier(
        counted,
        nb_classes=model(x[:1]).shape[-1],
        input_shape=x.shape[1:],
        loss_object=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        clip_values=(0, 1),
    )
    made = getattr(evasion, attack)(classifier, batch_size=len(x), verbose=False, **settings)
    return _attacked(made.generate(x, y), counted)
