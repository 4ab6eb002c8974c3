"""Draws scribbles into dense labels, with the statistics of the expert scribbles of ACDC.

Valvano et al. (IEEE TMI 2021) scribbled all of ACDC by hand: one thin pen line, about one pixel
wide, that winds through each cavity, a few arcs along the middle of the myocardium, and one loop
of background about 15 mm outside the heart. Far-away background stays unlabelled.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from weakseg.data import curves
from weakseg.data.curves import Curve, Mask
from weakseg.data.strokes import hand
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
            wanted = scale * float(np.sqrt(areas[z])) * hand.jitter(SPREAD[cls], rng)
            if cls == BACKGROUND:
                lines = _outside(reference[z], centre, wanted, margin / float(spacing[-1]), rng)
            else:
                lines = _inside(reference[z], cls, wanted, rng)
            scribble[z][_ink(lines, reference[z] == cls)] = cls
    return scribble


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
        lines = hand.arcs(crop == WALL, crop == CAVITY, wanted, rng)
    else:
        lines = hand.spiral(crop == cls, wanted, rng)
    return [line + corner for line in lines]


def _outside(
    plane: NDArray[np.uint8],
    centre: Curve,
    wanted: float,
    margin: float,
    rng: np.random.Generator,
) -> list[Curve]:
    """Loop around the heart, ``margin`` pixels outside its hull; zigzag where there is none."""
    if not plane.any():
        return [hand.zigzag(centre, wanted, rng)]
    corners = curves.hull(plane > 0)
    middle = corners.mean(axis=0)
    angle = np.linspace(0, 2 * np.pi, 180, endpoint=False)
    gap = margin * hand.jitter(0.18, rng) * np.exp(curves.ripple(angle, (0.26, 0.2, 0.1), rng))
    radius = ndimage.gaussian_filter1d(curves.reach(corners - middle, angle) + gap, 6, mode="wrap")
    once = curves.length(curves.polar(angle, radius, middle))
    # The hand closes the loop and goes on a little, or stops short of it.
    turns = float(np.clip(wanted / once, 0.6, 1.8))
    along = rng.uniform(0, 2 * np.pi) + np.linspace(0, turns, 240) * 2 * np.pi
    drift = margin * rng.uniform(-0.35, 0.35) * np.linspace(-0.5, 0.5, 240) * turns
    path = np.interp(along, angle, radius, period=2 * np.pi) + drift
    return [curves.polar(along, path, middle)]
