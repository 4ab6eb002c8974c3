"""NIfTI volumes, read with suspicion and written reproducibly.

Geometry. The voxel size is ``pixdim``. The axes are those of the sform, where its code is
positive and it is regular, else those of the qform under the same conditions, else as stored.
The columns of the affine always get the lengths of ``pixdim``, so it is never singular. A form
that had to be ignored, contradicts ``pixdim`` or contradicts the other form is a warning.

Values. Slope and intercept are applied. In images NaN and -Inf become the smallest finite value
and Inf the largest, and a constant image becomes zeros, each with a warning; labels have to be
whole numbers of the map that is asked for.
"""

import gzip
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import numpy as np
from nibabel import Nifti1Header
from numpy.typing import NDArray

from weakseg.data.nifti_header import Header, fill, open_file, read_header
from weakseg.data.values import label_map, repaired

_LEVEL: Final = 1  # three times as fast as level 6 for a tenth more bytes
_SINGLE: Final = 352  # where voxels start in a single file without extensions


class Volume(NamedTuple):
    """One volume in memory.

    ``array`` is [D, H, W]; ``spacing`` is the voxel size along D, H, W in mm; ``affine`` float64
    [4, 4] maps file indices (x, y, z) to mm; ``oriented`` is false where the file says nothing
    about its axes.
    """

    array: NDArray[Any]
    spacing: tuple[float, float, float]
    affine: NDArray[np.float64]
    oriented: bool = True


def read(path: Path | str, frame: int | None = None) -> Volume:
    """Read an image; see the module for geometry and values.

    Args:
        path: a ``.nii`` or ``.nii.gz`` file.
        frame: index from 0 along the fourth axis; needed if and only if there is one.

    Returns:
        Integers as they are stored, anything else and scaled values as float32.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is damaged or is no volume of numbers; the message names it.
    """
    path = Path(path)
    volume = _load(path, frame)
    return volume._replace(array=repaired(volume.array, path))


def read_labels(path: Path | str, codes: Iterable[int]) -> Volume:
    """Read a label map, uint8.

    Args:
        path: a ``.nii`` or ``.nii.gz`` file of integers, or of floats that hold integers.
        codes: the ids that may occur, 0 to 255.

    Raises:
        FileNotFoundError: no such file.
        ValueError: as for :func:`read`, or a value is not among ``codes``; the message holds
            the file, the ids and the number of their voxels.
    """
    path = Path(path)
    volume = _load(path, None)
    return volume._replace(array=label_map(volume.array, codes, path))


def write(
    path: Path | str,
    array: NDArray[Any],
    spacing: tuple[float, float, float],
    affine: NDArray[np.float64] | None = None,
) -> None:
    """Write a volume; equal arguments give equal bytes.

    Args:
        path: a ``.nii.gz`` file; replaced as a whole, its folder has to exist.
        array: [D, H, W], uint8, int16, int32, float32 or float64.
        spacing: voxel size along D, H, W, mm.
        affine: float64 [4, 4], file indices (x, y, z) to mm, with columns as long as the
            spacing; by default :func:`upright`.

    Raises:
        ValueError: another name, or an array that is not of three dimensions.
    """
    path = Path(path)
    if not path.name.endswith(".nii.gz") or array.ndim != 3:
        raise ValueError(f"{path}: expected a .nii.gz name and [D, H, W], got {array.shape}")
    header = cast(Any, Nifti1Header)()
    header.set_data_dtype(array.dtype)
    header.set_data_shape(array.shape[::-1])
    header.set_zooms(spacing[::-1])
    header.set_xyzt_units("mm")
    header.set_sform(upright(spacing) if affine is None else affine, code=1)
    header["vox_offset"], header["magic"] = _SINGLE, b"n+1"
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with (
            temporary.open("wb") as raw,
            gzip.GzipFile("", "wb", compresslevel=_LEVEL, fileobj=raw, mtime=0) as file,
        ):
            file.write(header.binaryblock.ljust(_SINGLE, b"\0"))
            file.write(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def upright(spacing: tuple[float, float, float]) -> NDArray[np.float64]:
    """Return the affine of voxels that run to the patient's left, back and head.

    Example:
        >>> upright((10.0, 1.5, 1.5)).diagonal().tolist()
        [-1.5, -1.5, 10.0, 1.0]
    """
    z, y, x = spacing
    affine = np.zeros((4, 4))
    np.fill_diagonal(affine, (-x, -y, z, 1.0))
    return affine


def _load(path: Path, frame: int | None) -> Volume:
    with open_file(path) as file:
        header = read_header(file, path)
        if header.frames > 1 and (frame is None or not 0 <= frame < header.frames):
            raise ValueError(
                f"{path}: 4D with {header.frames} frames; expected one volume: extract a frame, "
                f"or pass frame=0 to {header.frames - 1}, got {frame}"
            )
        if header.frames == 1 and frame not in (None, 0):
            raise ValueError(f"{path}: one volume only, got frame={frame}")
        stored = _voxels(file, header, frame or 0, path)
    x, y, z = header.spacing
    return Volume(_scaled(stored, header), (z, y, x), header.affine, header.oriented)


def _voxels(file: Any, header: Header, frame: int, path: Path) -> NDArray[Any]:
    """Return the stored values [D, H, W]; reading to the end verifies the checksum of gzip."""
    count = math.prod(header.shape)
    try:
        file.seek(header.offset + frame * count * header.dtype.itemsize)
    except EOFError as error:
        raise ValueError(f"{path}: truncated ({error}); download it again") from error
    buffer = bytearray(count * header.dtype.itemsize)
    fill(file, memoryview(buffer), path)
    if frame == header.frames - 1:
        try:
            file.read(1)
        except (OSError, EOFError) as error:
            raise ValueError(f"{path}: damaged ({error}); download it again") from error
    return np.frombuffer(buffer, header.dtype).reshape(header.shape[::-1])


def _scaled(stored: NDArray[Any], header: Header) -> NDArray[Any]:
    with np.errstate(all="ignore"):
        if header.scale is not None:
            slope, intercept = header.scale
            return (stored.astype(np.float64) * slope + intercept).astype(np.float32)
        if stored.dtype.kind == "f":
            return stored.astype(np.float32)
    return stored.astype(stored.dtype.newbyteorder("="))
