"""Volumes on coarser or finer grids, side by side of a window.

Lengths are native voxels: voxel i reaches from i to i + 1. Outside the native volume everything
is 0.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Side(NamedTuple):
    """One side of a window: where it starts, how long it is, and its number of equal cells."""

    start: int
    length: float
    cells: int

    def centres(self) -> NDArray[np.float64]:
        """Return the centres of the cells, [cells]."""
        halves = np.arange(self.cells, dtype=np.float64) + 0.5
        return np.asarray(self.start + halves * (self.length / self.cells))

    def weights(self, count: int) -> NDArray[np.float32]:
        """Return the weight of each of ``count`` voxels in each cell, [cells, count].

        Interpolation is linear; where cells are longer than voxels the kernel is as much wider,
        so that nothing is skipped. Rows sum to 1, or to 0 where a centre lies outside.
        """
        centres = self.centres()
        width = max(1.0, self.length / self.cells)
        offset = np.arange(count) + 0.5 - centres[:, None]
        kernel = np.clip(1 - np.abs(offset) / width, 0, None)
        kernel[(centres < 0) | (centres > count)] = 0
        total = kernel.sum(axis=1, keepdims=True)
        return np.asarray(kernel / np.where(total > 0, total, 1), np.float32)

    def covers(self, count: int) -> NDArray[np.bool_]:
        """Return which of ``count`` voxels have their centre in the window."""
        centre = np.arange(count) + 0.5
        return np.asarray((self.start <= centre) & (centre < self.start + self.length))


def resampled(
    volume: NDArray[np.float32], weights: Sequence[NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Return the weighted means of a volume [D, H, W] in each cell, float32 [*cells].

    Args:
        volume: on the native grid.
        weights: of the three sides, see :meth:`Side.weights`.
    """
    for side in weights:  # each round turns the first axis into the last
        volume = np.tensordot(volume, side, axes=(0, 1))
    return np.ascontiguousarray(volume, np.float32)


def nearest(mask: NDArray[np.bool_], sides: Sequence[Side]) -> NDArray[np.bool_]:
    """Return the voxels of a mask [D, H, W] under the centres of the cells, bool [*cells]."""
    places = [np.floor(side.centres()).astype(int) for side in sides]
    inside = [(at >= 0) & (at < n) for at, n in zip(places, mask.shape, strict=True)]
    clipped = [at.clip(0, n - 1) for at, n in zip(places, mask.shape, strict=True)]
    within = inside[0][:, None, None] & inside[1][:, None] & inside[2]
    return np.asarray(mask[np.ix_(*clipped)] & within)
