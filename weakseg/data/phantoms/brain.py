"""A brain with a glioma in four MR contrasts, its skull removed.

Lengths are mm from the middle of the head; x runs to the left, y to the back, z to the head. Bright
spots of white matter, unlabelled, look like oedema in FLAIR.
"""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from weakseg.data.phantoms.waves import wave

CONTRASTS: Final = ("Flair", "T1", "T1c", "T2")
NECROSIS, OEDEMA, OTHER, ENHANCING = 1, 2, 3, 4

_REACH: Final = 130.0
_FADE: Final = 6.0  # width of the outline of oedema beyond that of other edges, mm
_HALF: Final = (62.0, 84.0, 66.0)  # half axes of a brain along z, y and x

Volume = NDArray[np.float32]
_Floats = NDArray[np.floating[Any]]


class Tissue(NamedTuple):
    """Signal in each of the contrasts, white matter of T2 being 0.42."""

    flair: float
    t1: float
    t1c: float
    t2: float


_FLUID: Final = Tissue(0.12, 0.20, 0.20, 1.00)
_GREY: Final = Tissue(0.62, 0.50, 0.50, 0.60)
_WHITE: Final = Tissue(0.50, 0.74, 0.74, 0.42)
_DEEP: Final = Tissue(0.58, 0.60, 0.60, 0.50)
_SPOT: Final = Tissue(0.90, 0.60, 0.60, 0.80)
_OEDEMA: Final = Tissue(0.88, 0.52, 0.52, 0.92)
_OTHER: Final = Tissue(0.86, 0.46, 0.50, 0.82)
_ENHANCING: Final = Tissue(0.82, 0.52, 1.30, 0.72)
_NECROSIS: Final = Tissue(0.48, 0.30, 0.34, 0.95)


class Glioma(NamedTuple):
    """A tumour: balls [N, 4] (z, y, x, radius) that merge, and how it looks around and inside."""

    lobes: _Floats
    spread: float  # of the oedema around the core, mm
    ring: float  # thickness of the enhancing rim, mm; at most 0: there is none
    ragged: float  # of the outlines, mm


def sample_glioma(high_grade: bool, rng: np.random.Generator) -> Glioma:
    """Draw a tumour of one to four lobes somewhere in a hemisphere."""
    size = rng.uniform(11, 20) if high_grade else rng.uniform(16, 25)
    side = rng.choice([-1, 1])
    centre = np.array([rng.uniform(-14, 30), rng.uniform(-48, 48), side * rng.uniform(18, 38)])
    lobes = [(*centre, size)]
    for _ in range(int(rng.integers(0, 4))):
        way = rng.standard_normal(3)
        offset = way / np.linalg.norm(way) * size * rng.uniform(0.6, 1.1)
        lobes.append((*(centre + offset), size * rng.uniform(0.4, 0.8)))
    return Glioma(
        lobes=np.array(lobes),
        spread=rng.uniform(5, 15) if high_grade else rng.uniform(1.5, 6),
        ring=rng.uniform(2.5, 6) if high_grade else rng.uniform(-6, 2),
        ragged=rng.uniform(2.0, 4.5),
    )


def paint_head(
    glioma: Glioma, lines: list[Volume], soft: float, rng: np.random.Generator
) -> tuple[Volume, NDArray[np.uint8]]:
    """Paint a brain and its tumour.

    Args:
        glioma: the tumour.
        lines: where the voxels lie along z, y and x.
        soft: width of the edges, mm.
        rng: source of what else differs between people.

    Returns:
        float32 [4, D, H, W], 0 outside the brain, and labels uint8 [D, H, W].
    """
    z, y, x = _bent(lines, rng)
    scale = rng.uniform(0.94, 1.06, 3)
    ratio = sum((at / (h * s)) ** 2 for at, h, s in zip((z, y, x), _HALF, scale, strict=True))
    surface = np.maximum((np.sqrt(ratio) - 1) * min(_HALF), -46 - z - 0.12 * y)
    folds = wave(13.0, rng, _REACH).at(*lines)
    images = np.zeros((len(CONTRASTS), *surface.shape), np.float32)
    images += np.reshape(_FLUID, (-1, 1, 1, 1))
    _paint(images, surface + 2.5 + 1.5 * np.abs(folds), _GREY, soft)
    _paint(images, surface + 9.0 - 5.0 * folds, _WHITE, soft)
    _paint_middle(images, z, y, x, soft, rng)
    spots = np.maximum(3.4 - wave(9.0, rng, _REACH).at(*lines) * 1.35, surface + 14)
    _paint(images, 2.0 * spots, _SPOT, soft)
    labels = _paint_glioma(images, glioma, (z, y, x), lines, surface, soft, rng)
    uneven = np.where(labels > 0, np.float32(0.16), np.float32(0.05))
    images *= 1 + uneven * wave(8.0, rng, _REACH).at(*lines)
    images[:, surface > 0] = 0
    return images, labels


def _bent(lines: list[Volume], rng: np.random.Generator) -> list[Volume]:
    """Return the places of all voxels [D, H, W] along z, y and x, irregularly displaced."""
    shapes = ((-1, 1, 1), (1, -1, 1), (1, 1, -1))
    return [
        line.reshape(shape) + 4.0 * wave(45.0, rng, _REACH).at(*lines)
        for line, shape in zip(lines, shapes, strict=True)
    ]


def _paint(images: Volume, distance: Volume, tissue: Tissue, soft: float) -> None:
    """Cover the inside of a shape, whose distance is negative there."""
    share = np.clip(0.5 - distance / soft, 0, 1).astype(np.float32)
    for image, value in zip(images, tissue, strict=True):
        image += share * (value - image)


def _paint_middle(
    images: Volume, z: Volume, y: Volume, x: Volume, soft: float, rng: np.random.Generator
) -> None:
    """Paint deep grey matter and the ventricles of both sides."""
    wide = rng.uniform(0.7, 1.5)
    for side in (-1, 1):
        _paint(images, _ball((z - 4, y - 2, x - side * 17), (11.0, 19.0, 8.0)), _DEEP, soft)
        shape = (9.0 * wide, 27.0, 5.0 * wide)
        _paint(images, _ball((z - 14, y - 6, x - side * 8), shape), _FLUID, soft)


def _ball(offset: tuple[Volume, Volume, Volume], sizes: tuple[float, float, float]) -> Volume:
    ratio = sum((part / size) ** 2 for part, size in zip(offset, sizes, strict=True))
    return np.asarray((np.sqrt(ratio) - 1) * min(sizes), np.float32)


def _paint_glioma(
    images: Volume,
    glioma: Glioma,
    place: tuple[Volume, Volume, Volume],
    lines: list[Volume],
    surface: Volume,
    soft: float,
    rng: np.random.Generator,
) -> NDArray[np.uint8]:
    """Paint a tumour from the outside to the inside; return its labels."""
    coarse = wave(17.0, rng, _REACH).at(*lines)
    fine = wave(7.0, rng, _REACH).at(*lines)
    core = np.full(surface.shape, np.inf, np.float32)
    for at_z, at_y, at_x, radius in glioma.lobes:
        lobe = _ball((place[0] - at_z, place[1] - at_y, place[2] - at_x), (radius,) * 3)
        core = np.minimum(core, lobe)
    core = np.maximum(core + glioma.ragged * coarse + 0.8 * fine, surface + 3)
    reach = glioma.spread * (1 + 0.6 * wave(24.0, rng, _REACH).at(*lines))
    around = np.maximum(core - np.maximum(reach, 0), surface + 4)
    rim = core + glioma.ring if glioma.ring > 0 else core + np.inf
    labels = np.zeros(surface.shape, np.uint8)
    for distance, tissue, label in (
        (around, _OEDEMA, OEDEMA),
        (core, _ENHANCING if glioma.ring > 0 else _OTHER, ENHANCING if glioma.ring > 0 else OTHER),
        (np.maximum(core, 2.2 - 2 * coarse), _OTHER, OTHER),
        (rim + 1.2 * fine, _NECROSIS, NECROSIS),
    ):
        _paint(images, distance, tissue, soft + (_FADE if label == OEDEMA else 0))
        labels[distance < 0] = label
    return labels
