"""Writes a phantom of MSCMRseg: late gadolinium enhancement, thick strokes, three parts.

Healthy myocardium is dark, blood bright and scar as bright or brighter. As in the official files
the training part has strokes only, validation and test have dense references only.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from weakseg.data import nifti
from weakseg.data.phantoms import files
from weakseg.data.phantoms.heart import Heart, sample_heart
from weakseg.data.phantoms.scanner import Scan, acquire, sample_scan, surroundings
from weakseg.data.scribbles import draw
from weakseg.data.sources.acdc import GROUPS
from weakseg.data.sources.mscmr import UNLABELLED
from weakseg.seeding import generator, seed_from
from weakseg.types import IGNORE_INDEX

FIELD: Final = 192.0
"""Side of an image, mm: 256 pixels of 0.75 mm."""

_TRAIN, _VAL, _TEST = ("train", "scribble"), ("val", "manual"), ("TestSet", "manual")
# 5 of 9 patients train, 1 validates, 3 test, as of the 45 there are.
_PARTS: Final = (_TRAIN, _VAL, _TEST, _TRAIN, _TEST, _TRAIN, _TRAIN, _TEST, _TRAIN)
_COVERAGE: Final = (0.022, 0.08, 0.13, 0.08)  # of lines 0.75 mm wide, before they are thickened
_PENS: Final = (5.5, 3.2, 3.2, 3.2)  # mm, per class


def write(root: Path, patients: int = 45, matrix: int | None = None, seed: int = 0) -> None:
    """Write a phantom data set in MSCMRseg's layout below ``root / "MSCMR_dataset"``.

    A patient's files and part depend on its number, the seed and the matrix only, byte for byte.

    Args:
        root: folder to write to; made where missing. ``root / "PHANTOM"`` marks it as synthetic.
        patients: 3 to 450.
        matrix: rows and columns of all slices over the same field of view; None means 256.
        seed: another seed makes other patients.

    Raises:
        ValueError: patients is not between 3 and 450, or matrix is below 32.
    """
    files.check(patients, 450, matrix, least=3)
    for number in range(1, patients + 1):
        _write_patient(root / "MSCMR_dataset", number, seed, matrix or 256)
    files.mark(root, "cardiac MR", seed)


def _write_patient(folder: Path, number: int, seed: int, matrix: int) -> None:
    rng = generator("phantom mscmr", seed, number)
    heart, _ = sample_heart(str(rng.choice(GROUPS)), rng)
    wide = sample_scan(heart, matrix, rng)
    torso = surroundings(heart, wide, rng)
    scan = _close_up(wide, heart, matrix, rng)
    ((image, reference),) = acquire((heart,), torso, scan, (seed, 1000 + number))
    part, kind = _PARTS[(number - 1) % len(_PARTS)]
    label = reference
    if kind == "scribble":
        pixel = scan.spacing[1]
        coverage = [min(share * pixel / 0.75, 0.9) for share in _COVERAGE]
        drawn = seed_from("phantom mscmr", seed, number)
        thin = draw(reference, scan.spacing, drawn, coverage=coverage)
        label = thicken(thin, reference, [pen / pixel for pen in _PENS])
        label[label == IGNORE_INDEX] = UNLABELLED
    name = f"subject{number}_DE"
    for path, array in ((f"images/{name}", image), (f"labels/{name}_{kind}", label)):
        affine = nifti.upright(scan.spacing)
        files.save(folder / part / f"{path}.nii.gz", array, scan.spacing, affine, code=2)


def _close_up(scan: Scan, heart: Heart, matrix: int, rng: np.random.Generator) -> Scan:
    """Draw slices of 5 mm over the whole heart, closer up and later after contrast than cine."""
    between, pixel = 5.0, FIELD / matrix
    first = rng.uniform(-12.0, -2.0)
    depth = int(np.clip(round((heart.length - first + rng.uniform(0, 8)) / between) + 1, 10, 20))
    return dataclasses.replace(
        scan,
        shape=(depth, matrix, matrix),
        spacing=(between, pixel, pixel),
        first=first,
        heart=(matrix * rng.uniform(0.45, 0.55), matrix * rng.uniform(0.45, 0.55)),
        noise=rng.uniform(0.06, 0.14),
        myocardium=rng.uniform(0.1, 0.25),
        rv_blood=rng.uniform(0.85, 1.05),
        scar=(rng.uniform(-np.pi, np.pi), rng.uniform(0.6, 1.5), rng.uniform(1.0, 1.5)),
    )


def thicken(
    thin: NDArray[np.uint8], reference: NDArray[np.uint8], widths: Sequence[float]
) -> NDArray[np.uint8]:
    """Widen strokes within the class that they mark.

    Args:
        thin: uint8 [D, H, W], ``IGNORE_INDEX`` where undrawn.
        reference: uint8 [D, H, W], the classes.
        widths: of the pen for each class, pixels.
    """
    thick = thin.copy()
    for z, cls in np.ndindex(len(thin), len(widths)):
        stroke = thin[z] == cls
        if stroke.any():
            near = ndimage.distance_transform_edt(~stroke) <= widths[cls] / 2
            thick[z][near & (reference[z] == cls)] = cls
    return thick
