"""What surrounds a heart in a cine MR slice: chest wall, lungs, liver, stomach, vessels.

Most of it is as bright as blood or as grey as myocardium, so brightness alone does not segment.
Lengths are mm from the heart's axis, intensities relative to the blood of the left ventricle.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from scipy import ndimage

from weakseg.data.phantoms.heart import Field, edge

WARP: Final = 12.0
"""How far pixels may be displaced before rendering, mm."""


class Organ(NamedTuple):
    """An ellipsoid with a rim; ``sizes`` are half axes along x, y and z."""

    centre: tuple[float, float, float]
    sizes: tuple[float, float, float]
    value: float
    rim: float  # intensity of the rim
    thickness: float  # of the rim


@dataclass(frozen=True, kw_only=True)
class Torso:
    """One patient's surroundings of the heart."""

    middle: tuple[float, float]
    half: tuple[float, float]
    fat: float  # thickness of the subcutaneous fat
    fat_value: float
    muscle_value: float
    lung_value: float
    liver_value: float
    diaphragm: tuple[float, float, float, float]  # y at z = 0, rise per z, curvature, x of the top
    front: tuple[float, float, float, float]  # of the chest wall: x at z = 0, the rest alike
    chest: tuple[Organ, ...]
    abdomen: tuple[Organ, ...]


def noise(shape: tuple[int, int], cell: int, rng: np.random.Generator) -> Field:
    """Return smooth noise of about unit variance whose bumps are ``cell`` pixels wide.

    It is white noise on a coarse grid, interpolated with quadratic B-splines: steps, averaged
    over a cell twice.
    """
    coarse = rng.standard_normal([size // cell + 4 for size in shape], dtype=np.float32)
    field = coarse.repeat(cell, axis=0).repeat(cell, axis=1)
    for axis in (0, 1, 0, 1):
        field = ndimage.uniform_filter1d(field, cell, axis=axis)
    top, left = cell + rng.integers(0, cell, 2)
    return np.ascontiguousarray(1.8 * field[top : top + shape[0], left : left + shape[1]])


def sample_torso(
    half: tuple[float, float],
    offset: tuple[float, float],
    edges: tuple[float, float],
    rng: np.random.Generator,
) -> Torso:
    """Draw the surroundings.

    Args:
        half: half the field of view along x and y.
        offset: the image's centre as seen from the heart, (x, y).
        edges: x of the leftmost and y of the lowest point of the heart.
        rng: source of the draw.
    """
    floor = edges[1] + rng.uniform(0.0, 7.0)
    front = edges[0] - rng.uniform(6.0, 24.0)
    return Torso(
        middle=(offset[0] + rng.normal(0, 4), offset[1] + rng.normal(0, 8)),
        half=(half[0] * rng.uniform(0.84, 0.98), half[1] * rng.uniform(1.0, 1.3)),
        fat=rng.uniform(7, 20),
        fat_value=rng.uniform(0.85, 1.3),
        muscle_value=rng.uniform(0.18, 0.32),
        lung_value=rng.uniform(0.09, 0.2),
        liver_value=rng.uniform(0.32, 0.55),
        front=(front, rng.uniform(0.1, 0.35), rng.uniform(0.001, 0.004), rng.uniform(-25, 15)),
        diaphragm=(floor, rng.uniform(0.1, 0.3), rng.uniform(0.0008, 0.003), rng.uniform(-40, 20)),
        chest=_chest(rng),
        abdomen=_abdomen(floor, rng),
    )


def _chest(rng: np.random.Generator) -> tuple[Organ, ...]:
    """Return the descending aorta, lung vessels and what lies around the great vessels."""
    x, y = rng.uniform(52, 75), rng.uniform(5, 45)
    aorta = Organ((x, y, 0), (11, 11, 400), rng.uniform(0.8, 1.05), 0.25, 2.0)
    spine = Organ((x + 28, y + 18, 0), (20, 17, 400), rng.uniform(0.3, 0.5), 0.2, 3.0)
    organs = [spine, aorta]
    for _ in range(int(rng.integers(14, 26))):
        angle, reach = rng.uniform(-2.8, 0.7), rng.uniform(45, 120)
        size = rng.uniform(1.5, 5.0)
        centre = (reach * np.cos(angle), reach * np.sin(angle), rng.uniform(-20, 90))
        organs.append(Organ(centre, (size, size, rng.uniform(8, 30)), rng.uniform(0.4, 1), 0.3, 1))
    for _ in range(4):
        angle, size = rng.uniform(-2.6, -0.6), rng.uniform(8, 17)
        centre = (62 * np.cos(angle), 62 * np.sin(angle), rng.uniform(-25, 5))
        organs.append(Organ(centre, (size, size, 30), rng.uniform(0.75, 1.05), 0.3, 2.5))
    for _ in range(3):
        angle, size = rng.uniform(2.3, 4.0), rng.uniform(9, 18)
        centre = (75 * np.cos(angle), 75 * np.sin(angle), rng.uniform(0, 70))
        organs.append(Organ(centre, (size, size, 40), rng.uniform(0.3, 1.1), 0.3, 3))
    return tuple(organs)


def _abdomen(floor: float, rng: np.random.Generator) -> tuple[Organ, ...]:
    """Return stomach, kidney, spleen, bowel and vessels; ringed ones resemble a ventricle."""
    full = rng.random() < 0.6
    stomach = Organ(
        (rng.uniform(15, 55), floor + rng.uniform(14, 34), rng.uniform(20, 70)),
        (rng.uniform(20, 34), rng.uniform(16, 26), rng.uniform(40, 70)),
        rng.uniform(0.75, 1.05) if full else rng.uniform(0.08, 0.5),
        rng.uniform(0.28, 0.5),
        rng.uniform(3, 9),
    )
    kidney = Organ(
        (rng.uniform(25, 70), floor + rng.uniform(55, 80), rng.uniform(20, 80)),
        (rng.uniform(17, 25), rng.uniform(17, 25), 50),
        rng.uniform(0.6, 0.95),
        rng.uniform(0.38, 0.55),
        rng.uniform(7, 11),
    )
    organs = [kidney, stomach]
    for _ in range(int(rng.integers(9, 16))):
        size = rng.uniform(4, 17)
        centre = (rng.uniform(-70, 95), floor + rng.uniform(8, 110), rng.uniform(-20, 100))
        sizes = (size * rng.uniform(0.8, 1.6), size, rng.uniform(15, 50))
        organs.append(
            Organ(centre, sizes, rng.uniform(0.15, 1.1), rng.uniform(0.2, 0.5), rng.uniform(1, 5))
        )
    return tuple(organs)


def paint(image: Field, share: Field, value: Field | float) -> None:
    """Replace the given share of each pixel, in place."""
    image += share * (value - image)


def render(torso: Torso, x: Field, y: Field, z: float, soft: float, patches: Field) -> Field:
    """Return the slice at z as float32 [H, W].

    Args:
        torso: whose.
        x: where the pixels lie, mm to the right of the heart's axis, rising along W.
        y: the same, downwards.
        z: the same, towards the apex.
        soft: width of the edges, mm.
        patches: noise [H, W] that makes muscle, fat and bowel patchy.
    """
    image = np.full(x.shape, 0.015, np.float32)
    skin = _skin(torso, x, y) + patches
    streaky = torso.muscle_value + np.clip(0.8 * patches - 0.5, 0, 0.6) * torso.fat_value
    paint(image, edge(skin, soft), torso.fat_value)
    paint(image, edge(skin + torso.fat, soft), streaky)
    inner = edge(skin + torso.fat + 11, soft)
    paint(image, inner, torso.lung_value)
    for organ in torso.chest:
        _paint_organ(image, inner, organ, x, y, z, soft)
    start, rise, bend, middle = torso.front
    wall = x - start - rise * z + bend * (y - middle) ** 2
    paint(image, inner * edge(wall, soft), streaky)
    paint(image, inner * edge(np.abs(wall + 5) - 2.5, soft), 0.8 * torso.fat_value)
    top, rise, bend, middle = torso.diaphragm
    below = inner * edge(top - rise * z + bend * (x - middle) ** 2 - y, soft)
    bowel = np.clip((x - middle - 10 * patches) / 30, 0, 1) * np.clip(0.6 * patches, -0.15, 0.5)
    paint(image, below, torso.liver_value + bowel)
    for organ in torso.abdomen:
        _paint_organ(image, below, organ, x, y, z, soft)
    return image


def _skin(torso: Torso, x: Field, y: Field) -> Field:
    """Return the distance from the body's surface, negative inside, mm."""
    ratio = np.abs((x - torso.middle[0]) / torso.half[0]) ** 3
    ratio += np.abs((y - torso.middle[1]) / torso.half[1]) ** 3
    return np.asarray((np.cbrt(ratio) - 1) * min(torso.half), np.float32)


def _paint_organ(
    image: Field, within: Field, organ: Organ, x: Field, y: Field, z: float, soft: float
) -> None:
    shrunk = 1 - ((z - organ.centre[2]) / organ.sizes[2]) ** 2
    if shrunk <= 0.02:
        return
    width, height = (size * float(np.sqrt(shrunk)) for size in organ.sizes[:2])
    box = (
        _near(y.mean(axis=1), organ.centre[1], height + WARP),
        _near(x.mean(axis=0), organ.centre[0], width + WARP),
    )
    ratio = np.hypot((x[box] - organ.centre[0]) / width, (y[box] - organ.centre[1]) / height)
    distance = (ratio - 1) * min(width, height)
    paint(image[box], edge(distance, soft) * within[box], organ.rim)
    paint(image[box], edge(distance + organ.thickness, soft) * within[box], organ.value)


def _near(position: Field, centre: float, reach: float) -> slice:
    """Return the indices whose (rising) position lies within reach of the centre."""
    begin, end = np.searchsorted(position, (centre - reach, centre + reach))
    return slice(int(begin), int(end))
