"""Writes a phantom of ACDC: synthetic cine cardiac MR in the official layout, with scribbles.

Every patient is one heart in two phases inside one torso. Files carry ACDC's known header defect
(the sform says 1 mm, the spacing is in pixdim), so that they take the same way through the code as
the real ones.
"""

from pathlib import Path
from typing import Final

import numpy as np

from weakseg.data import nifti
from weakseg.data.phantoms import files
from weakseg.data.phantoms.heart import sample_heart
from weakseg.data.phantoms.scanner import acquire, sample_scan, surroundings
from weakseg.data.scribbles import draw
from weakseg.data.sources.acdc import GROUPS, UNLABELLED
from weakseg.seeding import generator, seed_from
from weakseg.types import IGNORE_INDEX

BLOCK: Final = 20
"""ACDC numbers its patients by group: 1-20 DCM, 21-40 HCM, ..."""

_WRONG: Final = np.diag([-1.0, -1.0, 1.0, 1.0])  # the sform of ACDC's images and references


def write(root: Path, patients: int = 30, matrix: int | None = None, seed: int = 0) -> None:
    """Write a phantom data set in ACDC's official layout below ``root / "training"``.

    A patient's files depend on its number, the seed and the matrix only, byte for byte.

    Args:
        root: folder to write to; made where missing. ``root / "PHANTOM"`` marks it as synthetic.
        patients: 1 to 100, spread evenly over the five disease groups, two volumes each.
        matrix: rows and columns of all slices over the same field of view; None varies them like
            ACDC.
        seed: another seed makes other patients.

    Raises:
        ValueError: patients is not between 1 and 100, or matrix is below 32.
    """
    files.check(patients, BLOCK * len(GROUPS), matrix)
    for number in _numbers(patients):
        _write_patient(root / "training", number, seed, matrix)
    files.mark(root, "cardiac MR", seed)


def _numbers(patients: int) -> list[int]:
    """Return ACDC patient numbers: the first of each group's block, evenly."""
    whole, rest = divmod(patients, len(GROUPS))
    return [
        BLOCK * block + index + 1
        for block in range(len(GROUPS))
        for index in range(whole + (block < rest))
    ]


def _write_patient(folder: Path, number: int, seed: int, matrix: int | None) -> None:
    rng = generator("phantom", seed, number)
    group = GROUPS[(number - 1) // BLOCK]
    hearts = sample_heart(group, rng)
    scan = sample_scan(hearts[0], matrix, rng)
    torso = surroundings(hearts[0], scan, rng)
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
        for kind, array in (("", image), ("_gt", reference)):
            path = Path(f"{stem}{kind}.nii.gz")
            files.save(path, array, scan.spacing, _WRONG, code=2, units="unknown")
        proper = nifti.upright(scan.spacing)
        files.save(Path(f"{stem}_scribble.nii.gz"), scribble, scan.spacing, proper)
