"""A convolution over all frequencies: certified upper bounds (paper §4.3).

On an endless grid a convolution with stride s is, for every frequency ω ∈ [−π, π)^d of its output, a matrix
[C_out, C_in·∏s], its symbol: the kernel's taps that meet the same one of the ∏s phases of the input, summed with the
factors exp(i·ω·m), m being how many strides a tap lies away. The norm is the supremum over ω of the symbol's largest
singular value; that is the quantity of the paper's formula, whose factor Δ⁻² should be Δ⁻¹.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import scipy.linalg
import scipy.ndimage
from threadpoolctl import threadpool_limits

from keras_intriguing.spectral.convolutions.convolution import Convolution
from keras_intriguing.spectral.numerics.matrix import are_definite
from keras_intriguing.spectral.numerics.rounding import UNIT, gamma

_CHUNK = 2**22  # bytes of symbols at once, few enough for a cache
_POWER_STEPS = 12
_CELLS, _CELL_WORK = 2**16, 4e10  # most cells of a level: by number, and by Σ n³ of their Gram matrices
_LARGER, _SHEARS = 2, 8  # sizes along every axis and shifts of the periodic convolutions that are compared
_TRIED = 4  # of them, whose bound is computed
_GROUP_GRID = 16  # frequencies along an axis, in units of the bandwidth
_SMALL = 12  # rows of Gram matrices so small that all eigenvalues cost less than a loop over factorizations

# On matrices this small the threads of a BLAS wait for each other most of the time, on a busy machine for far longer
# than they compute.
one_thread = threadpool_limits.wrap(limits=1, user_api="blas")


class Symbol:
    """The symbol of a convolution, on the smaller side of its Gram matrices.

    Args:
        convolution: its kernel, strides, dilation and groups; the sizes do not matter.
    """

    def __init__(self, convolution: Convolution) -> None:
        shifts, self._taps = convolution.phased  # blocks [T, groups, C_in·∏s, C_out]
        self._shifts = shifts.astype(float)
        if self._taps.shape[-2] > self._taps.shape[-1]:
            self._taps = self._taps.swapaxes(-1, -2)
        self.bandwidth = self._shifts.max(axis=0) / 2
        """The exponential type along every axis of the symbol between two fixed unit vectors, times its phase."""

    @property
    def work(self) -> float:
        """What the eigenvalues at one frequency cost: groups · n³."""
        return self._taps.shape[1] * self._taps.shape[-2] ** 3

    @property
    def eigenvalue_error(self) -> float:
        """A bound on the relative error of `squares` from rounding in the Gram matrices and their eigenvalues."""
        size, wide = self._taps.shape[-2:]
        return 8 * size * gamma(4 * (size + wide))

    @property
    def error(self) -> float:
        """A bound on the spectral norm of what rounding does to a computed symbol."""
        phase = 64 * (1 + self._shifts.sum(axis=1).max())  # some roundings of phases up to 2π a shift
        size = np.linalg.norm(np.abs(self._taps).sum(axis=0), axis=(-2, -1)).max()
        return float((gamma(2 * len(self._taps)) + phase * UNIT) * size)

    def _grams(self, frequencies: np.ndarray) -> np.ndarray:
        """The Gram matrices [F · groups, n, n] at frequencies [F, d], n the smaller of both sides."""
        values = self._values(frequencies)
        return values @ values.conj().swapaxes(-1, -2)

    def chunks(self, frequencies: np.ndarray) -> list[np.ndarray]:
        """The frequencies in pieces whose symbols fit the memory set aside."""
        size = max(1, _CHUNK // (16 * self._taps[0].size))
        return [frequencies[i : i + size] for i in range(0, len(frequencies), size)]

    def squares(self, frequencies: np.ndarray) -> np.ndarray:
        """σ₁² at frequencies [F, d], the largest of the groups: float64 [F], as computed."""
        return np.concatenate([found.max(axis=1) for found in self._group_squares(frequencies)])

    def largest_squares(self, frequencies: np.ndarray) -> np.ndarray:
        """σ₁² of every group, the largest over frequencies [F, d]: float64 [groups], as computed."""
        return np.max([found.max(axis=0) for found in self._group_squares(frequencies)], axis=0)

    def _group_squares(self, frequencies: np.ndarray) -> Iterator[np.ndarray]:
        """σ₁² [frequencies, groups], piece by piece."""
        for chunk in self.chunks(frequencies):
            grams = self._grams(chunk)
            values = np.real(grams[:, 0]) if grams.shape[-1] == 1 else np.linalg.eigvalsh(grams)
            yield values[:, -1].reshape(len(chunk), -1)

    def largest(self, frequencies: np.ndarray, less_than: float = math.inf) -> float:
        """A certified upper bound, tight to rounding, of σ₁ over frequencies [F, d].

        A Cholesky factorization proves that a symbol is no larger than the largest before it, see `matrix.matrix_norm`;
        only where it fails are eigenvalues computed, which cost far more.

        Args:
            frequencies: [F, d], best those first where σ₁ may be largest.
            less_than: infinity is returned as soon as the bound is found to be no less than this.
        """
        size, wide = self._taps.shape[-2:]
        bound = 0.0
        for chunk in self.chunks(frequencies):
            # small matrices all at once, the others one by one
            grams = [self._grams(chunk)] if size < _SMALL else map(_gram, self._values(chunk))
            for gram in grams:
                bound = _raised(bound, gram)
                if math.sqrt(bound) >= less_than:
                    return math.inf
        trace = size * bound
        rounding = gamma(4 * wide) * trace + gamma(4 * (size + 1)) * 2 * trace + 8 * UNIT * bound
        return (math.sqrt(bound + rounding) + self.error) * (1 + 8 * UNIT)

    def _values(self, frequencies: np.ndarray) -> np.ndarray:
        """The symbols [F · groups, n, m] at frequencies [F, d]."""
        angles, taps = frequencies @ self._shifts.T, self._taps.reshape(len(self._taps), -1)
        values = np.empty((len(frequencies), taps.shape[1]), complex)
        values.real, values.imag = np.cos(angles) @ taps, np.sin(angles) @ taps
        return values.reshape(-1, *self._taps.shape[-2:])

    def estimates(self, frequencies: np.ndarray) -> np.ndarray:
        """About σ₁² at frequencies [F, d], in units of their own, by power iteration: [F]."""
        groups, size = self._taps.shape[1:3]
        if size < _SMALL:
            return self.squares(frequencies)
        start = np.random.default_rng(0).normal(size=(size, 1))
        found, scale = [], np.abs(self._taps).max(initial=np.finfo(float).tiny)
        for chunk in self.chunks(frequencies):
            # an order is wanted, no bound: half the digits will do
            symbols = (self._values(chunk) / scale).astype(np.complex64)
            vectors = np.broadcast_to(start.astype(np.complex64), (len(symbols), size, 1))
            for _ in range(_POWER_STEPS):
                images = symbols.conj().swapaxes(-1, -2) @ vectors
                vectors = symbols @ images
                lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
                vectors = vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
            found.append(lengths.reshape(-1, groups).max(axis=1))
        return np.concatenate(found)


def _gram(symbol: np.ndarray) -> np.ndarray:
    """The lower triangle of the conjugate of a symbol's Gram matrix [n, n], which has the same eigenvalues."""
    return scipy.linalg.blas.zherk(1.0, symbol.T, trans=2, lower=1)


def _raised(bound: float, grams: np.ndarray) -> float:
    """The bound, raised until factorizations prove it for Gram matrices [..., n, n] too."""
    if not grams.any():
        return bound
    while not are_definite(grams, bound):
        bound = max(bound, float(np.linalg.eigvalsh(grams)[..., -1].max())) * (1 + 1e-9)
    return bound


def grid(sizes: Sequence[int], offsets: Sequence[float], shear: int = 0) -> np.ndarray:
    """Frequencies 2π(j + offset)/size [F, d], those of the second axis less shear/size · those of the first.

    Of each pair ±ω, where a real kernel is alike, only one.
    """
    half = int(np.floor(sizes[0] / 2 - offsets[0])) + 1
    axes = [np.arange(n) + o for n, o in zip((half, *sizes[1:]), offsets, strict=True)]
    positions = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(sizes))
    if shear:  # taken back into the period while it is exact
        first, second = sizes[:2]
        sheared = np.remainder(first * positions[:, 1] - shear * positions[:, 0], first * second)
        positions[:, 1] = sheared / first
    return 2 * np.pi * positions / np.array(sizes)


def embedding_sizes(convolution: Convolution) -> tuple[int, ...]:
    """The fewest output positions of a periodic convolution that holds this one without wrapping around."""
    sizes = []
    for axis, stride in enumerate(convolution.strides):
        before, size = convolution.before[axis], convolution.input_shape[axis]
        last = (convolution.output_sizes[axis] - 1) * stride + convolution.extent[axis]
        sizes.append(max(-(-max(before + size, last - before + 1) // stride), convolution.output_sizes[axis]))
    return tuple(sizes)


def embedding_bound(convolution: Convolution, symbol: Symbol, enough: float) -> float:
    """An upper bound of the norm at the real size.

    Between zeros, a convolution is a piece of every periodic one that is large enough, and of every twisted
    one, whose wrap-around entries carry a phase exp(2πi·o) along every axis and which, on its way round the second axis, may
    come back shifted by s positions along the first: a shift by (s, N₂) can no more make two entries meet than one by
    (0, N₂). Their singular values are those of the symbol at the frequencies ω₁ = 2π(j₁ + o₁)/N₁,
    ω₂ = (2π(j₂ + o₂) − s·ω₁)/N₂. So ‖W‖ ≤ the largest of them for every N that is large enough, every o and every s.
    The best have the symbol's peaks far from all frequencies; ±ω being alike, o is 0 or ½.

    Args:
        convolution: with its sizes.
        symbol: of it.
        enough: the search ends where the bound is no larger than this.
    """
    best = math.inf
    for frequencies in _promising(symbol, embedding_sizes(convolution)):
        best = min(best, symbol.largest(frequencies, less_than=best))
        if best <= enough:
            break
    return best


def _promising(symbol: Symbol, sizes: Sequence[int]) -> list[np.ndarray]:
    """Grids on which the symbol seems to stay smallest, by interpolation; each with its largest values first."""
    known = _interpolated(symbol, sizes)
    candidates = []
    axes = [[(size + more, offset) for more in range(_LARGER) for offset in (0.5, 0.0)] for size in sizes]
    shears = {round(sizes[0] * k / _SHEARS) for k in range(_SHEARS if len(sizes) > 1 else 1)}
    for choice, shear in itertools.product(itertools.product(*axes), shears):
        larger, offsets = zip(*choice, strict=True)
        frequencies = grid(larger, offsets, shear)
        values = known(frequencies)
        order = np.argsort(-values)
        candidates.append((values[order[0]], frequencies[order]))
    candidates.sort(key=lambda candidate: candidate[0])
    return [frequencies for _, frequencies in candidates[:_TRIED]]


def group_bounds(symbol: Symbol) -> np.ndarray:
    """Upper bounds, within a few percent, of the supremum over frequencies of every group: [groups].

    By Duffin and Schaeffer's inequality along one axis after the other, see `supremum`.
    """
    counts = np.maximum(1, np.ceil(_GROUP_GRID * symbol.bandwidth)).astype(int)
    squares = symbol.largest_squares(grid(counts, [0.0] * len(counts)))
    cosine = float(np.prod(np.cos(symbol.bandwidth * np.pi / counts)))
    sigma = np.sqrt(np.maximum(squares, 0) * (1 + symbol.eigenvalue_error))
    return (sigma + symbol.error) / cosine * (1 + 8 * UNIT)


def _interpolated(symbol: Symbol, sizes: Sequence[int]) -> Callable[[np.ndarray], np.ndarray]:
    """`symbol.estimates` of any frequencies by periodic splines over a grid twice as fine as `sizes`."""
    fine = [2 * size for size in sizes]
    half = symbol.estimates(grid(fine, [0.0] * len(fine))).reshape(-1, *fine[1:])
    # index −i stands for −ω, where the value is that of ω
    rest = np.roll(np.flip(half[1:-1]), 1, axis=tuple(range(1, half.ndim)))
    splines = scipy.ndimage.spline_filter(np.concatenate([half, rest]).astype(float), mode="grid-wrap")

    def values(frequencies: np.ndarray) -> np.ndarray:
        at = (frequencies / (2 * np.pi) * fine).T
        return scipy.ndimage.map_coordinates(splines, at, mode="grid-wrap", prefilter=False)

    return values


@one_thread
def supremum(symbol: Symbol, tolerance: float) -> tuple[float, float]:
    """The supremum of the symbol's norm over all frequencies: lower and upper bound.

    Let M be the supremum, attained at ω* by unit vectors u, v. Along any line through ω* the function
    Re(exp(iθ)·uᴴ·symbol·v), with the phase that centres its frequencies, is real, of exponential type
    n = Σ bandwidth·|direction|, bounded by M and equal to M at ω*; so, by Duffin and Schaeffer 1938, it is at least
    M·cos(n·t) at distance t. A cell of the frequency cube with centre ω and half widths h can hold ω* only if
    σ₁(ω) ≥ M·cos(Σ bandwidth·h): all others are discarded, the rest is halved until the bound is tight, or, where
    the symbol is almost as large everywhere and few cells can be discarded, until too many are left. While none is
    discarded, one axis after the other gives the better ∏ cos(bandwidth·h): some grid point is as large as that.

    Args:
        symbol: of a convolution.
        tolerance: on upper / lower − 1.
    """
    dimensions = len(symbol.bandwidth)
    counts = np.maximum(1, np.ceil(4 * symbol.bandwidth * dimensions)).astype(int)
    widths = np.pi / counts
    axes = [-np.pi + width * (2 * np.arange(n) + 1) for width, n in zip(widths, counts, strict=True)]
    centres = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, dimensions)
    centres = centres[centres[:, 0] > -1e-12 - widths[0]]  # of ±ω one is enough
    most = min(_CELLS, _CELL_WORK / symbol.work)
    lower, everywhere = 0.0, True
    while True:
        squares = symbol.squares(centres)
        sigma = np.sqrt(np.maximum(squares, 0))
        lower = max(lower, float(sigma.max()))
        cosine = math.cos(float(symbol.bandwidth @ widths))
        slack = symbol.error + symbol.eigenvalue_error * lower
        kept = centres[sigma + slack >= (lower - slack) * cosine]
        everywhere = everywhere and len(kept) == len(centres)
        if everywhere:
            cosine = float(np.prod(np.cos(symbol.bandwidth * widths)))
        upper = (float(sigma.max()) + slack) / cosine
        too_many = len(kept) * 2**dimensions > most
        if upper <= lower * (1 + tolerance) or cosine > 1 - 1e-12 or too_many:
            break
        widths = widths / 2
        steps = np.array(list(itertools.product((-1, 1), repeat=dimensions))) * widths
        centres = (kept[:, None] + steps).reshape(-1, dimensions)
    return max(0.0, lower - slack), upper
