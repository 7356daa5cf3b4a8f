"""adv_lib's attacks on a Keras model that runs on PyTorch, Keras' backend in the process that calls this.

All take a model of images [B, …] in [0, 1] to logits, images, labels to be changed, and an attack's settings by
adv_lib's names; what is not set is adv_lib's default.
"""

from typing import Any

import numpy as np

from reproductions.bench.attack.evaluation import Attacked


def adv_lib(model: Any, x: np.ndarray, y: np.ndarray, *, attack: str, **settings: Any) -> Attacked:
    """An attack of `adv_lib.attacks`, by its name."""
    from adv_lib import attacks

    return _run(getattr(attacks, attack), model, x, y, settings)


def apgd_search(model: Any, x: np.ndarray, y: np.ndarray, **settings: Any) -> Attacked:
    """Auto-PGD, with a search for the smallest radius at which it succeeds."""
    from adv_lib.attacks import auto_pgd

    return _run(auto_pgd.minimal_apgd, model, x, y, {"norm": 2, "max_eps": _diagonal(x), **settings})


def _diagonal(x: np.ndarray) -> float:
    """No change of an image is larger."""
    return float(np.sqrt(x[0].size))


def _run(attack: Any, model: Any, x: np.ndarray, y: np.ndarray, settings: dict[str, Any]) -> Attacked:
    import torch

    for weights in model.parameters():
        weights.requires_grad_(False)
    counted = _Counted(model)
    found = attack(counted, torch.tensor(x), torch.tensor(y, dtype=torch.long), **settings)
    each = np.ones(len(x))
    adversarial = found.detach().clamp(0, 1).numpy()
    return Attacked(adversarial, counted.forward / len(x) * each, counted.backward / len(x) * each)


class _Counted:
    """A model that counts the images that pass it forward and backward."""

    def __init__(self, model: Any) -> None:
        self.forward = self.backward = 0
        self._model = model

    def __call__(self, x: Any) -> Any:
        self.forward += len(x)
        logits = self._model(x, training=False)
        if logits.requires_grad:
            logits.register_hook(self._count)
        return logits

    def _count(self, gradient: Any) -> None:
        self.backward += len(gradient)
