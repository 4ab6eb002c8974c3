"""Volumes painted tissue by tissue, with a reference.

A structure is a distance, negative inside; what is painted later covers what was painted earlier.
"""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.floating[Any]]
Box = tuple[slice, slice, slice]
Point = tuple[float, float, float]

_BEND: Final = 28.0  # how far voxels of a plane may be from its middle along the axis, mm


class Tissue(NamedTuple):
    """What one tissue looks like; MR relative to fat in phase, CT in Hounsfield units.

    ``water`` and ``fat`` are the two parts of a T1 signal, which add up in phase and cancel out
    of phase; ``t2`` is the signal of T2 with fat suppressed.
    """

    water: float
    fat: float
    t2: float
    ct: float


AIR: Final = Tissue(0.0, 0.0, 0.0, -1000.0)


class Ellipsoid(NamedTuple):
    """Half axes ``sizes`` around a centre that moves by ``lean`` (x, y) per mm of z."""

    centre: Point
    sizes: Point
    lean: tuple[float, float] = (0.0, 0.0)


class Tube(NamedTuple):
    """A vessel that tapers from one end to the other."""

    start: Point
    end: Point
    radii: tuple[float, float]


class Space(NamedTuple):
    """Where voxels lie in the reference body, bent by the person's irregularities, [D, H, W]."""

    x: Field
    y: Field
    z: Field

    def box(self, low: Point, high: Point) -> Box:
        """Return the part that reaches over a cuboid."""
        middle = tuple(size // 2 for size in self.x.shape)
        lines = (
            self.z[:, middle[1], middle[2]],
            self.y[middle[0], :, middle[2]],
            self.x[middle[0], middle[1]],
        )
        z, y, x = (
            slice(*np.searchsorted(line, (a - _BEND, b + _BEND)))
            for line, a, b in zip(lines, low[::-1], high[::-1], strict=True)
        )
        return z, y, x

    def cut(self, box: Box) -> "Space":
        """Return a part."""
        return Space(*(part[box] for part in self))


class Canvas:
    """Volumes that are painted tissue by tissue, and the reference.

    Args:
        space: where the voxels lie; z, y and x rise along D, H and W.
        soft: width of the edges, mm of the reference body.
        kinds: fields of :class:`Tissue` to paint.
    """

    def __init__(self, space: Space, soft: float, kinds: tuple[str, ...]) -> None:
        self.space = space
        self.soft = soft
        self.kinds = kinds
        self.volumes = [np.full(space.x.shape, getattr(AIR, kind), np.float32) for kind in kinds]
        self.reference = np.zeros(space.x.shape, np.uint8)

    def paint(
        self, distance: Field, tissue: Tissue, label: int = 0, box: Box | None = None
    ) -> None:
        """Cover the inside with a tissue, and with a label from where it fills half a voxel."""
        inside = box or (slice(None), slice(None), slice(None))
        share = np.clip(0.5 - distance / self.soft, 0, 1).astype(np.float32)
        for volume, kind in zip(self.volumes, self.kinds, strict=True):
            part = volume[inside]
            part += share * (getattr(tissue, kind) - part)
        self.reference[inside][share > 0.5] = label

    def paint_ellipsoid(
        self, shape: Ellipsoid, tissue: Tissue, label: int = 0, shrink: float = 0.0
    ) -> None:
        """Paint an ellipsoid, made smaller by ``shrink`` mm on all sides."""
        box = around(self.space, shape)
        self.paint(ellipsoid(self.space.cut(box), shape) + shrink, tissue, label, box)

    def paint_tube(self, tube: Tube, tissue: Tissue, within: int | None = None) -> None:
        """Paint a vessel; only where the reference is ``within``, and without changing it."""
        ends = np.array([tube.start, tube.end])
        low, high = ends.min(axis=0) - tube.radii[0], ends.max(axis=0) + tube.radii[0]
        box = self.space.box(_point(low), _point(high))
        distance = _tube(self.space.cut(box), tube)
        if within is None:
            self.paint(distance, tissue, 0, box)
        else:
            kept = np.where(self.reference[box] == within, distance, np.inf)
            self.paint(kept, tissue, within, box)


def ellipsoid(space: Space, shape: Ellipsoid) -> Field:
    """Return about the distance from an ellipsoid, [D, H, W]."""
    (x, y, z), (width, height, length) = shape.centre, shape.sizes
    rise = space.z - z
    across = (space.x - x - shape.lean[0] * rise) / width
    along = (space.y - y - shape.lean[1] * rise) / height
    ratio = np.sqrt(across**2 + along**2 + (rise / length) ** 2)
    return np.asarray((ratio - 1) * min(shape.sizes), np.float32)


def around(space: Space, shape: Ellipsoid) -> Box:
    """Return the part of space that reaches over an ellipsoid."""
    (x, y, z), (width, height, length) = shape.centre, shape.sizes
    width += abs(shape.lean[0]) * length
    height += abs(shape.lean[1]) * length
    return space.box((x - width, y - height, z - length), (x + width, y + height, z + length))


def _tube(space: Space, tube: Tube) -> Field:
    start, way = np.array(tube.start), np.subtract(tube.end, tube.start)
    offset = [part - at for part, at in zip(space, start, strict=True)]
    share = sum(part * step for part, step in zip(offset, way, strict=True)) / (way @ way)
    share = np.clip(share, 0, 1)
    squares = sum((part - share * step) ** 2 for part, step in zip(offset, way, strict=True))
    radius = tube.radii[0] + share * (tube.radii[1] - tube.radii[0])
    return np.asarray(np.sqrt(squares) - radius, np.float32)


def smooth_max(width: float, *distances: Field) -> Field:
    """Return the intersection of several shapes, its edges rounded."""
    highest = distances[0]
    for distance in distances[1:]:
        highest = np.maximum(highest, distance)
    total = sum(np.exp((distance - highest) / width) for distance in distances)
    return np.asarray(highest + width * np.log(total), np.float32)


def _point(values: NDArray[np.float64]) -> Point:
    x, y, z = values.tolist()
    return x, y, z
