"""What scribbles are like, class by class: generated ones compared with drawn ones."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from weakseg.types import IGNORE_INDEX

Volume = tuple[NDArray[np.uint8], NDArray[np.uint8], Sequence[float]]
"""Reference and scribble, uint8 [D, H, W], and spacing (z, y, x), mm."""

_TOUCHING: Final = np.ones((3, 3))


def statistics(volumes: Iterable[Volume], classes: Sequence[str] | None = None) -> pd.DataFrame:
    """Measure scribbles against their references.

    Args:
        volumes: references, scribbles and spacings.
        classes: names of the classes from 0 on; by default their numbers.

    Returns:
        A row per class, indexed by its name; NaN where a quantity has no value:

        - ``labelled``: share of the class's voxels with the class's label,
        - ``strokes``: connected strokes per slice that has any,
        - ``slices``: share of the slices with the class that have strokes of it,
        - ``depth``: mean distance of those voxels to the nearest of another class, in the slice,
          mm; slices of one class only do not count,
        - ``wrong``: share of the voxels with the class's label that are of another class.

    Raises:
        ValueError: the arrays of a volume differ in shape, or there is no volume.
    """
    counts: dict[int, _Count] = {}
    for reference, scribble, spacing in volumes:
        if reference.shape != scribble.shape or reference.ndim != 3:
            raise ValueError(
                "reference and scribble must be [D, H, W] of one shape, got "
                f"{reference.shape} and {scribble.shape}"
            )
        found = np.unique(np.concatenate([np.unique(reference), np.unique(scribble)]))
        for cls in found[found != IGNORE_INDEX].tolist():
            count = counts.setdefault(cls, _Count())
            for plane, drawn in zip(reference == cls, scribble == cls, strict=True):
                count.add(plane, drawn, spacing[1:])
    if not counts:
        raise ValueError("no volume to measure; expected at least one reference with a scribble")
    rows = {_name(cls, classes): counts[cls].row() for cls in sorted(counts)}
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index.name = "class"
    return table


def text(table: pd.DataFrame) -> str:
    """Return the table for people: shares in per cent, one line a class."""
    shown = pd.DataFrame(
        {
            "labelled, %": 100 * table["labelled"],
            "strokes per slice": table["strokes"],
            "slices with strokes, %": 100 * table["slices"],
            "distance to the boundary, mm": table["depth"],
            "on wrong label, %": 100 * table["wrong"],
        }
    )
    return shown.to_markdown(floatfmt=".2f")


def _name(cls: int, classes: Sequence[str] | None) -> str:
    return classes[cls] if classes is not None and cls < len(classes) else str(cls)


@dataclass
class _Count:
    """Sums over slices of one class."""

    voxels: int = 0
    labels: int = 0
    right: int = 0
    present: int = 0
    hit: int = 0
    drawn: int = 0
    strokes: int = 0
    depths: list[NDArray[np.float64]] = field(default_factory=list)

    def add(
        self, plane: NDArray[np.bool_], drawn: NDArray[np.bool_], spacing: Sequence[float]
    ) -> None:
        right = plane & drawn
        self.voxels += int(plane.sum())
        self.labels += int(drawn.sum())
        self.right += int(right.sum())
        self.present += bool(plane.any())
        self.hit += bool(plane.any() and drawn.any())
        self.drawn += bool(drawn.any())
        self.strokes += ndimage.label(drawn, _TOUCHING)[1]
        if right.any() and not plane.all():
            self.depths.append(ndimage.distance_transform_edt(plane, sampling=spacing)[right])

    def row(self) -> dict[str, Any]:
        return {
            "labelled": _ratio(self.right, self.voxels),
            "strokes": _ratio(self.strokes, self.drawn),
            "slices": _ratio(self.hit, self.present),
            "depth": float(np.concatenate(self.depths).mean()) if self.depths else np.nan,
            "wrong": _ratio(self.labels - self.right, self.labels),
        }


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
