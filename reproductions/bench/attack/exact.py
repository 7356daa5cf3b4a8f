"""The exact smallest change of an image that changes a linear model's label: the known answer of the attacks."""

import numpy as np
from scipy import optimize


def to_target(kernel: np.ndarray, bias: np.ndarray, x: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Distances [B] to the region of a target, in the box [0, 1]: the dual, in one multiplier a rival class.

    Args:
        kernel: [n, K] of the linear model.
        bias: [K].
        x: images [B, n].
        targets: classes [B].
    """

    def one(image: np.ndarray, target: int) -> float:
        rivals = np.arange(len(bias)) != target
        a, b = (kernel[:, rivals] - kernel[:, [target]]).T, bias[rivals] - bias[target]

        def negative_dual(multipliers: np.ndarray) -> tuple[float, np.ndarray]:
            v = np.clip(image - multipliers @ a, 0, 1)
            constraints = a @ v + b
            return -(0.5 * np.sum((v - image) ** 2) + multipliers @ constraints), -constraints

        dual = optimize.minimize(
            negative_dual,
            np.zeros(len(b)),
            jac=True,
            method="L-BFGS-B",
            bounds=[(0, None)] * len(b),
            options={"maxiter": 2000, "ftol": 1e-15, "gtol": 1e-10},
        )
        return float(np.sqrt(-2 * dual.fun))

    return np.array([one(image, target) for image, target in zip(x, targets, strict=True)])


def to_nearest(kernel: np.ndarray, bias: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Distances [B] to the nearest class other than y [B]: one scalar dual a class, by root finding."""

    def one(image: np.ndarray, label: int, other: int) -> float:
        a, b = kernel[:, label] - kernel[:, other], bias[label] - bias[other]

        def residual(multiplier: float) -> float:
            return a @ np.clip(image - multiplier * a, 0, 1) + b

        if residual(1e6) > 0:
            return np.inf
        multiplier = optimize.brentq(residual, 0, 1e6, xtol=1e-12)
        return float(np.linalg.norm(np.clip(image - multiplier * a, 0, 1) - image))

    return np.array(
        [
            min(one(image, label, other) for other in range(len(bias)) if other != label)
            for image, label in zip(x, y, strict=True)
        ]
    )
