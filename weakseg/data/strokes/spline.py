"""Strokes along splines through random points of each object, away from its border."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
from scipy import ndimage
from scipy.interpolate import CubicSpline
from skimage.graph import route_through_array

from weakseg.data.curves import Curve, Mask
from weakseg.data.strokes.drawing import Spacing2, Strokes
from weakseg.data.strokes.walk import inside

_CANDIDATES: Final = 24
_ROUNDS: Final = 6  # of adding points where the spline leaves; each halves the way between them
_POINTS: Final = 60
_STEP: Final = 0.25  # pixels


@dataclass(frozen=True, kw_only=True)
class Spline(Strokes):
    """A spline through random points that never comes within ``inset`` mm of the border.

    Where the spline would leave that region, points of a way inside are added. Objects that are
    too thin are drawn in their deepest part. Coverage is not reached where the region has fewer
    pixels.
    """

    inset: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.inset < 0:
            raise ValueError(f"inset must not be negative, got {self.inset}")

    def lines(
        self, mask: Mask, spacing: Spacing2, length: float, rng: np.random.Generator
    ) -> Iterator[Curve]:
        """See :meth:`Strokes.lines`."""
        parts, count = ndimage.label(self.paper(mask, spacing), np.ones((3, 3)))
        areas = np.bincount(parts.ravel())[1:]
        while True:
            free = parts == 1 + rng.choice(count, p=areas / areas.sum())
            yield _through(_points(np.argwhere(free), length, rng), free)

    def paper(self, mask: Mask, spacing: Spacing2) -> Mask:
        """Return what is at least ``inset`` inside."""
        return inside(mask, spacing, self.inset)


def _points(pixels: np.ndarray, length: float, rng: np.random.Generator) -> Curve:
    """Choose points so far apart as suits the object, without sharp turns."""
    stride = 1.5 * np.sqrt(len(pixels) / np.pi)
    chosen = [pixels[int(rng.integers(len(pixels)))].astype(np.float64)]
    way, heading = 0.0, rng.normal(0, 1, 2)
    while way < length and len(chosen) < _POINTS:
        offered = pixels[rng.integers(len(pixels), size=_CANDIDATES)] - chosen[-1]
        far = np.hypot(*offered.T)
        ahead = (offered @ heading) / np.maximum(far * np.hypot(*heading), 1e-9)
        best = int((np.abs(far / stride - 1) - 1.2 * ahead).argmin())
        if far[best] == 0:
            break
        heading = offered[best]
        way += float(far[best])
        chosen.append(chosen[-1] + heading)
    return np.array(chosen)


def _through(points: Curve, free: Mask) -> Curve:
    """Return a spline through points, and through more of them where it would leave ``free``."""
    curve, piece = _interpolated(points)
    for _ in range(_ROUNDS):
        index = np.rint(curve).astype(int).clip(0, np.array(free.shape) - 1)
        leaving = np.unique(piece[~free[tuple(index.T)]])
        if len(leaving) == 0:
            break
        middles = [(i + 1, _between(points[i], points[i + 1], free)) for i in leaving.tolist()]
        added = [(i, middle) for i, middle in middles if middle is not None]
        if not added:
            break
        points = np.insert(points, [i for i, _ in added], [middle for _, middle in added], axis=0)
        curve, piece = _interpolated(points)
    return curve


def _between(begin: np.ndarray, end: np.ndarray, free: Mask) -> np.ndarray | None:
    """Return the middle of the shortest way inside; None between neighbours."""
    costs = np.where(free, 1.0, -1.0)  # negative ones cannot be passed
    corners = (tuple(begin.astype(int)), tuple(end.astype(int)))
    way, _ = cast(Any, route_through_array)(costs, *corners, geometric=True)
    return np.array(way[len(way) // 2], dtype=np.float64) if len(way) > 2 else None


def _interpolated(points: Curve) -> tuple[Curve, np.ndarray]:
    """Return a centripetal cubic spline and, for each of its points, the piece it is in."""
    if len(points) < 2:
        return points, np.zeros(len(points), dtype=int)
    chords = np.hypot(*np.diff(points, axis=0).T)
    knots = np.concatenate([[0.0], np.cumsum(np.sqrt(chords))])
    counts = np.ceil(chords / _STEP).astype(int)
    piece = np.repeat(np.arange(len(chords)), counts)
    part = np.concatenate([np.arange(count) / count for count in counts])
    at = np.append(knots[piece] + part * np.diff(knots)[piece], knots[-1])
    curve: Curve = cast(Any, CubicSpline)(knots, points, bc_type="natural")(at)
    return curve, np.append(piece, piece[-1])
