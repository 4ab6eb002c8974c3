"""Writes a phantom of ACDC: synthetic cine cardiac MR in the official layout, with scribbles.

Every patient is one heart in two phases inside one torso. Files carry ACDC's known header defect
(the sform says 1 mm, the spacing is in pixdim), so that they take the same way through the code as
the real ones.
"""

import gzip
import io
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
from nibabel import Nifti1Image
from numpy.typing import NDArray

from weakseg.data.heart import GROUPS, Heart, sample_heart
from weakseg.data.scanner import Scan, acquire, sample_scan
from weakseg.data.scribbles import draw
from weakseg.data.torso import Torso, sample_torso
from weakseg.seeding import generator, seed_from
from weakseg.types import IGNORE_INDEX

UNLABELLED: Final = 4
"""Code of pixels nobody scribbled in ACDC's files."""

BLOCK: Final = 20
"""ACDC numbers its patients by group: 1-20 DCM, 21-40 HCM, ..."""


def write_phantom(root: Path, patients: int = 30, seed: int = 0, size: int | None = None) -> None:
    """Write a phantom data set in ACDC's official layout below ``root / "training"``.

    A patient's files depend on its number, the seed and the size only, byte for byte.

    Args:
        root: folder to write to; made where missing. ``root / "PHANTOM"`` marks it as synthetic.
        patients: 1 to 100, spread evenly over the five disease groups, two volumes each.
        seed: another seed makes other patients.
        size: matrix size of all slices over the same field of view; None varies it like ACDC.

    Raises:
        ValueError: patients is not between 1 and 100, or size is below 32.
    """
    if not 1 <= patients <= BLOCK * len(GROUPS):
        raise ValueError(f"patients must be between 1 and 100, got {patients}")
    if size is not None and size < 32:
        raise ValueError(f"size must be at least 32 pixels, got {size}")
    for number in _numbers(patients):
        _write_patient(Path(root) / "training", number, seed, size)
    (Path(root) / "PHANTOM").write_text(
        f"Synthetic cardiac MR written by weakseg.data.phantom with seed {seed}; no patient data.\n"
    )


def _numbers(patients: int) -> list[int]:
    """Return ACDC patient numbers: the first of each group's block, evenly."""
    whole, rest = divmod(patients, len(GROUPS))
    return [
        BLOCK * block + index + 1
        for block in range(len(GROUPS))
        for index in range(whole + (block < rest))
    ]


def _write_patient(folder: Path, number: int, seed: int, size: int | None) -> None:
    rng = generator("phantom", seed, number)
    group = GROUPS[(number - 1) // BLOCK]
    hearts = sample_heart(group, rng)
    scan = sample_scan(hearts[0], size, rng)
    torso = _surroundings(hearts[0], scan, rng)
    frames = (1, int(rng.integers(8, 14)))
    name = f"patient{number:03d}"
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / "Info.cfg").write_text(
        f"ED: {frames[0]}\nES: {frames[1]}\nGroup: {group}\nHeight: {rng.normal(170, 9):.1f}\n"
        f"NbFrame: {int(rng.integers(25, 31))}\nWeight: {rng.normal(75, 12):.1f}\n"
    )
    volumes = acquire(hearts, torso, scan, (seed, number))
    for frame, (image, reference) in zip(frames, volumes, strict=True):
        scribble = draw(reference, scan.spacing, seed_from("phantom", seed, number, frame))
        scribble[scribble == IGNORE_INDEX] = UNLABELLED
        stem = str(folder / name / f"{name}_frame{frame:02d}")
        _save(Path(f"{stem}.nii.gz"), image, scan.spacing, defect=True)
        _save(Path(f"{stem}_gt.nii.gz"), reference, scan.spacing, defect=True)
        _save(Path(f"{stem}_scribble.nii.gz"), scribble, scan.spacing, defect=False)


def _surroundings(heart: Heart, scan: Scan, rng: np.random.Generator) -> Torso:
    _, rows, columns = scan.shape
    pixel = scan.spacing[1]
    half = columns * pixel / 2, rows * pixel / 2
    offset = (columns / 2 - scan.heart[1]) * pixel, (rows / 2 - scan.heart[0]) * pixel
    outer = heart.radius + heart.wall
    return sample_torso(half, offset, (-outer - 0.7 * heart.rv_depth, outer), rng)


def _save(
    path: Path, array: NDArray[np.generic], spacing: tuple[float, float, float], *, defect: bool
) -> None:
    """Write [D, H, W] as gzipped NIfTI with the header of ACDC's images or of its scribbles."""
    image = cast(Any, Nifti1Image)(array.transpose(2, 1, 0), None)
    image.header.set_zooms(spacing[::-1])
    if defect:
        image.header.set_sform(np.diag([-1.0, -1.0, 1.0, 1.0]), code=2)
    else:
        image.header.set_sform(np.diag([-spacing[2], -spacing[1], spacing[0], 1.0]), code=1)
        image.header.set_xyzt_units("mm")
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1, mtime=0) as stream:
        stream.write(image.to_bytes())
    path.write_bytes(packed.getvalue())


if __name__ == "__main__":
    from jsonargparse import auto_cli

    auto_cli(write_phantom, as_positional=True)
