"""Writes a phantom of BraTS 2015: brains with gliomas in four contrasts, as MetaImage files.

Contrast, noise and shading drift slowly with the number of the case, so a stream of cases changes
as it goes on. High grades have more oedema and an enhancing rim around necrosis.
"""

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from weakseg.data.phantoms import files
from weakseg.data.phantoms.brain import CONTRASTS, Volume, paint_head, sample_glioma
from weakseg.data.phantoms.waves import wave
from weakseg.data.sources.brats2015 import LABEL
from weakseg.seeding import generator

CASES: Final = 274
"""Studies of the official training set."""

FIELD: Final = 240.0
"""Side of a slice, mm: 240 pixels of 1 mm."""

_HEIGHT: Final = 155.0  # mm
_PERIOD: Final = 80  # cases after which the drift comes back
_PER_LOW_GRADE: Final = 5  # 54 of 274


def write(root: Path, patients: int = CASES, matrix: int | None = None, seed: int = 0) -> None:
    """Write a phantom data set in the official layout, below ``root / "HGG"`` and ``"LGG"``.

    A study's files depend on its number, the seed and the matrix only, byte for byte.

    Args:
        root: folder to write to; made where missing. ``root / "PHANTOM"`` marks it as synthetic.
        patients: number of studies, one each, 1 to 274.
        matrix: rows and columns of all slices over the same field of view; the voxels stay cubes.
            None means 240.
        seed: another seed makes other people.

    Raises:
        ValueError: patients is not between 1 and 274, or matrix is below 32.
    """
    files.check(patients, CASES, matrix)
    for number in range(1, patients + 1):
        _write_study(root, number, matrix or round(FIELD), seed)
    files.mark(root, "brain MR", seed)


def _write_study(root: Path, number: int, matrix: int, seed: int) -> None:
    low = number % _PER_LOW_GRADE == 0
    within = number // _PER_LOW_GRADE if low else number - number // _PER_LOW_GRADE
    folder = root / ("LGG" if low else "HGG") / f"brats_2013_pat{within:04d}_1"
    edge = FIELD / matrix
    shape = (round(_HEIGHT / edge), matrix, matrix)
    lines = [((np.arange(n) - (n - 1) / 2) * edge).astype(np.float32) for n in shape]
    rng = generator("phantom brats", seed, number)
    images, labels = paint_head(sample_glioma(not low, rng), lines, max(edge, 1.0), rng)
    phase = 2 * np.pi * number / _PERIOD
    stored = _digitised(images, lines, phase, rng)
    first = 54000 + 6 * number
    for offset, (contrast, image) in enumerate(zip(CONTRASTS, stored, strict=True)):
        name = f"VSD.Brain.XX.O.MR_{contrast}.{first + offset}"
        files.save_mha(folder / name / f"{name}.mha", image, (edge, edge, edge))
    name = f"{LABEL}.{first + len(CONTRASTS)}"
    files.save_mha(folder / name / f"{name}.mha", labels, (edge, edge, edge))


def _digitised(
    images: Volume, lines: list[Volume], phase: float, rng: np.random.Generator
) -> NDArray[np.int16]:
    """Bend the contrast, shade, blur, add Rician noise, round; 0 stays 0."""
    brain = images[0] > 0
    bend = 1 + 0.3 * np.sin(phase)
    grain = 0.035 + 0.02 * np.cos(phase)
    shade = np.exp(0.12 * (1 + 0.5 * np.sin(phase)) * wave(90.0, rng, 130.0).at(*lines))
    stored = np.zeros(images.shape, np.int16)
    for image, to in zip(images, stored, strict=True):
        signal = ndimage.gaussian_filter(image**bend * shade, 0.45)
        real, imaginary = grain * rng.standard_normal((2, *image.shape), dtype=np.float32)
        magnitude = np.hypot(signal + real, imaginary) * rng.uniform(250, 900)
        to[brain] = np.rint(magnitude[brain].clip(1, 32767))
    return stored
