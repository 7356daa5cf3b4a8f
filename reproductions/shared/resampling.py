"""A comparison of two groups that assumes no distribution, by bootstrap."""

import numpy as np


def bootstrap_interval(
    ours: np.ndarray, theirs: np.ndarray, draws: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The 95% percentile interval of mean(ours) − mean(theirs), over members of either group: low [T], high [T].

    Args:
        ours: [n, T]: T quantities, compared each for itself with the same draws.
        theirs: [m, T].
        draws: samples.
        seed: of the draws.

    Raises:
        ValueError: a group has fewer than two members, or a value is not finite.
    """
    _check(ours, theirs)
    random = np.random.default_rng(seed)
    drawn = _drawn_means(ours, draws, random) - _drawn_means(theirs, draws, random)
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    return low, high


def _drawn_means(values: np.ndarray, draws: int, random: np.random.Generator) -> np.ndarray:
    """Means [draws, T] of samples with replacement, as how often each member is drawn."""
    count = len(values)
    often = random.multinomial(count, np.full(count, 1 / count), size=draws)
    return often @ values / count


def _check(*groups: np.ndarray) -> None:
    for group in groups:
        if len(group) < 2:
            raise ValueError(f"A group of {len(group)} cannot be compared; two members are needed.")
        if not np.isfinite(group).all():
            raise ValueError("Values that are not finite cannot be compared.")
