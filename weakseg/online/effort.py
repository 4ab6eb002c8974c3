"""What an annotation cost its user, by four counts and an estimate of time (spec sec. 3.6)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from weakseg.online.annotation import Annotation, Mark, plane

CROSS: Final = ndimage.generate_binary_structure(2, 1)
Interval = tuple[float, float, float]
"""Best guess, low end and high end."""


class Effort(NamedTuple):
    """Cost of an annotation; none of it depends on how good the result is.

    ``boundary``: boundary pixels of all drawn masks, pixels where slices cross counted once per
    slice, the only measure of the released code and so the one a claim of saved effort is read
    in. ``slices``: masks that are not empty. ``actions``: masks, empty or not, plus two for each
    axis whose ends were marked, plus clicks. ``contour_mm``: length of the outlines.
    ``seconds`` with its interval: see :class:`TimeModel`.
    """

    boundary: int
    slices: int
    actions: int
    contour_mm: float
    seconds: float
    seconds_low: float
    seconds_high: float


@dataclass(frozen=True, kw_only=True)
class TimeModel:
    """Seconds of each kind of action, as (best, low, high). An estimate, never a measurement.

    ``per_mm`` and ``start``, seconds per millimetre of outline and per outlined slice, are set
    to give three times read from the literature at the mean outline of the 32 prostates of the
    Medical Segmentation Decathlon, 133 mm on 14.8 slices: 16 s a slice, the mean of two
    physicians' 17 and 15 s (Martin et al., IJROBP 2013); 11 s, one standard deviation below the
    faster; 38 s, from 564 s a gland (Shahedi et al., J Med Imaging 2016). How a time divides
    into the two is our choice. ``empty``, looking at a slice and finding nothing, best guess of
    1 s a class, and ``click``, 2.4 s with 0.9 s for a further one as the low end: Bearman et
    al., ECCV 2016, natural images. ``end``, scrolling to one outermost slice, and the other ends
    of the intervals are our choice.
    """

    start: Interval = (3.0, 1.0, 5.0)
    per_mm: Interval = (0.10, 0.08, 0.25)
    empty: Interval = (1.0, 0.5, 3.0)
    end: Interval = (5.0, 2.4, 10.0)
    click: Interval = (2.4, 0.9, 5.0)

    def __post_init__(self) -> None:
        for name, (best, low, high) in vars(self).items():
            if not 0 <= low <= best <= high:
                raise ValueError(f"{name} must be (best, low, high), got {(best, low, high)}")


def effort(
    annotation: Annotation, spacing: Sequence[float], times: TimeModel | None = None
) -> Effort:
    """Return what everything said so far has cost.

    Args:
        annotation: all that the user said.
        spacing: voxel size (z, y, x), mm.
        times: seconds of each action; the defaults where None.

    Raises:
        ValueError: the spacing is not three positive numbers.
    """
    if len(spacing) != 3 or not all(np.isfinite(s) and s > 0 for s in spacing):
        raise ValueError(f"spacing must be 3 positive numbers in mm, got {tuple(spacing)}")
    outlines = [
        contour_length(mask, [s for other, s in enumerate(spacing) if other != axis])
        for axis, _, mask in annotation.marks
    ]
    marks, drawn = len(annotation.marks), sum(bool(mask.any()) for _, _, mask in annotation.marks)
    ends, clicks = 2 * len(annotation.ends), len(annotation.points)
    times = times or TimeModel()
    best, low, high = (
        drawn * times.start[i]
        + sum(outlines) * times.per_mm[i]
        + (marks - drawn) * times.empty[i]
        + ends * times.end[i]
        + clicks * times.click[i]
        for i in range(3)
    )
    return Effort(
        boundary=sum(boundary_pixels(mask) for _, _, mask in annotation.marks),
        slices=drawn,
        actions=marks + ends + clicks,
        contour_mm=float(sum(outlines)),
        seconds=best,
        seconds_low=low,
        seconds_high=high,
    )


def full_effort(
    reference: NDArray[np.bool_], spacing: Sequence[float], times: TimeModel | None = None
) -> Effort:
    """Return what drawing every z slice of a case would cost, by the same count.

    Slices without the object are answers too: one action and the time of an empty slice each.
    Savings in actions therefore look larger on stacks that reach far beyond the object; savings
    in boundary pixels or millimetres do not.

    Args:
        reference: bool [D, H, W].
        spacing: voxel size (z, y, x), mm.
        times: seconds of each action; the defaults where None.
    """
    depth, height, width = reference.shape
    marks = tuple(Mark(0, z, reference[z]) for z in range(depth))
    return effort(Annotation((depth, height, width), marks), spacing, times)


def boundary_pixels(mask: NDArray[np.bool_]) -> int:
    """Return how many pixels of a mask, bool [H, W], have a 4-neighbour outside it.

    What lies beyond the array is no neighbour, as in the released code (``find_boundaries`` of
    scikit-image).

    Example:
        >>> square = np.ones((3, 3), bool)
        >>> boundary_pixels(np.pad(square, 1)), boundary_pixels(square)
        (8, 0)
    """
    inner = ndimage.binary_erosion(mask, CROSS, border_value=1)
    return int(np.count_nonzero(mask) - np.count_nonzero(inner))


def boundary_by_slice(volume: NDArray[Any], axis: int) -> NDArray[np.int64]:
    """Return the boundary pixels of each slice of an axis of a soft or hard mask, int64 [size]."""
    mask = np.asarray(volume > 0.5)
    size = mask.shape[axis]
    return np.array([boundary_pixels(plane(mask, axis, i)) for i in range(size)], np.int64)


def contour_length(mask: NDArray[np.bool_], spacing: Sequence[float]) -> float:
    """Return the length of a mask's outlines, holes included, in mm.

    The outline is that of marching squares: it joins the midpoints between neighbours that differ.

    Args:
        mask: bool [H, W]; along the border of the array the outline is closed.
        spacing: pixel size (y, x), mm.
    """
    padded = np.pad(mask, 1)
    top, bottom = padded[:-1], padded[1:]
    a, b, c, d = top[:, :-1], top[:, 1:], bottom[:, :-1], bottom[:, 1:]
    along_x = np.count_nonzero((a == b) & (c == d) & (a != c))
    along_y = np.count_nonzero((a == c) & (b == d) & (a != b))
    corners = np.count_nonzero(a ^ b ^ c ^ d) + 2 * np.count_nonzero((a == d) & (b == c) & (a != b))
    y, x = spacing
    return float(along_x * x + along_y * y + corners * np.hypot(x, y) / 2)
