"""Plane curves as float [N, 2] arrays of (y, x) pixel positions: measure, cut, smooth, wobble."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull

Curve = NDArray[np.float64]
Mask = NDArray[np.bool_]


def length(curve: Curve) -> float:
    """Return the arc length, pixels."""
    return float(np.hypot(*np.diff(curve, axis=0).T).sum())


def resample(curve: Curve, step: float) -> Curve:
    """Return points about ``step`` pixels apart along the curve, both ends included."""
    return between(curve, 0.0, length(curve), step)


def between(curve: Curve, begin: float, end: float, step: float = 0.5) -> Curve:
    """Return the part from arc length ``begin`` to ``end``, as points about ``step`` apart."""
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(curve, axis=0).T))])
    wanted = np.linspace(begin, end, max(2, int((end - begin) / step) + 1))
    return np.stack([np.interp(wanted, along, curve[:, axis]) for axis in (0, 1)], axis=1)


def smooth(curve: Curve, sigma: float, *, closed: bool = False) -> Curve:
    """Smooth along the curve with a Gaussian of ``sigma`` pixels of arc length."""
    dense = resample(curve, 0.5)
    mode = "wrap" if closed else "nearest"
    dense = dense[:-1] if closed else dense
    result: Curve = ndimage.gaussian_filter1d(dense, sigma / 0.5, axis=0, mode=mode)
    return np.concatenate([result, result[:1]]) if closed else result


def start_at(ring: Curve, index: int) -> Curve:
    """Return a closed curve (first point = last point) that starts at another of its points."""
    turned = np.roll(ring[:-1], -index, axis=0)
    return np.concatenate([turned, turned[:1]])


def polar(angle: NDArray[np.float64], radius: NDArray[np.float64], centre: Curve) -> Curve:
    """Return the curve of a radius, pixels, over an angle, radians, around (y, x)."""
    return np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1) + centre


def ripple(
    angle: NDArray[np.float64], strengths: tuple[float, ...], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return a random periodic function: harmonic k has standard deviation ``strengths[k-1]``."""
    wave = np.zeros_like(angle)
    for order, strength in enumerate(strengths, start=1):
        cosine, sine = rng.normal(0.0, strength, 2)
        wave += cosine * np.cos(order * angle) + sine * np.sin(order * angle)
    return wave


def hull(mask: Mask) -> Curve:
    """Return the corners of the convex hull of a mask, in order around it.

    A pixel counts as its four edge midpoints, so that the hull of a single one has an area.
    """
    midpoints = np.array([[-0.5, 0.0], [0.5, 0.0], [0.0, -0.5], [0.0, 0.5]])
    points = (np.argwhere(mask)[:, None] + midpoints).reshape(-1, 2)
    corners: Curve = points[ConvexHull(points).vertices]
    return corners


def reach(corners: Curve, angle: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far a convex polygon around the origin extends in each direction, pixels."""
    following = np.roll(corners, -1, axis=0)
    normal = np.stack([following[:, 1] - corners[:, 1], corners[:, 0] - following[:, 0]], axis=1)
    offset = (normal * corners).sum(axis=1)
    sign = np.where(offset < 0, -1.0, 1.0)
    direction = np.stack([np.sin(angle), np.cos(angle)])
    slope = (normal * sign[:, None]) @ direction  # [corners, angles]
    with np.errstate(divide="ignore"):
        hit = np.where(slope > 1e-9, (offset * sign)[:, None] / np.maximum(slope, 1e-9), np.inf)
    return np.asarray(hit.min(axis=0), dtype=np.float64)
