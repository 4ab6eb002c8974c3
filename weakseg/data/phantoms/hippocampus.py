"""Writes a phantom of the Decathlon's hippocampus: small boxes of T1 MRI around one structure.

The structure is a bent tube, thick in front and thin behind, with labels for its front and its
rear part. Next to it lie grey matter as bright as itself, unlabelled, and dark fluid. As in the
official files, boxes differ in size and intensities from case to case.
"""

import json
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from weakseg.data.phantoms import files
from weakseg.data.phantoms.waves import wave
from weakseg.data.raw import INDEX
from weakseg.data.sources.msd import PARTS, TASK
from weakseg.seeding import generator

CASES: Final = 260
"""Training cases of the official set."""

_REACH: Final = 40.0  # mm around the middle of a box
_JOINTS: Final = 24
_WHITE, _GREY, _FLUID, _SELF = 1.0, 0.62, 0.2, 0.66

_Volume = NDArray[np.float32]


class _Tube(NamedTuple):
    """The structure: joints [N, 3] of its middle line (z, y, x) from front to rear, their radii."""

    joints: NDArray[np.float64]
    radii: NDArray[np.float64]
    border: float  # share of the way where the front part ends


def write(root: Path, patients: int = CASES, matrix: int | None = None, seed: int = 0) -> None:
    """Write a phantom in the Decathlon's layout below ``root / "Task04_Hippocampus"``.

    A case's files depend on its number, the seed and the matrix only, byte for byte.

    Args:
        root: folder to write to; made where missing. ``root / "PHANTOM"`` marks it as synthetic.
        patients: number of cases, 1 to 260.
        matrix: rows and columns of all slices over the same box; None: voxels are 1 mm wide.
        seed: another seed makes other cases.

    Raises:
        ValueError: patients is not between 1 and 260, or matrix is below 32.
    """
    files.check(patients, CASES, matrix)
    names = [f"hippocampus_{number:03d}" for number in range(1, patients + 1)]
    for number, name in enumerate(names, 1):
        _write_case(root / TASK, name, number, matrix, seed)
    described = {
        "name": "Hippocampus",
        "description": "phantom",
        "tensorImageSize": "3D",
        "modality": {"0": "MRI"},
        "labels": {str(i): name for i, name in enumerate(("background", *PARTS))},
        "numTraining": len(names),
        "numTest": 0,
        "training": [
            {"image": f"./imagesTr/{name}.nii.gz", "label": f"./labelsTr/{name}.nii.gz"}
            for name in names
        ],
        "test": [],
    }
    (root / TASK / INDEX).write_text(json.dumps(described, indent=1))
    files.mark(root, "hippocampus MR", seed)


def _write_case(folder: Path, name: str, number: int, matrix: int | None, seed: int) -> None:
    rng = generator("phantom hippocampus", seed, number)
    depth, rows, columns = (int(rng.integers(*ends)) for ends in ((30, 45), (46, 59), (31, 42)))
    shape = (depth, matrix or rows, matrix or columns)
    spacing = (1.0, rows / shape[1], columns / shape[2])
    lines = [
        ((np.arange(n) - (n - 1) / 2) * mm).astype(np.float32)
        for n, mm in zip(shape, spacing, strict=True)
    ]
    image, label = _painted(lines, max(spacing), rng)
    stored = _digitised(image, number, rng)
    affine = np.diag([spacing[2], spacing[1], spacing[0], 1.0])
    for kind, array in (("imagesTr", stored), ("labelsTr", label)):
        files.save(folder / kind / f"{name}.nii.gz", array, spacing, affine)


def _painted(
    lines: list[_Volume], soft: float, rng: np.random.Generator
) -> tuple[_Volume, NDArray[np.uint8]]:
    """Return an image, white matter being 1, and the labels, [D, H, W] each.

    Args:
        lines: where the voxels lie along z, y and x, mm to the head, the front and the right.
        soft: width of the edges, mm.
        rng: source of the draw.
    """
    tube = _sample_tube(rng)
    ragged = 0.8 * wave(6.0, rng, _REACH).at(*lines)
    inside, along = _distance(tube, lines)
    inside = inside + ragged
    folds = wave(11.0, rng, _REACH).at(*lines)
    texture = 0.05 * wave(4.0, rng, _REACH).at(*lines)
    beside = tube.joints[2] + np.array([5.0, 6.0, 1.5]) * rng.uniform(0.85, 1.25, 3)
    amygdala = _ball(lines, beside, rng.uniform(6.0, 9.0)) + ragged
    above = tube.joints[7] + np.array([rng.uniform(4, 7), 0.0, rng.choice([-1, 1]) * 4.0])
    horn = _ball(lines, above, rng.uniform(4.0, 6.0), stretch=2.2) - ragged
    image = np.full(inside.shape, _WHITE, np.float32)
    for distance, value in (
        (3.0 - 4.0 * folds, _GREY),
        (5.5 - 4.0 * folds, _FLUID),
        (amygdala, _GREY + 0.05),
        (inside - 1.2, 0.5 * (_WHITE + _FLUID)),
        (horn, _FLUID),
        (inside, _SELF),
    ):
        share = np.clip(0.5 - distance / soft, 0, 1)
        image += share * (value - image)
    pieces, _ = ndimage.label(inside < 0)
    whole = pieces == np.bincount(pieces[pieces > 0]).argmax()
    return image + texture, (whole * np.where(along < tube.border, 1, 2)).astype(np.uint8)


def _sample_tube(rng: np.random.Generator) -> _Tube:
    share = np.linspace(0, 1, _JOINTS)
    length = rng.uniform(24, 33)
    arch, lean, side = rng.uniform(4, 8), rng.uniform(1, 7), rng.choice([-1, 1])
    joints = np.stack(
        [
            arch * np.sin(np.pi * share * 0.8) + lean * share - 4,
            length * (0.45 - share),
            side * (rng.uniform(3, 6) * np.cos(2.2 * share) - 2),
        ],
        axis=1,
    )
    head, tail = rng.uniform(6.0, 8.2), rng.uniform(3.1, 4.2)
    radii = tail + (head - tail) * np.exp(-((share - 0.1) ** 2) / 0.09)
    return _Tube(joints + rng.normal(0, 1.0, 3), radii, rng.uniform(0.36, 0.46))


def _distance(tube: _Tube, lines: list[_Volume]) -> tuple[_Volume, _Volume]:
    """Return the distance from the structure, negative inside, and the share of the way along."""
    z, y, x = np.meshgrid(*lines, indexing="ij", sparse=True)
    best = np.full(tuple(len(line) for line in lines), np.inf, np.float32)
    along = np.zeros_like(best)
    for i, ((at_z, at_y, at_x), radius) in enumerate(zip(tube.joints, tube.radii, strict=True)):
        ball = np.sqrt(((z - at_z) / 0.85) ** 2 + (y - at_y) ** 2 + (x - at_x) ** 2) - radius
        nearer = ball < best
        best = np.where(nearer, ball, best).astype(np.float32)
        along[nearer] = i / (_JOINTS - 1)
    return best, along


def _ball(
    lines: list[_Volume], centre: NDArray[np.float64], radius: float, stretch: float = 1.0
) -> _Volume:
    """Return about the distance from an ellipsoid that is longer along y by ``stretch``."""
    z, y, x = np.meshgrid(*lines, indexing="ij", sparse=True)
    at = np.sqrt((z - centre[0]) ** 2 + ((y - centre[1]) / stretch) ** 2 + (x - centre[2]) ** 2)
    return np.asarray(at - radius, np.float32)


def _digitised(image: _Volume, number: int, rng: np.random.Generator) -> NDArray[Any]:
    """Blur, add noise and store in units that differ wildly; contrast drifts with the number."""
    signal = ndimage.gaussian_filter(image, 0.5).clip(0.02)
    bent = signal ** (1.0 + 0.3 * np.sin(2 * np.pi * number / 60))
    noisy = bent + rng.uniform(0.02, 0.05) * rng.standard_normal(image.shape, dtype=np.float32)
    small = rng.random() < 0.2  # the share of official files with 8 bits
    scale = rng.uniform(90, 180) if small else np.exp(rng.uniform(np.log(200), np.log(20000)))
    stored = np.rint(np.clip(scale * noisy, 0, 255 if small else 32767))
    return np.asarray(stored, np.uint8 if small else np.int16)
