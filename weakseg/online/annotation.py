"""What a user has said about one case so far: whole slices, end marks and points."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

AXES: Final = (0, 1, 2)
"""Axes of the arrays: z, y, x."""

Shape = tuple[int, int, int]
Slice = tuple[int, int]
"""Axis and index of one slice."""


class Mark(NamedTuple):
    """The whole mask of one slice, bool [two other axes, in their order]; it may be empty."""

    axis: int
    index: int  # type: ignore[assignment]  # the word of the field, over tuple.index
    mask: NDArray[np.bool_]


class Ends(NamedTuple):
    """The outermost slices of an axis that hold the object; nothing of it lies beyond them."""

    axis: int
    first: int
    last: int


class Point(NamedTuple):
    """One clicked voxel and whether it lies inside the object."""

    voxel: tuple[int, int, int]
    inside: bool


@dataclass(frozen=True)
class Annotation:
    """Everything a user has said about a case, in the order it was said.

    Raises:
        ValueError: a slice is marked twice, lies outside, or its mask has another shape.
    """

    shape: Shape
    marks: tuple[Mark, ...] = ()
    ends: tuple[Ends, ...] = ()
    points: tuple[Point, ...] = ()

    def __post_init__(self) -> None:
        seen = set()
        for axis, index, mask in self.marks:
            plane = self.shape[:axis] + self.shape[axis + 1 :]
            if (axis, index) in seen or not 0 <= index < self.shape[axis] or mask.shape != plane:
                raise ValueError(
                    f"slice {index} of axis {axis} with a mask {mask.shape}: expected a new slice "
                    f"of a volume {self.shape}"
                )
            seen.add((axis, index))

    def extended(
        self,
        marks: Iterable[Mark] = (),
        ends: Iterable[Ends] = (),
        points: Iterable[Point] = (),
    ) -> "Annotation":
        """Return the annotation with more said."""
        return replace(
            self,
            marks=(*self.marks, *marks),
            ends=(*self.ends, *ends),
            points=(*self.points, *points),
        )

    def slices(self, axis: int) -> dict[int, NDArray[np.bool_]]:
        """Return the masks of an axis by index, in the order they were drawn."""
        return {mark.index: mark.mask for mark in self.marks if mark.axis == axis}

    def axes(self) -> tuple[int, ...]:
        """Return the axes with a marked slice, in the order z, y, x."""
        return tuple(axis for axis in AXES if any(mark.axis == axis for mark in self.marks))

    def bounds(self, axis: int) -> tuple[int, int]:
        """Return the first and the last slice of an axis that may hold the object."""
        given = [(e.first, e.last) for e in self.ends if e.axis == axis]
        first = max((first for first, _ in given), default=0)
        return first, min((last for _, last in given), default=self.shape[axis] - 1)

    def drawn(self) -> NDArray[np.bool_]:
        """Return the voxels of all marked slices, bool [D, H, W]."""
        inside = np.zeros(self.shape, bool)
        for axis, index, _ in self.marks:
            plane(inside, axis, index)[...] = True
        return inside

    def overwrite(self, volume: NDArray[Any]) -> NDArray[Any]:
        """Write the drawn masks into ``volume`` [D, H, W], axis z first, x last; return it."""
        for axis in AXES:
            for index, mask in self.slices(axis).items():
                plane(volume, axis, index)[...] = mask
        return volume

    def distance(self, axis: int) -> NDArray[np.int64]:
        """Return the index distance of each slice of an axis to the nearest marked one.

        Raises:
            ValueError: no slice of the axis is marked.
        """
        marked = np.array(list(self.slices(axis)))
        if not len(marked):
            raise ValueError(f"no slice of axis {axis} is marked")
        every = np.arange(self.shape[axis])
        distance: NDArray[np.int64] = np.abs(every[:, None] - marked).min(axis=1)
        return distance

    def state(self) -> dict[str, Any]:
        """Return tensors and plain values to save, see :meth:`restored`."""
        return {
            "shape": list(self.shape),
            "marks": [[m.axis, m.index, torch.from_numpy(m.mask)] for m in self.marks],
            "ends": [list(end) for end in self.ends],
            "points": [[list(p.voxel), p.inside] for p in self.points],
        }

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> "Annotation":
        """Return the annotation that :meth:`state` described."""
        depth, height, width = state["shape"]
        return cls(
            (depth, height, width),
            tuple(Mark(axis, index, mask.numpy()) for axis, index, mask in state["marks"]),
            tuple(Ends(*end) for end in state["ends"]),
            tuple(Point((v[0], v[1], v[2]), inside) for v, inside in state["points"]),
        )


def plane(volume: NDArray[Any], axis: int, index: int) -> NDArray[Any]:
    """Return one slice of a volume as a view."""
    view: NDArray[Any] = np.moveaxis(volume, axis, 0)[index]
    return view
