"""Draws scribbles into dense labels, with the statistics of the expert scribbles of ACDC.

Valvano et al. (IEEE TMI 2021) scribbled all of ACDC by hand: one thin pen line, about one pixel
wide, that winds through each cavity, a few arcs along the middle of the myocardium, and one loop
of background about 15 mm outside the heart. Far-away background stays unlabelled.
"""

from collections.abc import Sequence
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import find_contours

from weakseg.data import curves
from weakseg.data.curves import Curve, Mask
from weakseg.seeding import generator
from weakseg.types import IGNORE_INDEX

COVERAGE: Final = (0.0066, 0.101, 0.140, 0.097)
"""Labelled share of background, RV, myocardium and LV in the expert scribbles of ACDC."""

BACKGROUND, RV, WALL, CAVITY = range(4)
SPREAD: Final = (0.2, 0.4, 0.35, 0.4)  # of log length between slices, per class
PIXELS_PER_LENGTH: Final = 1.07  # 4 / pi for a straight line, less where turns overlap
EDGE: Final = 2  # pixels around the heart's box


def draw(
    reference: NDArray[np.uint8],
    spacing: Sequence[float],
    seed: int,
    *,
    coverage: Sequence[float] = COVERAGE,
    margin: float = 14.5,
) -> NDArray[np.uint8]:
    """Draw strokes into every slice of a cardiac reference.

    Args:
        reference: uint8 [D, H, W], 0 background, 1 RV, 2 myocardium, 3 LV.
        spacing: voxel size (z, y, x), mm.
        seed: the strokes are a function of this and of the other arguments only.
        coverage: per class, the share of its voxels to label; reached on average, not exactly.
        margin: mean distance of the background loop from the heart, mm.

    Returns:
        uint8 [D, H, W], the reference's class under a stroke, ``IGNORE_INDEX`` elsewhere. Every
        class that is present in a slice has a stroke there.

    Raises:
        ValueError: the reference is not a volume of classes 0 to 3, or a coverage is not
            between 0 and 1.
    """
    if reference.ndim != 3 or reference.size == 0 or reference.max() > CAVITY:
        raise ValueError(f"reference must be [D, H, W] of classes 0 to 3, got {reference.shape}")
    if len(coverage) != 4 or not all(0 < share < 1 for share in coverage):
        raise ValueError(f"coverage must be 4 shares between 0 and 1, got {tuple(coverage)}")
    scribble = np.full(reference.shape, IGNORE_INDEX, np.uint8)
    centre = _centre(reference)
    for cls, share in enumerate(coverage):
        areas = np.count_nonzero(reference == cls, axis=(1, 2))
        # A longer line goes through a larger area, yet not in proportion: like the root of it.
        scale = share * areas.sum() / max(float(np.sqrt(areas).sum()), 1.0) / PIXELS_PER_LENGTH
        for z in np.flatnonzero(areas):
            rng = generator("scribble", seed, int(z), cls)
            wanted = scale * float(np.sqrt(areas[z])) * _jitter(SPREAD[cls], rng)
            if cls == BACKGROUND:
                lines = _outside(reference[z], centre, wanted, margin / float(spacing[-1]), rng)
            else:
                lines = _inside(reference[z], cls, wanted, rng)
            scribble[z][_ink(lines, reference[z] == cls)] = cls
    return scribble


def _jitter(spread: float, rng: np.random.Generator) -> float:
    """Return a factor of mean 1 whose logarithm is normal."""
    return float(np.exp(rng.normal(-0.5 * spread**2, spread)))


def _centre(reference: NDArray[np.uint8]) -> Curve:
    """Return (y, x) of the heart, or of the image where there is none."""
    _, y, x = np.nonzero(reference)
    if len(y) == 0:
        return np.array(reference.shape[1:]) / 2.0
    return np.array([y.mean(), x.mean()])


def _ink(lines: Sequence[Curve], mask: Mask) -> Mask:
    """Return the pixels of the mask that the lines pass through, at least one.

    Pixels on the mask's rim are left out, unless nothing else is left.
    """
    inked = np.zeros_like(mask)
    for line in lines:
        index = np.rint(curves.resample(line, 0.2)).astype(int)
        index = index[((index >= 0) & (index < mask.shape)).all(axis=1)]
        inked[tuple(index.T)] = True
    for kept in (inked & ndimage.binary_erosion(mask, border_value=1), inked & mask):
        if kept.any():
            return np.asarray(kept)
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    inked[:] = False
    inked[np.unravel_index(int(depth.argmax()), mask.shape)] = True
    return inked


def _inside(
    plane: NDArray[np.uint8], cls: int, wanted: float, rng: np.random.Generator
) -> list[Curve]:
    """Draw one foreground class of a slice, in the frame of the slice."""
    rows, columns = ndimage.find_objects((plane > 0).astype(np.uint8))[0]
    corner = np.array([rows.start, columns.start]) - EDGE
    crop = np.pad(plane[rows, columns], EDGE)
    if cls == WALL and (crop == CAVITY).any():
        lines = _arcs(crop == WALL, crop == CAVITY, wanted, rng)
    else:
        lines = _spiral(crop == cls, wanted, rng)
    return [line + corner for line in lines]


def _spiral(mask: Mask, wanted: float, rng: np.random.Generator) -> list[Curve]:
    """Wind one line inwards along contours of the distance to the mask's boundary."""
    depth = _tilted(ndimage.gaussian_filter(ndimage.distance_transform_edt(mask), 0.7), 0.45, rng)
    level, backwards = rng.uniform(0.32, 0.56), rng.random() < 0.5
    pieces: list[Curve] = []
    left = wanted
    while left > 1 and level < 0.93:
        ring = _ring(depth, level * float(depth.max()), backwards)
        if ring is None:
            break
        if pieces:
            start = int(((ring - pieces[-1][-1]) ** 2).sum(axis=1)[:-1].argmin())
        else:
            start = int(rng.integers(len(ring) - 1))
        turn = curves.start_at(ring, start)
        pieces.append(curves.between(turn, 0.0, min(left, 0.92 * curves.length(turn))))
        left -= curves.length(pieces[-1])
        level += rng.uniform(0.18, 0.3)
    return [curves.smooth(np.concatenate(pieces), 2.0)] if pieces else []


def _tilted(
    depth: NDArray[np.float64], spread: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Weigh a depth map so that its contours lie off centre, as drawn by hand."""
    y, x = (np.linspace(-1, 1, size) for size in depth.shape)
    lean = rng.normal(0, spread, 2)
    return np.asarray(depth * np.exp(lean[0] * y[:, None] + lean[1] * x))


def _arcs(wall: Mask, cavity: Mask, wanted: float, rng: np.random.Generator) -> list[Curve]:
    """Draw one to four arcs half-way between the inner and the outer border of a wall."""
    outer = ndimage.distance_transform_edt(wall | cavity)
    middle = outer / np.maximum(outer + ndimage.distance_transform_edt(~cavity), 1e-9)
    middle = _tilted(ndimage.gaussian_filter(middle, 0.7), 0.15, rng)
    ring = _ring(middle, rng.uniform(0.4, 0.56), backwards=False)
    if ring is None:
        return []
    ring = curves.start_at(ring, int(rng.integers(len(ring) - 1)))
    full = curves.length(ring)
    if wanted > 0.9 * full:
        return [ring]
    count = int(rng.choice([1, 2, 3, 4], p=[0.15, 0.4, 0.32, 0.13]))
    strokes = wanted * rng.dirichlet(np.full(count, 6.0))
    gaps = (full - wanted) * rng.dirichlet(np.full(count, 3.0))
    begins = np.concatenate([[0.0], np.cumsum(strokes + gaps)[:-1]])
    return [curves.between(ring, a, a + b) for a, b in zip(begins, strokes, strict=True)]


def _ring(field: NDArray[np.float64], level: float, backwards: bool) -> Curve | None:
    """Return the longest contour of a field, closed and smoothed, or None."""
    found: list[Curve] = cast(Any, find_contours)(field, level)
    if not found:
        return None
    ring = max(found, key=curves.length)
    if curves.length(ring) < 3:
        return None
    return curves.smooth(ring[::-1] if backwards else ring, 1.5, closed=True)


def _outside(
    plane: NDArray[np.uint8],
    centre: Curve,
    wanted: float,
    margin: float,
    rng: np.random.Generator,
) -> list[Curve]:
    """Loop around the heart, ``margin`` pixels outside its hull; zigzag where there is none."""
    if not plane.any():
        return [_zigzag(centre, wanted, rng)]
    corners = curves.hull(plane > 0)
    middle = corners.mean(axis=0)
    angle = np.linspace(0, 2 * np.pi, 180, endpoint=False)
    gap = margin * _jitter(0.18, rng) * np.exp(curves.ripple(angle, (0.26, 0.2, 0.1), rng))
    radius = ndimage.gaussian_filter1d(curves.reach(corners - middle, angle) + gap, 6, mode="wrap")
    once = curves.length(curves.polar(angle, radius, middle))
    # The hand closes the loop and goes on a little, or stops short of it.
    turns = float(np.clip(wanted / once, 0.6, 1.8))
    along = rng.uniform(0, 2 * np.pi) + np.linspace(0, turns, 240) * 2 * np.pi
    drift = margin * rng.uniform(-0.35, 0.35) * np.linspace(-0.5, 0.5, 240) * turns
    path = np.interp(along, angle, radius, period=2 * np.pi) + drift
    return [curves.polar(along, path, middle)]


def _zigzag(centre: Curve, wanted: float, rng: np.random.Generator) -> Curve:
    """Draw a line of the wanted length to and fro through where the heart would be."""
    sides = np.where(np.arange(7) % 2, 1.0, -1.0)
    y = np.linspace(-0.5, 0.5, 7) + rng.normal(0, 0.07, 7)
    x = sides * rng.uniform(0.25, 0.6, 7)
    turn = rng.uniform(-0.6, 0.6)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    line = curves.smooth(np.stack([y, x], axis=1) @ rotation * 100.0, 8.0)
    return np.asarray(centre + line * (wanted / curves.length(line)))
