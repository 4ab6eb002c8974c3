"""What a NIfTI header may claim: checked before anything is allocated."""

import gzip
import math
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, cast

import numpy as np
from nibabel import Nifti1Header, Nifti2Header
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

TOLERANCE: Final = 1e-3
"""Lengths that differ by more than this are different, mm."""

MAX_VOXELS: Final = 2**30
"""Voxels one volume may hold; more is taken for a damaged header."""

_INFLATION: Final = 1100  # deflate cannot shrink data further than 1032 : 1
_DAMAGED: Final = (gzip.BadGzipFile, zlib.error, EOFError)


class SpacingConflict(UserWarning):
    """The affine of a header has other voxel sizes than its ``pixdim``."""


@dataclass(frozen=True)
class Header:
    """The part of a header that is used, in file order (x, y, z).

    ``affine`` maps voxel indices to mm and is never singular; ``oriented`` is false where
    the header states no axes; ``frames`` is the length of the fourth axis; ``scale`` is slope
    and intercept, or None.
    """

    shape: tuple[int, int, int]
    frames: int
    dtype: np.dtype[Any]
    offset: int
    scale: tuple[float, float] | None
    spacing: tuple[float, float, float]
    affine: NDArray[np.float64]
    oriented: bool


def open_file(path: Path) -> IO[bytes]:
    """Open ``path``, inflating ``.nii.gz``.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a NIfTI name, or empty.
    """
    if not path.name.endswith((".nii", ".nii.gz")):
        raise ValueError(f"{path}: expected a file ending in .nii.gz or .nii")
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    if path.stat().st_size == 0:
        raise ValueError(f"{path}: the file is empty (0 bytes); copy or download it again")
    return cast(IO[bytes], gzip.open(path) if path.name.endswith(".gz") else path.open("rb"))


def fill(file: IO[bytes], buffer: memoryview, path: Path) -> None:
    """Read exactly ``len(buffer)`` bytes.

    Raises:
        ValueError: the file is shorter, or its compressed data are damaged.
    """
    done = 0
    try:
        while done < len(buffer):
            block = file.read(min(len(buffer) - done, 1 << 20))
            if not block:
                raise EOFError(f"{len(buffer) - done} bytes are missing")
            buffer[done : done + len(block)] = block
            done += len(block)
    except _DAMAGED as error:
        raise ValueError(f"{path}: truncated or damaged ({error}); download it again") from error


def read_header(file: IO[bytes], path: Path) -> Header:
    """Read and check the header at the start of ``file``.

    Raises:
        ValueError: not NIfTI, more dimensions than four, RGB or complex voxels, dimensions that
            the size of the file cannot hold, a spacing that is no positive number.
    """
    raw = _raw_header(file, path)
    try:
        shape, frames = _shape(raw, path)
        dtype = _dtype(raw, path)
        offset = _offset(raw, path)
        need = offset + math.prod(shape) * frames * dtype.itemsize
        have = path.stat().st_size * (_INFLATION if path.name.endswith(".gz") else 1)
        if need > have:
            raise ValueError(
                f"{path}: the header claims {shape} x {frames} voxels, {need} bytes, which a file "
                f"of {path.stat().st_size} bytes cannot hold; it is truncated or damaged"
            )
        spacing = _spacing(raw, path)
        affine, oriented = _affine(raw, spacing, path)
    except (HeaderDataError, OverflowError, KeyError) as error:
        raise ValueError(f"{path}: damaged header ({error})") from error
    return Header(shape, frames, dtype, offset, _scale(raw, path), spacing, affine, oriented)


def _raw_header(file: IO[bytes], path: Path) -> Any:
    start = bytearray(540)
    fill(file, memoryview(start)[:348], path)
    for order in ("<", ">"):
        size = int(np.frombuffer(start, f"{order}i4", count=1)[0])
        if size == 348 and bytes(start[344:348]) == b"n+1\0":
            return cast(Any, Nifti1Header)(bytes(start[:348]), endianness=order, check=False)
        if size == 540 and bytes(start[4:12]) == b"n+2\0\r\n\x1a\n":
            fill(file, memoryview(start)[348:], path)
            return cast(Any, Nifti2Header)(bytes(start), endianness=order, check=False)
    raise ValueError(f"{path}: not a single-file NIfTI image; convert it to .nii.gz")


def _shape(raw: Any, path: Path) -> tuple[tuple[int, int, int], int]:
    dim = [int(n) for n in raw["dim"]]
    shape = dim[1 : 1 + dim[0]] if 1 <= dim[0] <= 7 else []
    while len(shape) > 3 and shape[-1] == 1:
        shape.pop()
    if not 3 <= len(shape) <= 4 or min(shape) < 1:
        raise ValueError(
            f"{path}: expected a volume of three dimensions (or four, with a frame), "
            f"the header says {dim[0]}: {dim[1:]}"
        )
    x, y, z, frames = [*shape, 1][:4]
    if x * y * z > MAX_VOXELS or frames > MAX_VOXELS:
        raise ValueError(
            f"{path}: the header claims {shape} voxels, more than {MAX_VOXELS}; it is damaged"
        )
    return (x, y, z), frames


def _dtype(raw: Any, path: Path) -> np.dtype[Any]:
    dtype = cast("np.dtype[Any]", raw.get_data_dtype())
    if dtype.fields is not None:
        raise ValueError(f"{path}: RGB voxels; expected one value a voxel: convert to grey levels")
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise ValueError(f"{path}: voxels of type {dtype}; expected integers or floats")
    return dtype


def _offset(raw: Any, path: Path) -> int:
    offset = float(raw["vox_offset"])
    if not math.isfinite(offset) or offset < raw.sizeof_hdr or offset != int(offset):
        raise ValueError(
            f"{path}: damaged header, voxels start at byte {offset}, "
            f"expected {raw.sizeof_hdr} or more"
        )
    return int(offset)


def _scale(raw: Any, path: Path) -> tuple[float, float] | None:
    slope, intercept = float(raw["scl_slope"]), float(raw["scl_inter"])
    if slope == 0 or not math.isfinite(slope) or (slope, intercept) == (1, 0):
        return None
    if not math.isfinite(intercept):
        raise ValueError(f"{path}: damaged header, intercept {intercept} with slope {slope}")
    return slope, intercept


def _spacing(raw: Any, path: Path) -> tuple[float, float, float]:
    x, y, z = (float(size) for size in raw["pixdim"][1:4])
    if not all(math.isfinite(size) and TOLERANCE < size < 1e4 for size in (x, y, z)):
        raise ValueError(f"{path}: voxel size {(x, y, z)} mm in pixdim; expected positive numbers")
    return x, y, z


def _affine(
    raw: Any, spacing: tuple[float, float, float], path: Path
) -> tuple[NDArray[np.float64], bool]:
    """Return the affine by the rule of :mod:`weakseg.data.nifti`, and whether axes are stated."""
    forms = {}
    for name in ("sform", "qform"):
        if int(raw[f"{name}_code"]) > 0:
            forms[name] = _form(raw, name)
            if forms[name] is None:
                warnings.warn(f"{path}: the {name} is singular and is ignored", stacklevel=5)
    usable = {name: form for name, form in forms.items() if form is not None}
    if not usable:
        warnings.warn(f"{path}: no usable sform or qform; axes are taken as stored", stacklevel=5)
        return np.diag([*spacing, 1.0]), False
    name, affine = next(iter(usable.items()))
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    if np.abs(lengths - spacing).max() > TOLERANCE:
        text = f"{path}: the {name} says {lengths.round(4)} mm; pixdim {spacing} mm is used"
        warnings.warn(text, SpacingConflict, stacklevel=5)
    affine[:3, :3] *= np.array(spacing) / lengths
    if len(usable) == 2 and np.abs(affine - usable["qform"]).max() > TOLERANCE:
        warnings.warn(f"{path}: sform and qform differ; the sform is used", stacklevel=5)
    return affine, True


def _form(raw: Any, name: str) -> NDArray[np.float64] | None:
    """Return the sform or qform, None where it is not finite or its axes are dependent."""
    try:
        with np.errstate(all="ignore"):
            affine = np.array(getattr(raw, f"get_{name}")(), dtype=np.float64)
            lengths = np.linalg.norm(affine[:3, :3], axis=0)
            volume = abs(np.linalg.det(affine[:3, :3] / lengths))
    except (HeaderDataError, ValueError):
        return None
    regular = np.isfinite(affine).all() and np.isfinite(lengths).all() and volume > TOLERANCE
    return affine if regular else None
