"""Lines as a hand draws them: windings, dashes, loops and zigzags."""

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import find_contours

from weakseg.data import curves
from weakseg.data.curves import Curve, Mask


def jitter(spread: float, rng: np.random.Generator) -> float:
    """Return a factor of mean 1 whose logarithm is normal."""
    return float(np.exp(rng.normal(-0.5 * spread**2, spread)))


def tilted(
    depth: NDArray[np.float64], spread: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Weigh a depth map so that its contours lie off centre, as drawn by hand."""
    y, x = (np.linspace(-1, 1, size) for size in depth.shape)
    lean = rng.normal(0, spread, 2)
    return np.asarray(depth * np.exp(lean[0] * y[:, None] + lean[1] * x))


def contours(field: NDArray[np.float64], level: float) -> list[Curve]:
    """Return the contours of a field that are at least three pixels long, longest first."""
    if min(field.shape) < 2:
        return []
    found: list[Curve] = cast(Any, find_contours)(field, level)
    found = [contour for contour in found if curves.length(contour) >= 3]
    return sorted(found, key=curves.length, reverse=True)


def ring(field: NDArray[np.float64], level: float, backwards: bool = False) -> Curve | None:
    """Return the longest contour of a field, closed and smoothed, or None."""
    found = contours(field, level)
    if not found:
        return None
    longest = found[0]
    return curves.smooth(longest[::-1] if backwards else longest, 1.5, closed=True)


def spiral(mask: Mask, wanted: float, rng: np.random.Generator) -> list[Curve]:
    """Wind one line of about ``wanted`` pixels inwards along contours of the depth of a mask."""
    depth = tilted(ndimage.gaussian_filter(ndimage.distance_transform_edt(mask), 0.7), 0.45, rng)
    level, backwards = rng.uniform(0.32, 0.56), rng.random() < 0.5
    pieces: list[Curve] = []
    left = wanted
    while left > 1 and level < 0.93:
        turn = ring(depth, level * float(depth.max()), backwards)
        if turn is None:
            break
        if pieces:
            start = int(((turn - pieces[-1][-1]) ** 2).sum(axis=1)[:-1].argmin())
        else:
            start = int(rng.integers(len(turn) - 1))
        turn = curves.start_at(turn, start)
        pieces.append(curves.between(turn, 0.0, min(left, 0.92 * curves.length(turn))))
        left -= curves.length(pieces[-1])
        level += rng.uniform(0.18, 0.3)
    return [curves.smooth(np.concatenate(pieces), 2.0)] if pieces else []


def arcs(wall: Mask, cavity: Mask, wanted: float, rng: np.random.Generator) -> list[Curve]:
    """Draw one to four arcs half-way between the inner and the outer border of a wall."""
    outer = ndimage.distance_transform_edt(wall | cavity)
    middle = outer / np.maximum(outer + ndimage.distance_transform_edt(~cavity), 1e-9)
    middle = tilted(ndimage.gaussian_filter(middle, 0.7), 0.15, rng)
    loop = ring(middle, rng.uniform(0.4, 0.56))
    if loop is None:
        return []
    return dashes(curves.start_at(loop, int(rng.integers(len(loop) - 1))), wanted, rng)


def dashes(line: Curve, wanted: float, rng: np.random.Generator) -> list[Curve]:
    """Return one to four parts of a line, ``wanted`` pixels in all; the line where it is short."""
    full = curves.length(line)
    if wanted > 0.9 * full:
        return [line]
    count = int(rng.choice([1, 2, 3, 4], p=[0.15, 0.4, 0.32, 0.13]))
    strokes = wanted * rng.dirichlet(np.full(count, 6.0))
    gaps = (full - wanted) * rng.dirichlet(np.full(count, 3.0))
    begins = np.concatenate([[0.0], np.cumsum(strokes + gaps)[:-1]])
    return [curves.between(line, a, a + b) for a, b in zip(begins, strokes, strict=True)]


def zigzag(centre: Curve, wanted: float, rng: np.random.Generator) -> Curve:
    """Draw a line of the wanted length, pixels, to and fro across a centre (y, x)."""
    sides = np.where(np.arange(7) % 2, 1.0, -1.0)
    y = np.linspace(-0.5, 0.5, 7) + rng.normal(0, 0.07, 7)
    x = sides * rng.uniform(0.25, 0.6, 7)
    turn = rng.uniform(-0.6, 0.6)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    line = curves.smooth(np.stack([y, x], axis=1) @ rotation * 100.0, 8.0)
    return np.asarray(centre + line * (wanted / curves.length(line)))
