"""A convolution as a linear map in float64: applied, transposed, and as a matrix."""

import dataclasses
import functools
import itertools
import math
from collections.abc import Iterator

import numpy as np


@dataclasses.dataclass(frozen=True)
class Convolution:
    """y[n, o] = Σ_t Σ_c kernel[t, c, o] · x[stride·n + dilation·t − before, c], with x zero outside, in groups.

    Attributes:
        kernel: float64 [*taps, C_in / groups, C_out], as Keras stores it.
        input_shape: of an image, [*sizes, C_in].
        output_sizes: how many positions the output has along every axis.
        strides: along every axis.
        dilation: along every axis.
        before: zeros before the first position, along every axis; those after the last follow from the sizes.
        groups: of channels; group g maps its C_in / groups inputs to its C_out / groups outputs.
    """

    kernel: np.ndarray
    input_shape: tuple[int, ...]
    output_sizes: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]
    groups: int = 1

    @property
    def taps(self) -> tuple[int, ...]:
        """The kernel's size along every axis."""
        return self.kernel.shape[:-2]

    @property
    def output_shape(self) -> tuple[int, ...]:
        """[*sizes, C_out]."""
        return (*self.output_sizes, self.kernel.shape[-1])

    @property
    def grouped(self) -> np.ndarray:
        """The kernel as [*taps, groups, C_in / groups, C_out / groups]."""
        *taps, inputs, outputs = self.kernel.shape
        return np.moveaxis(self.kernel.reshape(*taps, inputs, self.groups, outputs // self.groups), -2, -3)

    @functools.cached_property
    def phased(self) -> tuple[np.ndarray, np.ndarray]:
        """The same map with stride 1, on an input whose every ∏strides neighbours are taken as channels.

        Returns:
            shifts: int [T, d], how many strides a block lies away.
            blocks: [T, groups, ∏strides · C_in / groups, C_out / groups].
        """
        grouped = self.grouped
        groups, inputs, outputs = grouped.shape[-3:]
        blocks: dict[tuple[int, ...], np.ndarray] = {}
        for tap in itertools.product(*map(range, self.taps)):
            axes = zip(tap, self.dilation, self.strides, strict=True)
            shift, phase = zip(*(divmod(t * d, s) for t, d, s in axes), strict=True)
            empty = np.zeros((groups, *self.strides, inputs, outputs))
            blocks.setdefault(shift, empty)[(slice(None), *phase)] = grouped[tap]
        merged = np.stack(list(blocks.values())).reshape(len(blocks), groups, -1, outputs)
        return np.array(list(blocks)), merged

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Outputs [B, *sizes, C_out] of x [B, *sizes, C_in]."""
        phases = self._to_phases(x)
        positions = len(x) * math.prod(self.output_sizes)
        y = np.zeros((self.groups, positions, self.kernel.shape[-1] // self.groups))
        for window, block in self._windows():
            y += phases[window].reshape(self.groups, positions, -1) @ block
        return _joined(y.reshape(self.groups, len(x), *self.output_sizes, -1))

    def transpose(self, y: np.ndarray) -> np.ndarray:
        """The adjoint's outputs [B, *sizes, C_in] of y [B, *sizes, C_out]."""
        phases = np.zeros(
            (self.groups, len(y), *self._phase_sizes, math.prod(self.strides) * self.kernel.shape[-2])
        )
        flat = _split(y, self.groups).reshape(self.groups, len(y) * math.prod(self.output_sizes), -1)
        for window, block in self._windows():
            phases[window] += (flat @ block.swapaxes(-1, -2)).reshape(phases[window].shape)
        return self._from_phases(phases)

    def matrix(self) -> np.ndarray:
        """The dense matrix [outputs, inputs]; for small ones only."""
        inputs, outputs = math.prod(self.input_shape), math.prod(self.output_shape)
        if inputs <= outputs:
            return self.apply(np.eye(inputs).reshape(inputs, *self.input_shape)).reshape(inputs, -1).T
        return self.transpose(np.eye(outputs).reshape(outputs, *self.output_shape)).reshape(outputs, -1)

    @property
    def extent(self) -> tuple[int, ...]:
        """How far the taps reach along every axis: dilation · (taps − 1)."""
        return tuple(d * (k - 1) for d, k in zip(self.dilation, self.taps, strict=True))

    @property
    def _phase_sizes(self) -> tuple[int, ...]:
        """How many strides there are from the first zero before to the last value that is read or lies inside."""
        axes = zip(self.output_sizes, self.extent, self.strides, self.before, self.input_shape, strict=False)
        return tuple(-(-max((n - 1) * s + e + 1, size + b) // s) for n, e, s, b, size in axes)

    @property
    def _inside(self) -> tuple[slice, ...]:
        sizes = self.input_shape[:-1]
        return (slice(None), slice(None), *(slice(b, b + n) for b, n in zip(self.before, sizes, strict=True)))

    def _to_phases(self, x: np.ndarray) -> np.ndarray:
        """[B, *sizes, C_in] to [groups, B, *strides' number, ∏strides · C_in / groups], padded."""
        sizes, rank = self._phase_sizes, len(self.strides)
        padded = [n * s for n, s in zip(sizes, self.strides, strict=True)]
        whole = np.zeros((self.groups, len(x), *padded, self.kernel.shape[-2]))
        whole[self._inside] = _split(x, self.groups)
        pairs = [n for pair in zip(sizes, self.strides, strict=True) for n in pair]
        whole = whole.reshape(self.groups, len(x), *pairs, -1)
        order = (0, 1, *range(2, 2 + 2 * rank, 2), *range(3, 3 + 2 * rank, 2), 2 + 2 * rank)
        return whole.transpose(order).reshape(self.groups, len(x), *sizes, -1)

    def _from_phases(self, phases: np.ndarray) -> np.ndarray:
        """The adjoint of `_to_phases`."""
        sizes, rank = self._phase_sizes, len(self.strides)
        apart = phases.reshape(*phases.shape[:2], *sizes, *self.strides, -1)
        order = [0, 1, *(a for i in range(rank) for a in (2 + i, 2 + rank + i)), 2 + 2 * rank]
        padded = [n * s for n, s in zip(sizes, self.strides, strict=True)]
        whole = apart.transpose(order).reshape(*phases.shape[:2], *padded, -1)
        return _joined(whole[self._inside])

    def _windows(self) -> Iterator[tuple[tuple[slice, ...], np.ndarray]]:
        """For every block what of the phases it reads, and the block."""
        for shift, block in zip(*self.phased, strict=True):
            read = (slice(m, m + n) for m, n in zip(shift, self.output_sizes, strict=True))
            yield (slice(None), slice(None), *read), block


def _split(x: np.ndarray, groups: int) -> np.ndarray:
    """[…, C] to [groups, …, C / groups]."""
    return np.moveaxis(x.reshape(*x.shape[:-1], groups, -1), -2, 0)


def _joined(x: np.ndarray) -> np.ndarray:
    """[groups, …, C / groups] to […, C]."""
    x = np.moveaxis(x, 0, -2)
    return x.reshape(*x.shape[:-2], -1)
