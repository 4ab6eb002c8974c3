"""Phantom files, reproducible byte for byte."""

import gzip
import io
from pathlib import Path
from typing import Any, cast

import numpy as np
from nibabel import Nifti1Image
from numpy.typing import NDArray

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
