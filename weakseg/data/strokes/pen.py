"""The pen that turns curves into pixels, and stops when enough of them are labelled."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from weakseg.data import curves
from weakseg.data.curves import Curve, Mask

_LINES: Final = 12  # that are tried before the strokes are made thicker
_STEP: Final = 0.25  # pixels along a line


@dataclass(frozen=True, kw_only=True)
class Pen:
    """A round nib that labels the pixels whose centres it passes over, at least the nearest.

    ``reach`` is the radius of the nib along y and x, pixels.
    """

    reach: tuple[float, float] = (0.5, 0.5)

    def draw(self, lines: Iterable[Curve], paper: Mask, wanted: int) -> Mask:
        """Return ``wanted`` pixels of the paper, those that the lines pass first.

        Where the lines pass too few, the strokes are thickened, from the deepest pixel on where
        there is no stroke; all of the paper is returned where it has no more than is wanted.

        Args:
            lines: curves in the paper's frame, in the order they are drawn; may be endless.
            paper: bool [H, W], where there may be ink.
            wanted: number of pixels.
        """
        inked = np.zeros(paper.size, dtype=np.bool_)
        wanted = min(wanted, int(paper.sum()))
        left = wanted
        for line in islice(lines, _LINES):
            passed = self._passed(line, paper)
            fresh = passed[~inked[passed]][:left]
            inked[fresh] = True
            left -= len(fresh)
            if left == 0:
                break
        strokes = inked.reshape(paper.shape)
        if left > 0:
            strokes |= _nearest(strokes, paper, left)
        return strokes

    def _passed(self, line: Curve, paper: Mask) -> NDArray[np.int64]:
        """Return the flat indices of the paper's pixels in the order they are passed, once each."""
        points = curves.resample(line, _STEP)
        nearest = np.rint(points)
        steps = [np.arange(-np.ceil(r - 0.5), np.ceil(r - 0.5) + 1) for r in self.reach]
        around = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 2)
        around = around[np.argsort((around**2).sum(axis=1), kind="stable")]
        pixels = nearest[:, None] + around  # [N, K, 2]
        off = (pixels - points[:, None]) / np.array(self.reach)
        touched = ((off**2).sum(axis=-1) <= 1) | (around == 0).all(axis=-1)
        index = pixels[touched].astype(np.int64)
        index = index[((index >= 0) & (index < paper.shape)).all(axis=1)]
        index = index[paper[tuple(index.T)]]
        flat, first = np.unique(index @ np.array([paper.shape[1], 1]), return_index=True)
        ordered: NDArray[np.int64] = flat[np.argsort(first)]
        return ordered


def _nearest(strokes: Mask, paper: Mask, count: int) -> Mask:
    """Return the free pixels of the paper nearest to the strokes, deeper ones first."""
    depth = ndimage.distance_transform_edt(np.pad(paper, 1))[1:-1, 1:-1]
    start = strokes.copy()
    if not start.any():
        start[np.unravel_index(int(depth.argmax()), paper.shape)] = True
    away = ndimage.distance_transform_edt(~start)
    free = np.flatnonzero(paper & ~strokes)
    order = np.lexsort((free, -depth.ravel()[free], away.ravel()[free]))
    near = np.zeros(paper.size, dtype=np.bool_)
    near[free[order[:count]]] = True
    return near.reshape(paper.shape)
