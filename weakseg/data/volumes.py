"""Whole cases on one small 3D grid, built once and kept.

A grid covers a window of the native volume and divides each side of it into equal cells; see
:mod:`weakseg.data.resample`. Images are averaged over cells. References are sampled at the nearest
voxel in mode ``parity``, as in the released code; in mode ``honest`` they are averaged as images
are, and inside where the average is at least a half. Then images are z-scored, each channel by
the voxels of its own window, so no case sees statistics of others. Where the window leaves the
native volume an image is 0, which is its mean, and a reference background. The released code
fills borders with 8 and rounds spacings to 0.01 mm; this does neither.
"""

import fcntl
import math
import os
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from weakseg.config import identity
from weakseg.data.dataset import Dataset
from weakseg.data.resample import Side, nearest, resampled
from weakseg.types import Case

REGION: Final = 100.0
"""Side of the region ``centre`` in a slice, mm."""

_LAYOUT: Final = 1
_CONSTANT: Final = 1e-5
_HALF: Final = 0.5 - 1e-6  # rounding must not decide whether half a kernel lies inside
_Spacing = tuple[float, float, float]
_Size = tuple[int, int, int]
_Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class VolumeGrid:
    """Which part of a volume is taken, and how fine.

    ``parity`` is the recipe of the released code: the box around the reference, ``margin`` voxels
    wider on all sides, stretched to ``size`` (z, y, x). It looks at the hidden label and loses the
    physical scale. ``honest`` looks at the image only: ``region`` is the whole volume, the box of
    its voxels that are not 0, or the central 100 mm x 100 mm of all slices. It is stretched to
    ``size`` where ``spacing`` is None; else the grid has that spacing (z, y, x) in mm and lies
    around the middle of the region, and what it does not reach is lost.
    """

    size: _Size
    mode: Literal["parity", "honest"]
    region: Literal["all", "nonzero", "centre"] = "all"
    spacing: _Spacing | None = None
    margin: int = 10

    def __post_init__(self) -> None:
        if self.mode not in ("parity", "honest") or self.region not in ("all", "nonzero", "centre"):
            raise ValueError(
                f"mode must be parity or honest and region all, nonzero or centre, got "
                f"{self.mode!r} and {self.region!r}"
            )
        if len(self.size) != 3 or min(self.size) < 1 or self.margin < 0:
            raise ValueError(
                f"size must be three positive numbers and margin at least 0, got {self.size} and "
                f"{self.margin}"
            )
        if self.spacing is not None and (len(self.spacing) != 3 or min(self.spacing) <= 0):
            raise ValueError(f"spacing must be three positive numbers, got {self.spacing} mm")
        if self.mode == "parity" and (self.spacing is not None or self.region != "all"):
            raise ValueError(
                f"parity stretches the reference's box; it has no spacing or region, got "
                f"{self.spacing} and {self.region!r}"
            )


class Volume(NamedTuple):
    """One case on the grid.

    ``image`` is float32 [M, D, H, W], ``reference`` bool [D, H, W], any class being inside;
    ``spacing`` is that of the grid along D, H, W in mm; ``covered`` is the share of the
    reference's native voxels that lie in the window, 1 where there are none.
    """

    name: str
    patient: str
    group: str
    image: NDArray[np.float32]
    reference: _Mask
    spacing: _Spacing
    covered: float


def volumes(dataset: Dataset, grid: VolumeGrid, cases: Iterable[Case], cache: Path) -> list[Volume]:
    """Return cases on a grid, in their order; those that are not cached are built.

    Entries are named by the hash of the data set's content and the grid, so changed data never
    meet an old one. A lock lets one of several processes build, a rename makes a case appear
    whole, and one that cannot be read is built again.

    Args:
        dataset: prepared data whose cases have references.
        grid: where the voxels lie.
        cases: of the data set.
        cache: folder of all entries; made where missing.

    Raises:
        ValueError: a case has no reference, or an empty one in mode ``parity``.
    """
    entry = cache / identity({"content": dataset.content, "grid": grid, "volumes": _LAYOUT})
    found = [(case, _open(entry, case)) for case in cases]
    if all(volume is not None for _, volume in found):
        return [volume for _, volume in found if volume is not None]
    entry.mkdir(parents=True, exist_ok=True)
    with open(entry.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return [
            volume or _open(entry, case) or _store(_build(dataset, grid, case), entry)
            for case, volume in found
        ]


def _open(entry: Path, case: Case) -> Volume | None:
    """Return a cached case; None where it is absent or damaged."""
    try:
        with np.load(entry / f"{case.name}.npz", allow_pickle=False) as kept:
            image, reference, numbers = (kept[key] for key in ("image", "reference", "numbers"))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    z, y, x, covered = numbers.tolist()
    return Volume(case.name, case.patient, case.group, image, reference, (z, y, x), covered)


def _store(volume: Volume, entry: Path) -> Volume:
    path = entry / f"{volume.name}.npz"
    building = path.with_suffix(".building")
    numbers = np.array([*volume.spacing, volume.covered])
    with building.open("wb") as file:
        np.savez(file, image=volume.image, reference=volume.reference, numbers=numbers)
    os.replace(building, path)
    return volume


def _build(dataset: Dataset, grid: VolumeGrid, case: Case) -> Volume:
    image, labels, _, spacing = dataset.load(case)
    if labels is None:
        raise ValueError(f"{case.name} in {dataset.root} has no reference; a stream needs it")
    reference = labels > 0
    if grid.mode == "parity" and not reference.any():
        raise ValueError(f"{case.reference} is empty; mode parity needs something to crop around")
    sides = _window(grid, image, reference, spacing)
    weights = [side.weights(n) for side, n in zip(sides, reference.shape, strict=True)]
    covers = [side.covers(n) for side, n in zip(sides, reference.shape, strict=True)]
    kept = reference[np.ix_(*covers)].sum()
    z, y, x = (mm * side.length / side.cells for mm, side in zip(spacing, sides, strict=True))
    return Volume(
        name=case.name,
        patient=case.patient,
        group=case.group,
        image=_zscored(np.stack([resampled(channel, weights) for channel in image]), weights),
        reference=(
            nearest(reference, sides)
            if grid.mode == "parity"
            else resampled(reference.astype(np.float32), weights) > _HALF
        ),
        spacing=(z, y, x),
        covered=float(kept / reference.sum()) if reference.any() else 1.0,
    )


def _window(
    grid: VolumeGrid, image: NDArray[np.float32], reference: _Mask, spacing: _Spacing
) -> list[Side]:
    """Return the three sides of the window of a case."""
    boxes = _boxes(grid, image, reference, spacing)
    if grid.spacing is None:
        return [
            Side(low, high - low, cells)
            for (low, high), cells in zip(boxes, grid.size, strict=True)
        ]
    lengths = [n * to / mm for n, to, mm in zip(grid.size, grid.spacing, spacing, strict=True)]
    # Whole voxels, so that a grid with the native spacing copies voxels and does not blur them.
    centred = ((low + high - n) / 2 for (low, high), n in zip(boxes, lengths, strict=True))
    starts = [math.floor(start) for start in centred]
    return [Side(*side) for side in zip(starts, lengths, grid.size, strict=True)]


def _boxes(
    grid: VolumeGrid, image: NDArray[np.float32], reference: _Mask, spacing: _Spacing
) -> list[tuple[int, int]]:
    """Return the first voxel and the end of the region along each axis."""
    shape = reference.shape
    if grid.mode == "parity":
        wider = [(low - grid.margin, high + grid.margin) for low, high in _extent(reference)]
        return [(max(low, 0), min(high, n)) for (low, high), n in zip(wider, shape, strict=True)]
    whole = [(0, n) for n in shape]
    if grid.region == "nonzero":
        inside = (image != 0).any(axis=0)
        return _extent(inside) if inside.any() else whole
    if grid.region == "centre":
        for axis in (1, 2):
            cut = min(round(REGION / spacing[axis]), shape[axis])
            low = (shape[axis] - cut) // 2
            whole[axis] = (low, low + cut)
    return whole


def _extent(inside: _Mask) -> list[tuple[int, int]]:
    lines = (inside.any(axis=tuple(a for a in range(3) if a != axis)) for axis in range(3))
    ends = [np.flatnonzero(line)[[0, -1]].tolist() for line in lines]
    return [(first, last + 1) for first, last in ends]


def _zscored(image: NDArray[np.float32], weights: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return [M, *size] with mean 0 and deviation 1 in the native volume, 0 outside it.

    A channel that is constant but for rounding becomes 0.
    """
    inside = np.ix_(*(w.any(axis=1) for w in weights))
    scaled = np.zeros_like(image)
    for channel, to in zip(image, scaled, strict=True):
        values = channel[inside].astype(np.float64)
        deviation = float(values.std())
        if deviation > _CONSTANT * np.abs(values).max():
            to[inside] = (values - values.mean()) / deviation
    return scaled
