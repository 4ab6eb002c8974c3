"""Writes a phantom of ACDC: synthetic cine cardiac MR in the official layout, with scribbles.

Every patient has one heart in two phases inside one torso; a slice is rendered with partial
volume, displaced by its own breath-hold, shaded by the receive coil and given Rician noise.
Files carry ACDC's known header defect (the sform says 1 mm, the spacing is in pixdim), so that
they take the same way through the code as the real ones.
"""

import gzip
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from weakseg.data.heart import GROUPS, Field, Heart, Tissue, sample_heart, tissue
from weakseg.data.scribbles import draw
from weakseg.data.torso import WARP, Torso, noise, paint, render, sample_torso
from weakseg.seeding import generator, seed_from
from weakseg.types import IGNORE_INDEX

UNLABELLED: Final = 4
"""Code of pixels nobody scribbled in ACDC's files."""

BLOCK: Final = 20
"""ACDC numbers its patients by group: 1-20 DCM, 21-40 HCM, ..."""


@dataclass(frozen=True, kw_only=True)
class Scan:
    """How a patient was imaged: matrix, voxels (mm), brightness and blemishes."""

    shape: tuple[int, int, int]  # z, y, x
    spacing: tuple[float, float, float]
    first: float  # z of the first slice, mm below the base of the heart
    heart: tuple[float, float]  # position (y, x) of the heart's axis, pixels
    scale: float  # intensity of LV blood
    noise: float  # standard deviation relative to LV blood
    myocardium: float
    rv_blood: float
    coil: tuple[float, float, float, float]  # position x, y, depth, floor


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
    scan = _sample_scan(hearts[0], size, rng)
    torso = _surroundings(hearts[0], scan, rng)
    frames = (1, int(rng.integers(8, 14)))
    name = f"patient{number:03d}"
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / "Info.cfg").write_text(
        f"ED: {frames[0]}\nES: {frames[1]}\nGroup: {group}\nHeight: {rng.normal(170, 9):.1f}\n"
        f"NbFrame: {int(rng.integers(25, 31))}\nWeight: {rng.normal(75, 12):.1f}\n"
    )
    images, labels = _acquire(hearts, torso, scan, (seed, number))
    for frame, image, label in zip(frames, images, labels, strict=True):
        scribble = draw(label, scan.spacing, seed_from("phantom", seed, number, frame))
        scribble[scribble == IGNORE_INDEX] = UNLABELLED
        stem = str(folder / name / f"{name}_frame{frame:02d}")
        _save(Path(f"{stem}.nii.gz"), image, scan.spacing, defect=True)
        _save(Path(f"{stem}_gt.nii.gz"), label, scan.spacing, defect=True)
        _save(Path(f"{stem}_scribble.nii.gz"), scribble, scan.spacing, defect=False)


def _sample_scan(heart: Heart, size: int | None, rng: np.random.Generator) -> Scan:
    between = float(rng.choice([10.0, 7.0, 6.5, 5.0], p=[0.86, 0.05, 0.05, 0.04]))
    first = rng.uniform(-13.0, -3.0)
    covered = heart.length + heart.wall - first + rng.uniform(-12.0, 6.0)
    depth = int(np.clip(round(covered / between) + 1, 7, 10 if between == 10 else 16))
    pixel = round(float(rng.uniform(1.4, 1.8)), 4)
    view = rng.uniform(310, 350), rng.uniform(260, 310)  # y, x
    rows, columns = (int(np.clip(round(side / pixel), 150, 230)) for side in view)
    if size is not None:
        rows, columns, pixel = size, size, round(min(view) / size, 4)
    return Scan(
        shape=(depth, rows, columns),
        spacing=(between, pixel, pixel),
        first=first,
        heart=(rows * rng.uniform(0.42, 0.54), columns * rng.uniform(0.46, 0.58)),
        scale=float(np.exp(rng.uniform(np.log(110), np.log(320)))),
        noise=rng.uniform(0.02, 0.05),
        myocardium=rng.uniform(0.28, 0.45),
        rv_blood=rng.uniform(0.78, 0.98),
        coil=(
            rng.uniform(-150, -70),
            rng.uniform(-120, 20),
            rng.uniform(90, 170),
            rng.uniform(0.45, 0.75),
        ),
    )


def _surroundings(heart: Heart, scan: Scan, rng: np.random.Generator) -> Torso:
    _, rows, columns = scan.shape
    pixel = scan.spacing[1]
    half = columns * pixel / 2, rows * pixel / 2
    offset = (columns / 2 - scan.heart[1]) * pixel, (rows / 2 - scan.heart[0]) * pixel
    return sample_torso(half, offset, heart.radius + heart.wall, rng)


def _acquire(
    hearts: tuple[Heart, Heart], torso: Torso, scan: Scan, key: tuple[int, int]
) -> tuple[list[NDArray[np.int16]], list[NDArray[np.uint8]]]:
    """Image both phases; return int16 images and uint8 labels, [D, H, W] each."""
    images = [np.zeros(scan.shape, np.int16) for _ in hearts]
    labels = [np.zeros(scan.shape, np.uint8) for _ in hearts]
    rng = generator("phantom scan", *key)
    drift = [rng.normal(0, 0.25) for _ in range(2)]
    for index in range(scan.shape[0]):
        rng = generator("phantom slice", *key, index)
        z = scan.first + index * scan.spacing[0]
        breath = rng.normal(0, 1.6, 2) + np.array(drift) * index
        x, y = _grid(scan, breath)
        around = _textured_torso(torso, x, y, z, scan, key, rng)
        shade = _shade(scan, x, y)
        for phase, heart in enumerate(hearts):
            parts = _partial_volume(heart, x, y, z, scan)
            clean = _blood_and_muscle(around, parts, scan, rng) * shade
            images[phase][index] = _digitise(clean, scan, rng)
            labels[phase][index] = _label(parts)
    return images, labels


def _grid(scan: Scan, breath: NDArray[np.float64]) -> tuple[Field, Field]:
    """Return where the pixels lie, mm from the heart's axis: (x, y), float32 [H, W]."""
    _, rows, columns = scan.shape
    pixel = scan.spacing[1]
    y = (np.arange(rows) - scan.heart[0]) * pixel - breath[0]
    x = (np.arange(columns) - scan.heart[1]) * pixel - breath[1]
    xx, yy = np.meshgrid(x.astype(np.float32), y.astype(np.float32))
    return xx, yy


def _textured_torso(
    torso: Torso,
    x: Field,
    y: Field,
    z: float,
    scan: Scan,
    key: tuple[int, int],
    rng: np.random.Generator,
) -> Field:
    """Render the torso with outlines that wander and with streaky tissue."""
    pixel = scan.spacing[1]
    shape = x.shape
    own = generator("phantom warp", *key)  # the same in all slices of a patient
    bend = [noise(shape, max(4, round(28 / pixel)), own) * 4.5 for _ in range(2)]
    fine = [noise(shape, max(2, round(9 / pixel)), rng) * 1.3 for _ in range(2)]
    moved = [np.clip(a + b, -WARP, WARP) for a, b in zip(bend, fine, strict=True)]
    image = render(torso, x + moved[0], y + moved[1], z, pixel)
    streaks = noise(shape, max(2, round(5 / pixel)), rng) + noise(shape, 2, rng) * 0.7
    return np.asarray(image * (1 + 0.14 * streaks), np.float32)


def _partial_volume(heart: Heart, x: Field, y: Field, z: float, scan: Scan) -> Tissue:
    """Average the tissue over the slice's thickness."""
    thick = 0.8 * scan.spacing[0]
    layers = [
        tissue(heart, x, y, z + offset * thick, scan.spacing[1]) for offset in (-0.33, 0, 0.33)
    ]
    return Tissue(*(sum(parts) / np.float32(len(layers)) for parts in zip(*layers, strict=True)))


def _blood_and_muscle(around: Field, parts: Tissue, scan: Scan, rng: np.random.Generator) -> Field:
    """Put the heart into the torso."""
    pixel, shape = scan.spacing[1], around.shape
    flow = noise(shape, max(3, round(14 / pixel)), rng)
    grain = noise(shape, 2, rng)
    fat = np.clip(0.55 + 0.5 * noise(shape, max(3, round(22 / pixel)), rng), 0.12, 1.05)
    image = around.copy()
    paint(image, parts.sac, fat)
    muscle = scan.myocardium * (1 + 0.10 * flow + 0.10 * grain)
    paint(image, parts.rv_wall, muscle)
    paint(image, parts.atria, 0.9 + 0.1 * flow)
    weave = np.clip(1.4 * noise(shape, max(2, round(4 / pixel)), rng) - 0.9, 0, 1)
    blood = 1 + 0.07 * flow
    image *= 1 - parts.lv - parts.rv - parts.wall
    image += parts.wall * muscle
    rim = 4 * parts.lv * (1 - ndimage.uniform_filter(parts.lv, max(3, round(11 / pixel))))
    dark = np.clip(parts.papillary + rim * weave, 0, 1)
    image += parts.lv * (blood - dark * (blood - 1.15 * muscle))
    image += parts.rv * (scan.rv_blood * (1 + 0.1 * flow) * (1 - 0.45 * weave))
    return image


def _shade(scan: Scan, x: Field, y: Field) -> Field:
    """Return the sensitivity of the receive coil, 1 at the heart."""
    left, top, depth, floor = scan.coil
    near = np.exp(-np.hypot(x - left, y - top) / depth)
    at_heart = np.exp(-np.hypot(left, top) / depth)
    return np.asarray(floor + (1 - floor) * near / at_heart, np.float32)


def _digitise(clean: Field, scan: Scan, rng: np.random.Generator) -> NDArray[np.int16]:
    """Blur to the scanner's resolution, add Rician noise, round."""
    signal = ndimage.gaussian_filter(clean, 0.45)
    real, imaginary = rng.standard_normal((2, *clean.shape), dtype=np.float32) * scan.noise
    magnitude = np.hypot(signal + real, imaginary) * scan.scale
    return np.rint(np.clip(magnitude, 0, 32767)).astype(np.int16)


def _label(parts: Tissue) -> NDArray[np.uint8]:
    """Return the class that fills most of each pixel."""
    rest = 1 - parts.rv - parts.wall - parts.lv
    return np.argmax(np.stack([rest, parts.rv, parts.wall, parts.lv]), axis=0).astype(np.uint8)


def _save(
    path: Path, array: NDArray[np.generic], spacing: tuple[float, float, float], *, defect: bool
) -> None:
    """Write [D, H, W] as gzipped NIfTI with the header of ACDC's images or of its scribbles."""
    image = nib.Nifti1Image(array.transpose(2, 1, 0), None)
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
