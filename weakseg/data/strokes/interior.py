"""Strokes that wind half-way between the middle and the border of each object."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import ndimage

from weakseg.data import curves
from weakseg.data.curves import Curve, Mask
from weakseg.data.strokes import centreline, hand
from weakseg.data.strokes.drawing import Spacing2, Strokes

_HOLLOW: Final = 0.2  # area of holes over that of the whole, from where a wall is a wall
_SLENDER: Final = 8.0  # length over half the thickness
_AMPLE: Final = 1.3  # more line than the length that is wanted, since turns overlap


@dataclass(frozen=True, kw_only=True)
class Interior(Strokes):
    """One winding line in compact objects, one along slender ones, dashes along walls.

    The habits of those who scribbled ACDC (Valvano et al., IEEE TMI 2021).
    """

    def lines(
        self, mask: Mask, spacing: Spacing2, length: float, rng: np.random.Generator
    ) -> Iterator[Curve]:
        """See :meth:`Strokes.lines`."""
        holes = ndimage.binary_fill_holes(mask) & ~mask
        if holes.sum() > _HOLLOW * (holes | mask).sum():
            while arcs := hand.arcs(mask, holes, length, rng):
                yield from arcs
        middle = centreline.paths(mask)
        depth = float(ndimage.distance_transform_edt(mask).max())
        if middle and curves.length(middle[0]) > _SLENDER * depth:
            while True:
                for line in middle:
                    yield _part(_wobbly(line, 0.3 * depth, rng), length, rng)
        while winding := hand.spiral(mask, _AMPLE * length, rng):
            yield from winding


def _part(line: Curve, wanted: float, rng: np.random.Generator) -> Curve:
    """Return a line from where about as much is left as is wanted."""
    full = curves.length(line)
    return curves.between(line, rng.uniform(0, max(full - _AMPLE * wanted, 0.0)), full)


def _wobbly(line: Curve, size: float, rng: np.random.Generator) -> Curve:
    """Smooth a line and let it stray sideways, by ``size`` pixels at most places."""
    dense = curves.smooth(line, 3.0)
    stray = ndimage.gaussian_filter1d(rng.normal(0, 1, (len(dense), 2)), 16.0, axis=0)
    return np.asarray(dense + 0.5 * size * stray / max(float(stray.std()), 1e-9))
