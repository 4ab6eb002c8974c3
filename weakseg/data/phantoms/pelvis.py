"""A prostate with its zones and what lies around it, in T2-weighted MR.

Lengths are mm from the middle of the prostate; x runs to the left, y to the back, z to the head.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from weakseg.data.phantoms.waves import wave

PERIPHERAL, CENTRAL = 1, 2

_REACH: Final = 120.0

Volume = NDArray[np.float32]
_Place = tuple[Volume, Volume, Volume]
_Point = tuple[float, float, float]

_FAT, _MUSCLE, _BONE, _WALL = 0.80, 0.16, 0.45, 0.22
_BLADDER, _CAPSULE, _INNER, _OUTER, _LESION = 1.10, 0.20, 0.42, 0.82, 0.35


class Gland(NamedTuple):
    """One prostate: half axes along z, y and x of the whole and of its centre, and irregularity."""

    whole: _Point
    centre: _Point
    lift: float  # how far the centre lies before the middle of the whole, mm
    ragged: float  # of the outlines, mm
    coil: float  # radius of what fills the rectum, mm


def sample_gland(coil: bool, rng: np.random.Generator) -> Gland:
    """Draw a prostate; a coil in the rectum is larger than what lies there otherwise."""
    whole = (rng.uniform(18, 27), rng.uniform(14, 20), rng.uniform(21, 29))
    share = rng.uniform(0.55, 0.78)
    return Gland(
        whole=whole,
        centre=(whole[0] * (share + 0.1), whole[1] * share, whole[2] * share),
        lift=whole[1] * (0.95 - share),
        ragged=rng.uniform(0.8, 1.6),
        coil=rng.uniform(14, 19) if coil else rng.uniform(7, 13),
    )


def paint_pelvis(
    gland: Gland, coil: bool, lines: list[Volume], soft: float, rng: np.random.Generator
) -> tuple[Volume, NDArray[np.uint8]]:
    """Paint the slices around a prostate.

    Args:
        gland: the prostate.
        coil: whether a balloon without signal fills the rectum.
        lines: where the voxels lie along z, y and x.
        soft: width of the edges, mm.
        rng: source of what else differs between people.

    Returns:
        float32 [D, H, W], fat being 0.8, and labels uint8 [D, H, W].
    """
    z, y, x = _bent(lines, rng)
    patches = wave(16.0, rng, _REACH).at(*lines)
    image = np.full(z.shape, _FAT, np.float32)
    image += 0.08 * patches
    for side in (-1, 1):
        _paint(image, _ball((z, y + 6, x - side * 62), (90, 42, 24)) + 2 * patches, _MUSCLE, soft)
        _paint(image, _ball((z + 12, y - 4, x - side * 39), (40, 26, 5)), _MUSCLE, soft)
        vesicle = _ball((z - gland.whole[0] - 5, y - 14, x - side * 16), (7, 7, 18))
        _paint(image, vesicle + 1.5 * patches, 0.6 + 0.3 * wave(4.0, rng, _REACH).at(*lines), soft)
    bone = _ball((z - 6, y + 46, x), (30, 12, 34))
    _paint(image, bone, _WALL, soft)
    _paint(image, bone + 3, _BONE, soft)
    bladder = _ball((z - gland.whole[0] - 24, y + 10, x), (26, 26, 36))
    _paint(image, bladder, _WALL, soft)
    _paint(image, bladder + 4, _BLADDER, soft)
    behind = gland.whole[1] + gland.coil + 2
    rectum = np.asarray(np.hypot(y - behind - 0.15 * z, x) - gland.coil, np.float32)
    labels = _paint_gland(image, gland, (z, y, x), rectum, lines, soft, rng)
    _paint(image, rectum, _WALL, soft)
    _paint(image, rectum + 3, 0.02 if coil else 0.3 + 0.25 * patches, soft)
    return image, labels


def _paint_gland(
    image: Volume,
    gland: Gland,
    place: _Place,
    rectum: Volume,
    lines: list[Volume],
    soft: float,
    rng: np.random.Generator,
) -> NDArray[np.uint8]:
    """Paint capsule, both zones, nodules and a lesion; return the labels of the zones."""
    z, y, x = place
    ragged = gland.ragged * wave(12.0, rng, _REACH).at(*lines)
    nodules = wave(7.0, rng, _REACH).at(*lines)
    whole = np.maximum(_ball(place, gland.whole) + ragged, 1.0 - rectum)
    centre = _ball((z - 2, y + gland.lift, x), gland.centre) + 0.7 * ragged
    centre = np.maximum(centre, whole + 1.5)
    lesion = np.maximum(3.0 - 2.6 * wave(11.0, rng, _REACH).at(*lines), whole + 1)
    _paint(image, whole, _CAPSULE, soft)
    _paint(image, whole + 1.2, _OUTER + 0.08 * nodules, soft)
    _paint(image, lesion, _LESION, soft)
    _paint(image, centre, _INNER + 0.16 * nodules, soft)
    _paint(image, np.hypot(y + 0.25 * gland.whole[1], x) - 2.5 + whole.clip(0), 0.9, soft)
    return np.where(whole < 0, np.where(centre < 0, CENTRAL, PERIPHERAL), 0).astype(np.uint8)


def _bent(lines: list[Volume], rng: np.random.Generator) -> _Place:
    """Return the places of all voxels [D, H, W] along z, y and x, irregularly displaced."""
    z, y, x = (
        line.reshape(shape) + 2.5 * wave(35.0, rng, _REACH).at(*lines)
        for line, shape in zip(lines, ((-1, 1, 1), (1, -1, 1), (1, 1, -1)), strict=True)
    )
    return z, y, x


def _paint(image: Volume, distance: Volume, value: Volume | float, soft: float) -> None:
    """Cover the inside of a shape, whose distance is negative there."""
    image += np.clip(0.5 - distance / soft, 0, 1).astype(np.float32) * (value - image)


def _ball(offset: _Place, sizes: _Point) -> Volume:
    """Return about the distance from an ellipsoid."""
    ratio = sum((part / size) ** 2 for part, size in zip(offset, sizes, strict=True))
    return np.asarray((np.sqrt(ratio) - 1) * min(sizes), np.float32)
