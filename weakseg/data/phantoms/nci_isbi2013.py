"""Writes a phantom of NCI-ISBI 2013: T2-weighted prostate MR as DICOM with NRRD labels.

Cases come from two scanners by turns: 3 T with even light, and 1.5 T with a coil in the rectum,
which is bright near the coil. As in the official files, labels may have axes that run the other
way or fewer slices than their series, and some have longer names.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from weakseg.data.phantoms import files
from weakseg.data.phantoms.files import dicom_slice
from weakseg.data.phantoms.pelvis import Gland, Volume, paint_pelvis, sample_gland
from weakseg.data.phantoms.waves import wave
from weakseg.seeding import generator, seed_from

CASES: Final = 80
"""Cases of the three parts of the challenge."""


@dataclass(frozen=True, kw_only=True)
class Scanner:
    """How the cases of one collection were imaged."""

    collection: str
    prefix: str
    coil: bool  # in the rectum
    matrix: int
    field: float  # side of a slice, mm
    between: float  # slices, mm
    scale: tuple[float, float]
    noise: float
    bend: float  # exponent of the contrast


SCANNERS: Final = (
    Scanner(
        collection="Prostate-3T",
        prefix="Prostate3T",
        coil=False,
        matrix=320,
        field=192.0,
        between=4.0,
        scale=(250, 500),
        noise=0.035,
        bend=1.0,
    ),
    Scanner(
        collection="PROSTATE-DIAGNOSIS",
        prefix="ProstateDx",
        coil=True,
        matrix=400,
        field=160.0,
        between=3.0,
        scale=(700, 1500),
        noise=0.05,
        bend=0.7,
    ),
)
"""3 T with a surface coil, 1.5 T with an endorectal one."""

_PARTS: Final = (("Training", "01", ""), ("Leaderboard", "02", ""), ("Test", "03", "_truth"))
# Of eight cases of a scanner six are for training, as 30 of 40.
_TURNS: Final = (0, 0, 0, 1, 0, 0, 0, 2)


@dataclass(frozen=True, kw_only=True)
class _Case:
    """Whom to image, how, and where to write it; lengths in mm."""

    number: int
    seed: int
    name: str
    part: str
    ending: str
    scanner: Scanner
    gland: Gland
    slices: int
    matrix: int
    centre: tuple[float, float, float]  # of the volume along z, y and x, from the gland's

    @property
    def pixel(self) -> float:
        """Side of a pixel."""
        return round(self.scanner.field / self.matrix, 6)

    def lines(self) -> list[Volume]:
        """Return where the voxels lie along z, y and x."""
        sizes = (self.slices, self.scanner.between), *((self.matrix, self.pixel),) * 2
        return [
            (at + (np.arange(n) - (n - 1) / 2) * mm).astype(np.float32)
            for (n, mm), at in zip(sizes, self.centre, strict=True)
        ]

    def affine(self) -> NDArray[np.float64]:
        """Return where array indices (z, y, x) lie, mm to the left, the back and the head."""
        corner = [float(line[0]) for line in self.lines()]
        affine = np.zeros((4, 4))
        affine[[2, 1, 0], [0, 1, 2]] = self.scanner.between, self.pixel, self.pixel
        affine[:, 3] = *corner[::-1], 1
        return affine.round(4)


def write(root: Path, patients: int = CASES, matrix: int | None = None, seed: int = 0) -> None:
    """Write a phantom data set in the layout of TCIA's downloads.

    A case's files depend on its number, the seed and the matrix only, byte for byte.

    Args:
        root: folder to write to; made where missing. ``root / "PHANTOM"`` marks it as synthetic.
        patients: number of cases, 1 to 80.
        matrix: rows and columns of all slices over the same field of view; None means 320 and 400.
        seed: another seed makes other people.

    Raises:
        ValueError: patients is not between 1 and 80, or matrix is below 32.
    """
    files.check(patients, CASES, matrix)
    for number in range(1, patients + 1):
        _write_case(root, _sample_case(number, matrix, seed))
    files.mark(root, "prostate MR", seed)


def _sample_case(number: int, matrix: int | None, seed: int) -> _Case:
    rng = generator("phantom nci", seed, number)
    scanner = SCANNERS[(number - 1) % len(SCANNERS)]
    within = (number + 1) // len(SCANNERS)
    part, code, ending = _PARTS[_TURNS[(within - 1) % len(_TURNS)]]
    gland = sample_gland(scanner.coil, rng)
    reach = 2 * gland.whole[0] + rng.uniform(18, 34)
    return _Case(
        number=number,
        seed=seed,
        name=f"{scanner.prefix}-{code}-{within:04d}",
        part=part,
        ending="_correctedLabels" if within == 6 else ending,
        scanner=scanner,
        gland=gland,
        slices=round(reach / scanner.between),
        matrix=matrix or scanner.matrix,
        centre=(rng.uniform(-4, 6), rng.uniform(-12, 8), rng.uniform(-5, 5)),
    )


def _write_case(root: Path, case: _Case) -> None:
    rng = generator("phantom nci image", case.seed, case.number)
    lines = case.lines()
    image, labels = paint_pelvis(case.gland, case.scanner.coil, lines, max(case.pixel, 0.8), rng)
    stored = _digitised(image * _light(case, lines, rng), case.scanner, rng)
    _write_series(root / "manifest-1" / case.scanner.collection / case.name, case, stored)
    path = root / case.part / f"{case.name}{case.ending}.nrrd"
    affine = case.affine()
    if case.number % 14 == 0:  # like ProstateDx-01-0055: without the slices beyond the gland
        inside = np.flatnonzero(labels.any(axis=(1, 2)))
        affine[:, 3] += affine[:, 0] * inside[0]
        labels = labels[inside[0] : inside[-1] + 1]
    elif case.number % 3 == 0:
        affine[:, 3] += affine[:, 1] * (labels.shape[1] - 1)
        affine[:, 1] *= -1
        labels = labels[:, ::-1]
    files.save_nrrd(path, np.ascontiguousarray(labels), affine)


def _light(case: _Case, lines: list[Volume], rng: np.random.Generator) -> Volume:
    """Return the coil's sensitivity, [D, H, W], 1 about the middle of the gland."""
    shade = np.asarray(np.exp(0.12 * wave(80.0, rng, 120.0).at(*lines)), np.float32)
    if not case.scanner.coil:
        return shade
    behind = case.gland.whole[1] + case.gland.coil
    z, y, x = np.meshgrid(*lines, indexing="ij", sparse=True)
    far = np.sqrt((0.6 * z) ** 2 + (y - behind) ** 2 + x**2)
    return np.asarray(shade * (0.25 + 1.5 * np.exp(-(far - 10) / 28)), np.float32)


def _digitised(signal: Volume, scanner: Scanner, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Bend the contrast, blur to the scanner's resolution, add Rician noise, round."""
    blurred = ndimage.gaussian_filter(signal.clip(0.01) ** scanner.bend, (0, 0.5, 0.5))
    real, imaginary = scanner.noise * rng.standard_normal((2, *signal.shape), dtype=np.float32)
    magnitude = np.hypot(blurred + real, imaginary) * rng.uniform(*scanner.scale)
    return np.asarray(np.rint(magnitude.clip(0, 65535)), np.uint16)


def _write_series(folder: Path, case: _Case, stored: NDArray[np.uint16]) -> None:
    """Write [D, H, W], one DICOM file a slice, named from the feet or from the head."""
    identifier = f"2.25.{seed_from('phantom nci', case.seed, case.number)}"
    target = folder / "01-01-2005-NA-MR prostate" / "4.000000-t2tsetra"
    target.mkdir(parents=True, exist_ok=True)
    affine = case.affine()
    order = range(case.slices) if case.number % 4 < 2 else range(case.slices)[::-1]
    for i, at in enumerate(order, 1):
        data = dicom_slice(stored[at], {"Modality": "MR", "SeriesDescription": "t2_tse_tra"})
        data.StudyInstanceUID, data.SeriesInstanceUID = f"{identifier}.0", identifier
        data.SOPInstanceUID, data.InstanceNumber = f"{identifier}.{i}", i
        data.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        place = affine[:3, 3] + affine[:3, 0] * at
        data.ImagePositionPatient = place.round(4).tolist()
        data.PixelSpacing = [case.pixel, case.pixel]
        data.SliceThickness = case.scanner.between
        data.save_as(target / f"1-{i:02d}.dcm", enforce_file_format=True)
