"""A tiny ACDC in its official layout, written with nibabel, known header defect included."""

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np

SHAPE = (12, 10, 3)  # x, y, z
SPACING = (1.5, 1.5, 10.0)
GROUPS = ("DCM", "HCM", "MINF", "NOR", "RV")


def save(path: Path, array: np.ndarray, spacing=SPACING, scribble: bool = False) -> Path:
    """Write (x, y, z) with the headers of the download: sform 1 mm, or the scribbles' qform."""
    image = nib.Nifti1Image(array, None)
    image.header.set_zooms((*spacing, 1.0)[: array.ndim])
    if scribble:
        image.header.set_qform(np.diag([-spacing[0], -spacing[1], spacing[2], 1.0]), code=1)
        image.header.set_sform(None, code=0)
    else:
        image.header.set_qform(None, code=0)
        image.header.set_sform(np.diag([-1.0, -1.0, 1.0, 1.0]), code=2)
    path.parent.mkdir(parents=True, exist_ok=True)
    # to_bytes would rewrite the forms from the affine, so the parts are joined by hand
    image.header["vox_offset"] = 352
    image.header["magic"] = b"n+1"
    data = image.header.binaryblock + b"\0" * 4 + array.tobytes(order="F")
    path.write_bytes(gzip.compress(data, 1) if path.name.endswith(".gz") else data)
    return path


def edit_header(path: Path, **fields) -> Path:
    """Replace fields of the header of a ``.nii.gz`` file; nothing is checked."""
    data = gzip.decompress(path.read_bytes())
    header = nib.Nifti1Header(data[:348], check=False)
    for name, value in fields.items():
        header[name] = value
    path.write_bytes(gzip.compress(header.binaryblock + data[348:], 1))
    return path


def labels(shape=SHAPE) -> np.ndarray:
    array = np.zeros(shape, np.uint8)
    array[2:4, 2:8], array[4:9, 2:8], array[6:8, 4:6] = 1, 2, 3
    return array


def scribbles(shape=SHAPE) -> np.ndarray:
    array = np.full(shape, 4, np.uint8)
    array[0, 0], array[2, 4], array[4, 4], array[6, 4] = 0, 1, 2, 3
    return array


def write_patient(root: Path, number: int, frames=(1, 12), shape=SHAPE) -> Path:
    folder = root / f"patient{number:03d}"
    folder.mkdir(parents=True)
    group = GROUPS[(number - 1) // 20]
    (folder / "Info.cfg").write_text(
        f"ED: {frames[0]}\nES: {frames[1]}\nGroup: {group}\nHeight: 184.0\nNbFrame: 30\n"
    )
    for frame in frames:
        name = f"{folder.name}_frame{frame:02d}"
        image = np.random.default_rng((number, frame)).integers(0, 900, shape).astype(np.int16)
        save(folder / f"{name}.nii.gz", image)
        save(folder / f"{name}_gt.nii.gz", labels(shape))
        save(folder / f"{name}_scribble.nii.gz", scribbles(shape), scribble=True)
    return folder


def write_acdc(root: Path, patients=(1, 21)) -> Path:
    for number in patients:
        write_patient(root / "training", number)
    return root
