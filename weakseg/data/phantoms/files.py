"""Phantom files, reproducible byte for byte."""

import gzip
import io
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import numpy as np
from nibabel import Nifti1Image
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage

from weakseg.data.sources.source import PHANTOM


def save(
    path: Path,
    array: NDArray[np.generic],
    spacing: tuple[float, float, float],
    affine: NDArray[np.float64],
    *,
    code: int = 1,
    units: str = "mm",
) -> None:
    """Write gzipped NIfTI whose sform may contradict its spacing, as those of real data do.

    Args:
        path: a ``.nii.gz`` file; its folder is made.
        array: [D, H, W].
        spacing: voxel size along D, H, W in mm.
        affine: sform, float64 [4, 4].
        code: of the sform.
        units: of the spacing.
    """
    image = cast(Any, Nifti1Image)(array.transpose(2, 1, 0), None)
    image.header.set_zooms(spacing[::-1])
    image.header.set_sform(affine, code=code)
    image.header.set_xyzt_units(units)
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1, mtime=0) as stream:
        stream.write(image.to_bytes())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(packed.getvalue())


def save_mha(path: Path, array: NDArray[np.generic], spacing: tuple[float, float, float]) -> None:
    """Write compressed MetaImage as the files of BraTS have it; voxels run to left, back and head.

    Args:
        path: a ``.mha`` file; its folder is made.
        array: int16 or uint8 [D, H, W].
        spacing: voxel size along D, H, W in mm.
    """
    packed = zlib.compress(array.tobytes(), 1)
    header = (
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n"
        f"CompressedData = True\nCompressedDataSize = {len(packed)}\n"
        "TransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 0 -239 0\nCenterOfRotation = 0 0 0\n"
        f"AnatomicalOrientation = RAI\nElementSpacing = {_joined(spacing[::-1])}\n"
        f"DimSize = {_joined(array.shape[::-1])}\n"
        f"ElementType = {'MET_SHORT' if array.dtype == np.int16 else 'MET_UCHAR'}\n"
        "ElementDataFile = LOCAL\n"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header.encode() + packed)


def save_nrrd(path: Path, array: NDArray[np.uint8], affine: NDArray[np.float64]) -> None:
    """Write gzipped NRRD.

    Args:
        path: a ``.nrrd`` file; its folder is made.
        array: [D, H, W].
        affine: float64 [4, 4], array indices (z, y, x) to mm to the left, the back and the head.
    """
    directions = " ".join(f"({_joined(affine[:3, axis], ',')})" for axis in (2, 1, 0))
    header = (
        "NRRD0004\n# Complete NRRD file format specification at:\n"
        "# http://teem.sourceforge.net/nrrd/format.html\ntype: unsigned char\ndimension: 3\n"
        f"space: left-posterior-superior\nsizes: {_joined(array.shape[::-1])}\n"
        f"space directions: {directions}\nkinds: domain domain domain\nendian: little\n"
        f"encoding: gzip\nspace origin: ({_joined(affine[:3, 3], ',')})\n\n"
    )
    packed = gzip.compress(array.tobytes(), 1, mtime=0)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header.encode() + packed)


def dicom_slice(stored: NDArray[np.uint16], header: dict[str, Any]) -> Dataset:
    """Return a grey image [H, W] of a ``header["Modality"]``, without a place."""
    data = Dataset()
    data.SOPClassUID = CTImageStorage if header["Modality"] == "CT" else MRImageStorage
    data.PatientName, data.PatientID = "PHANTOM", ""
    data.Rows, data.Columns = stored.shape
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
    data.PixelRepresentation = 0
    for field, value in header.items():
        setattr(data, field, value)
    data.PixelData = stored.astype("<u2").tobytes()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return data


def _joined(values: Iterable[float], by: str = " ") -> str:
    return by.join(f"{value:.9g}" for value in values)


def mark(root: Path, what: str, seed: int) -> None:
    """Mark a folder as synthetic; the last step of writing it."""
    (root / PHANTOM).write_text(
        f"Synthetic {what} written by weakseg.data.phantoms with seed {seed}; no patient data.\n"
    )


def check(patients: int, most: int, matrix: int | None, least: int = 1) -> None:
    """Refuse impossible sizes.

    Raises:
        ValueError: patients is not between ``least`` and ``most``, or matrix is below 32.
    """
    if not least <= patients <= most:
        raise ValueError(f"patients must be between {least} and {most}, got {patients}")
    if matrix is not None and matrix < 32:
        raise ValueError(f"matrix must be at least 32 pixels, got {matrix}")
