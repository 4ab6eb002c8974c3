"""Smooth noise over space, the same at any resolution."""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

REACH: Final = 320.0
"""How far noise extends from the origin on all sides, mm, unless asked otherwise."""

_Line = NDArray[np.floating[Any]]


class Wave(NamedTuple):
    """Smooth noise over space: knots [z, y, x], ``cell`` mm apart, of cubic B-splines."""

    knots: NDArray[np.float64]
    cell: float
    reach: float = REACH

    def at(self, z: _Line, y: _Line, x: _Line) -> NDArray[np.float32]:
        """Return float32 [D, H, W] of about unit variance at the lines of a grid."""
        field = self.knots
        for line in (z, y, x):  # each round turns the first axis into the last
            field = np.tensordot(field, self._spline(line, len(field)), axes=(0, 1))
        return (3.0 * field).astype(np.float32)

    def _spline(self, line: _Line, count: int) -> NDArray[np.float64]:
        """Return the weights of the knots at positions, [N, count]."""
        distance = np.abs(
            (np.asarray(line)[:, None] + self.reach) / self.cell + 1 - np.arange(count)
        )
        near = 2 / 3 - distance**2 + distance**3 / 2
        far = np.clip(2 - distance, 0, None) ** 3 / 6
        return np.asarray(np.where(distance < 1, near, far))


def wave(cell: float, rng: np.random.Generator, reach: float = REACH) -> Wave:
    """Draw noise whose bumps are about ``cell`` mm wide."""
    count = int(2 * reach / cell) + 4
    return Wave(rng.standard_normal((count, count, count)), cell, reach)
