"""Which drawn slices each other slice of an axis lies between."""

from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from weakseg.online.annotation import Annotation


class Neighbours(NamedTuple):
    """The drawn, non-empty slices that a slice not drawn may take its mask from.

    Attributes:
        place: the slice.
        below: the nearest source at a lower index, if there is one.
        above: the nearest source at a higher index, if there is one.
        nearest: the nearer of the two; of two as near, the one drawn first.
        bounded: whether an empty slice or an end mark closes the side without a source.
    """

    place: int
    below: int | None
    above: int | None
    nearest: int
    bounded: bool


def neighbours(annotation: Annotation, axis: int) -> list[Neighbours]:
    """Return the slices of an axis that are not drawn and may hold the object, in order.

    The object ends at empty slices and end marks: what lies beyond takes nothing from this side. A
    stretch between two such ends without a drawn mask cannot hold the object. An axis without any
    drawn mask gives nothing.
    """
    slices = annotation.slices(axis)
    sources = [index for index, mask in slices.items() if mask.any()]
    found = []
    for first, last, sides in _stretches(annotation, axis):
        inside = [s for s in sources if first <= s <= last]
        for index in (i for i in range(first, last + 1) if inside and i not in slices):
            below = max((s for s in inside if s < index), default=None)
            above = min((s for s in inside if s > index), default=None)
            nearest = min(inside, key=lambda s: abs(s - index))
            bounded = sides[0] if below is None else sides[1]
            found.append(Neighbours(index, below, above, nearest, bounded))
    return found


def possible(annotation: Annotation, axis: int) -> NDArray[np.bool_]:
    """Return which slices of an axis may hold the object, bool [slices].

    Slices outside the end marks cannot, nor, when the axis has a drawn mask, can empty slices and
    what they cut off from every drawn mask.
    """
    first, last = annotation.bounds(axis)
    allowed = np.zeros(annotation.shape[axis], bool)
    allowed[first : last + 1] = True
    drawn = [index for index, mask in annotation.slices(axis).items() if mask.any()]
    if drawn:
        reached = [*drawn, *(n.place for n in neighbours(annotation, axis))]
        allowed &= np.isin(np.arange(len(allowed)), reached)
    return allowed


def _stretches(annotation: Annotation, axis: int) -> list[tuple[int, int, tuple[bool, bool]]]:
    """Return the runs of slices between ends: first, last, and whether each side is closed."""
    first, last = annotation.bounds(axis)
    slices: Mapping[int, NDArray[np.bool_]] = annotation.slices(axis)
    empty = sorted(i for i, mask in slices.items() if first <= i <= last and not mask.any())
    walls = [first - 1, *empty, last + 1]
    ends = any(end.axis == axis for end in annotation.ends)
    closed = [ends, *(True for _ in empty), ends]
    return [
        (lower + 1, upper - 1, sides)
        for (lower, upper), sides in zip(pairwise(walls), pairwise(closed), strict=True)
    ]
