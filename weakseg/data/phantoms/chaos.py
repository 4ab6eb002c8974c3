"""Writes phantoms of CHAOS: synthetic abdominal MR and CT as DICOM with PNG references.

T1-DUAL and T2-SPIR of a number show one person in two breath-holds; CT shows other people. As in
the official files, SliceThickness is not the distance between slices, slices run to the head or
to the feet, and the numbers in the names of the two phases interleave.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from weakseg.data.phantoms import files
from weakseg.data.phantoms.abdomen import (
    CAVITY,
    LIVER,
    Abdomen,
    paint_abdomen,
    sample_abdomen,
)
from weakseg.data.phantoms.canvas import Canvas, Field, Space
from weakseg.data.phantoms.files import dicom_slice
from weakseg.data.phantoms.waves import wave
from weakseg.data.splits import CHAOS_PATIENTS, CHAOS_PER_FOLD
from weakseg.seeding import generator, seed_from

CT_PATIENTS: Final = (1, 2, 5, 6, 8, 10, 14, 16, 18, 19, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30)
"""Patients of the official training set of CT."""

MR_GREY: Final = (0, 63, 126, 189, 252)
"""Grey values of the labels in MR references."""

MATRIX: Final = 128
"""Rows and columns of a slice, unless asked otherwise."""

_SLICES: Final = 24


@dataclass(frozen=True, kw_only=True)
class Scan:
    """How a person was imaged; mm."""

    matrix: int
    slices: int
    first: float  # z of the lowest slice
    between: float  # slices
    pixel: float
    centre: tuple[float, float]  # of the image, as seen from the person's middle (x, y)
    thickness: float  # that the files state
    upwards: bool  # the order of the files


class _Patient(NamedTuple):
    """Whom to image and where to write it; what is random is a function of the two keys."""

    person: Abdomen
    scan: Scan
    folder: Path
    body: tuple[int, str, int]  # seed, MR or CT, number
    key: tuple[int, str, int]  # seed, series, number


def write_t1(root: Path, patients: int = 20, matrix: int | None = None, seed: int = 0) -> None:
    """Write T1-DUAL, both phases and their reference, below ``root / "Train_Sets" / "MR"``.

    A patient's files depend on its number, the seed and the matrix only, byte for byte.

    Args:
        root: folder to write to; made where missing. ``root / "PHANTOM"`` marks it as synthetic.
        patients: at least 1. Their numbers are those of the official training set; since that
            has 20, no more are written.
        matrix: rows and columns of all slices over the same field of view; None means 128.
        seed: another seed makes other patients.

    Raises:
        ValueError: patients is below 1, or matrix is below 32.
    """
    for patient in _patients(root, "T1DUAL", patients, matrix, seed):
        canvas, shade, rng = _painted(patient, ("water", "fat"))
        water, fat = canvas.volumes
        scale = rng.uniform(350, 900)
        for phase, signal, first in (("InPhase", water + fat, 2), ("OutPhase", water - fat, 1)):
            stored = _magnitude(signal * shade, scale, rng)
            names = _names("IMG-0004-{:05d}.dcm", patient.scan, first, step=2)
            header = {"Modality": "MR", "SeriesDescription": phase}
            _write_series(patient, f"DICOM_anon/{phase}", names, stored, header)
        names = _names("IMG-0004-{:05d}.png", patient.scan, first=2, step=2)
        _write_masks(patient, names, np.take(MR_GREY, canvas.reference))
    files.mark(root, "abdominal MR", seed)


def write_t2(root: Path, patients: int = 20, matrix: int | None = None, seed: int = 0) -> None:
    """Write T2-SPIR of the same people as :func:`write_t1`, which see, in another breath-hold."""
    for patient in _patients(root, "T2SPIR", patients, matrix, seed):
        canvas, shade, rng = _painted(patient, ("t2",))
        stored = _magnitude(canvas.volumes[0] * shade, rng.uniform(400, 1200), rng)
        header = {"Modality": "MR", "SeriesDescription": "T2SPIR"}
        names = _names("IMG-0002-{:05d}.dcm", patient.scan, first=1)
        _write_series(patient, "DICOM_anon", names, stored, header)
        names = _names("IMG-0002-{:05d}.png", patient.scan, first=1)
        _write_masks(patient, names, np.take(MR_GREY, canvas.reference))
    files.mark(root, "abdominal MR", seed)


def write_ct(root: Path, patients: int = 20, matrix: int | None = None, seed: int = 0) -> None:
    """Write CT with the liver as reference; other people than those of :func:`write_t1`."""
    for patient in _patients(root, "CT", patients, matrix, seed):
        canvas, _, rng = _painted(patient, ("ct",))
        units = _blurred(canvas.volumes[0]) + _grain(canvas.reference.shape, rng, 18.0)
        stored = np.rint(np.clip(units + 1000, 0, 4095)).astype(np.uint16)
        header = {"Modality": "CT", "RescaleSlope": 1, "RescaleIntercept": -1000}
        _write_series(
            patient, "DICOM_anon", _names("i{:04d},0000b.dcm", patient.scan), stored, header
        )
        names = _names("liver_GT_{:03d}.png", patient.scan)
        _write_masks(patient, names, 255 * (canvas.reference == LIVER))
    files.mark(root, "abdominal CT", seed)


def _patients(
    root: Path, kind: str, count: int, matrix: int | None, seed: int
) -> Iterator[_Patient]:
    """Yield whom to write, evenly from the parts of the list that are folds."""
    group, numbers = ("CT", CT_PATIENTS) if kind == "CT" else ("MR", CHAOS_PATIENTS)
    count = min(count, len(numbers))
    files.check(count, len(numbers), matrix)
    spread = sorted(range(len(numbers)), key=lambda place: (place % CHAOS_PER_FOLD, place))
    for number in (numbers[place] for place in spread[:count]):
        person = sample_abdomen(generator("phantom abdomen", seed, group, number))
        rng = generator("phantom chaos scan", seed, kind, number)
        folder = root / "Train_Sets" / group / str(number)
        yield _Patient(
            person=person,
            scan=_sample_scan(person, matrix or MATRIX, rng),
            folder=folder if kind == "CT" else folder / kind,
            body=(seed, group, number),
            key=(seed, kind, number),
        )


def _names(pattern: str, scan: Scan, first: int = 0, step: int = 1) -> list[str]:
    return [pattern.format(first + step * i) for i in range(scan.slices)]


def _sample_scan(person: Abdomen, matrix: int, rng: np.random.Generator) -> Scan:
    slices = _SLICES + int(rng.integers(-3, 4))
    poles = [kidney.centre[2] - kidney.sizes[2] for kidney in person.kidneys]
    low = (min(poles) - rng.uniform(0, 14)) * person.scale[2]
    high = (person.dome + rng.uniform(-6, 12)) * person.scale[2]
    between = round((high - low) / (slices - 1), 1)
    half = (CAVITY[0] + person.fat + 14) * person.scale[0]
    return Scan(
        matrix=matrix,
        slices=slices,
        first=float(low + rng.normal(0, 4)),
        between=between,
        pixel=round(float(2 * half * rng.uniform(1.06, 1.2) / matrix), 4),
        centre=(float(rng.normal(0, 5)), float(rng.uniform(2, 12))),
        thickness=round(between * float(rng.choice([0.8, 1.6])), 1),
        upwards=bool(rng.integers(2)),
    )


def _painted(
    patient: _Patient, kinds: tuple[str, ...]
) -> tuple[Canvas, Field, np.random.Generator]:
    """Return the tissue of all voxels, the coil's sensitivity and a generator for the rest."""
    scan, scale = patient.scan, patient.person.scale
    side = (np.arange(scan.matrix) - (scan.matrix - 1) / 2) * scan.pixel
    heights = scan.first + np.arange(scan.slices) * scan.between
    lines = heights, side + scan.centre[1], side + scan.centre[0]
    rng = generator("phantom abdomen bend", *patient.body)
    moved = []
    for axis in (2, 1, 0):
        straight = lines[axis] / scale[2 - axis]
        bend = 3.5 * wave(75.0, rng).at(*lines) + 1.1 * wave(22.0, rng).at(*lines)
        moved.append(
            np.expand_dims(straight.astype(np.float32), [a for a in range(3) if a != axis]) + bend
        )
    canvas = Canvas(Space(*moved), scan.pixel / scale[0], kinds)
    paint_abdomen(patient.person, canvas)
    rng = generator("phantom chaos noise", *patient.key)
    shade = 0.13 * wave(150.0, rng).at(*lines) + 0.035 * wave(14.0, rng).at(*lines)
    return canvas, np.exp(shade), rng


def _blurred(signal: Field) -> Field:
    return np.asarray(ndimage.gaussian_filter(signal, (0, 0.5, 0.5)), np.float32)


def _grain(shape: tuple[int, ...], rng: np.random.Generator, size: float) -> Field:
    return size * rng.standard_normal(shape, dtype=np.float32)


def _magnitude(signal: Field, scale: float, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Blur to the scanner's resolution, add Rician noise, round."""
    real, imaginary = _grain(signal.shape, rng, 0.028), _grain(signal.shape, rng, 0.028)
    return np.rint(np.hypot(_blurred(signal) + real, imaginary) * scale).astype(np.uint16)


def _write_series(
    patient: _Patient,
    folder: str,
    names: list[str],
    stored: NDArray[np.uint16],
    header: dict[str, Any],
) -> None:
    """Write [D, H, W], whose slices run to the head, one DICOM file a slice."""
    scan = patient.scan
    identifier = f"2.25.{seed_from('phantom chaos', *patient.key, folder)}"
    corner = [at - (scan.matrix - 1) / 2 * scan.pixel for at in scan.centre]
    (patient.folder / folder).mkdir(parents=True, exist_ok=True)
    for i, name in enumerate(names):
        at = i if scan.upwards else len(names) - 1 - i
        data = dicom_slice(stored[at], header)
        data.StudyInstanceUID, data.SeriesInstanceUID = f"{identifier}.0", identifier
        data.SOPInstanceUID, data.InstanceNumber = f"{identifier}.{i + 1}", i + 1
        data.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        z = scan.first + at * scan.between
        data.ImagePositionPatient = [round(value, 4) for value in (*corner, z)]
        data.PixelSpacing = [scan.pixel, scan.pixel]
        data.SliceThickness = scan.thickness
        data.save_as(patient.folder / folder / name, enforce_file_format=True)


def _write_masks(patient: _Patient, names: list[str], grey: NDArray[Any]) -> None:
    """Write [D, H, W], whose slices run to the head, one PNG a slice in the order of the files."""
    folder = patient.folder / "Ground"
    folder.mkdir(parents=True, exist_ok=True)
    ordered = grey if patient.scan.upwards else grey[::-1]
    for name, plane in zip(names, ordered.astype(np.uint8), strict=True):
        Image.fromarray(plane).save(folder / name)
