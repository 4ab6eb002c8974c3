"""Strokes of a random walker that keeps away from the border of each object."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import ndimage

from weakseg.data import curves
from weakseg.data.curves import Curve, Mask
from weakseg.data.strokes.drawing import Spacing2, Strokes

_DEEP: Final = 0.6  # of the largest depth; that deep is always allowed
_TURNS: Final = tuple(math.radians(degrees) for degrees in (0, 25, 50, 80, 110, 145, 180))
_SMOOTH: Final = 2.0  # pixels along the way


def inside(mask: Mask, spacing: Spacing2, inset: float) -> Mask:
    """Return a mask without what is within ``inset`` mm of its border, never all of it.

    Where an object is too thin, its deepest part is left.
    """
    depth = ndimage.distance_transform_edt(np.pad(mask, 1), sampling=spacing)[1:-1, 1:-1]
    return np.asarray(mask & (depth > min(inset, _DEEP * float(depth.max()))))


@dataclass(frozen=True, kw_only=True)
class Walk(Strokes):
    """A walk whose direction changes by chance, and turns where it would come near the border.

    The walk stays ``inset`` mm inside the object, less where that is too thin; ``wander`` is the
    standard deviation of the change of direction on each pixel of the way, degrees. Coverage is
    not reached where there are too few pixels so far inside.
    """

    inset: float = 2.0
    wander: float = 12.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.inset < 0 or self.wander < 0:
            raise ValueError(
                f"inset and wander must not be negative, got {self.inset}, {self.wander}"
            )

    def lines(
        self, mask: Mask, spacing: Spacing2, length: float, rng: np.random.Generator
    ) -> Iterator[Curve]:
        """See :meth:`Strokes.lines`."""
        free = self.paper(mask, spacing)
        starts = np.argwhere(free)
        while True:
            way = self._way(free, starts[int(rng.integers(len(starts)))], length, rng)
            yield curves.smooth(way, _SMOOTH) if len(way) > 1 else way

    def paper(self, mask: Mask, spacing: Spacing2) -> Mask:
        """Return what is at least ``inset`` inside."""
        return inside(mask, spacing, self.inset)

    def _way(self, free: Mask, start: np.ndarray, length: float, rng: np.random.Generator) -> Curve:
        steps = math.ceil(1.3 * length)
        changes = rng.normal(0, math.radians(self.wander), steps)
        sides = rng.choice([-1.0, 1.0], steps)
        heading = rng.uniform(0, 2 * math.pi)
        y, x = (float(at) for at in start)
        way = [(y, x)]
        for change, side in zip(changes.tolist(), sides.tolist(), strict=True):
            for turn in (sign * side * angle for angle in _TURNS for sign in (1, -1)):
                towards = heading + change + turn
                ahead = y + math.sin(towards), x + math.cos(towards)
                if free[round(ahead[0]), round(ahead[1])]:
                    break
            else:
                break
            heading, (y, x) = towards, ahead
            way.append(ahead)
        return np.array(way)
