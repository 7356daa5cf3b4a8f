"""Comparisons of two groups that assume no distribution: bootstrap, permutations, Cliff's delta, Holm's correction.

Every function takes the groups as [n, T]: T quantities, compared each for itself with the same draws, so that many
are as cheap as one. Groups of fewer than two members, and values that are not finite, are a ValueError.
"""

import functools

import numpy as np
from scipy import stats

_CHUNK = 2000  # draws at once


def bootstrap_interval(
    ours: np.ndarray, theirs: np.ndarray, draws: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The 95% percentile interval of mean(ours) − mean(theirs), over members of either group: low [T], high [T]."""
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


def permutation_p(ours: np.ndarray, theirs: np.ndarray, permutations: int, seed: int) -> np.ndarray:
    """Two-sided p-values [T] of the difference of means, by Welch's t under random exchanges of the groups' members.

    (1 + exchanges with a t at least as large) / (1 + exchanges): never zero. Groups with equal means but other spreads
    are not exchangeable, and where their sizes differ too, the plain difference of means rejects far too often; for
    t, exchanges are exact where all is exchangeable, and right for large groups where only the means are equal.
    """
    _check(ours, theirs)
    both = np.concatenate([ours, theirs])
    centred = both - both.mean(axis=0)
    powers = np.concatenate([centred, centred**2], axis=1)
    total, count = powers.sum(axis=0), len(ours)
    observed = _welch_t(powers[:count].sum(axis=0), total, count, len(both))
    exchanges = _exchanges(count, len(both), permutations, seed)
    as_large = np.zeros(both.shape[1], int)
    for first in range(0, permutations, _CHUNK):
        members = np.unpackbits(exchanges[first : first + _CHUNK], axis=1, count=len(both))
        t = _welch_t(members.astype(np.float64) @ powers, total, count, len(both))
        as_large += (t >= observed * (1 - 1e-9) - 1e-12).sum(axis=0)  # equal but for rounding counts as equal
    return (1 + as_large) / (1 + permutations)


def _welch_t(sums: np.ndarray, total: np.ndarray, count: int, members: int) -> np.ndarray:
    """|t| [… T] of a group of `count`, from its sums and all members' of values and of squares [… 2T]."""
    (ours, own_squares), (all_sum, all_squares) = np.split(sums, 2, axis=-1), np.split(total, 2)
    others = members - count
    spread = (own_squares - ours**2 / count) / (count * (count - 1))
    theirs = all_sum - ours
    spread = spread + (all_squares - own_squares - theirs**2 / others) / (others * (others - 1))
    # a spread below that is rounding; where nothing varies at all, nothing differs
    spread = np.maximum(spread, 1e-10 * all_squares / members**2)
    difference = np.abs(ours / count - theirs / others)
    return np.divide(difference, np.sqrt(spread), out=np.zeros_like(difference), where=spread > 0)


@functools.lru_cache(maxsize=16)  # layers of the same size take the same, whose making is most of the work
def _exchanges(members: int, total: int, permutations: int, seed: int) -> np.ndarray:
    """Which of all are the first group's after each of the exchanges, as bits packed in uint8 [permutations, …]."""
    random = np.random.default_rng(seed)
    label = np.arange(total) < members
    sizes = [min(_CHUNK, permutations - first) for first in range(0, permutations, _CHUNK)]
    drawn = [random.permuted(np.broadcast_to(label, (size, total)), axis=1) for size in sizes]
    return np.concatenate([np.packbits(part, axis=1) for part in drawn])


def cliffs_delta(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """P(ours > theirs) − P(ours < theirs) of a random member of either, [T] in [−1, 1]; 0 for equal groups."""
    _check(ours, theirs)
    statistic = stats.mannwhitneyu(ours, theirs, axis=0, method="asymptotic").statistic
    return 2 * np.asarray(statistic) / (len(ours) * len(theirs)) - 1


def _check(*groups: np.ndarray) -> None:
    for group in groups:
        if len(group) < 2:
            raise ValueError(f"A group of {len(group)} cannot be compared; two members are needed.")
        if not np.isfinite(group).all():
            raise ValueError("Values that are not finite cannot be compared.")


def holm(p: np.ndarray) -> np.ndarray:
    """P-values [T] corrected so that the chance of any false one among all T stays below the level (Holm 1979)."""
    order = np.argsort(p)
    corrected = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    found = np.empty(len(p))
    found[order] = np.minimum(corrected, 1)
    return found
