"""The upper abdomen: where liver, kidneys, spleen and what surrounds them lie, and of what tissue.

Lengths are mm in a reference body whose cavity has the half axes ``CAVITY``; a person's body is
scaled. x runs to the image's right (the person's left), y to the back, z to the head.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from weakseg.data.phantoms.canvas import (
    Canvas,
    Ellipsoid,
    Field,
    Point,
    Space,
    Tissue,
    Tube,
    around,
    ellipsoid,
    smooth_max,
)

CAVITY: Final = (125.0, 85.0)
LIVER, RIGHT_KIDNEY, LEFT_KIDNEY, SPLEEN = 1, 2, 3, 4

_WALL: Final = 11.0  # muscle around the cavity
_SPINE: Final = (0.0, 50.0)
_VERTEBRA: Final = 33.0  # and a disc, along z


_LUNG: Final = Tissue(0.07, 0.0, 0.06, -850.0)
_FAT: Final = Tissue(0.10, 0.85, 0.13, -100.0)
_MUSCLE: Final = Tissue(0.36, 0.02, 0.20, 58.0)
_LIVER: Final = Tissue(0.52, 0.03, 0.27, 108.0)
_CORTEX: Final = Tissue(0.44, 0.0, 0.72, 185.0)
_MEDULLA: Final = Tissue(0.33, 0.0, 0.86, 165.0)
_SPLEEN: Final = Tissue(0.34, 0.0, 0.60, 122.0)
_MARROW: Final = Tissue(0.24, 0.30, 0.26, 190.0)
_RIB: Final = Tissue(0.16, 0.25, 0.15, 380.0)
_DISC: Final = Tissue(0.26, 0.0, 0.42, 85.0)
_FLUID: Final = Tissue(0.16, 0.0, 1.0, 12.0)
_CORD: Final = Tissue(0.42, 0.0, 0.5, 40.0)
_ARTERY: Final = Tissue(0.20, 0.0, 0.08, 155.0)
_VEIN: Final = Tissue(0.27, 0.0, 0.20, 150.0)
_BRANCH: Final = Tissue(0.30, 0.0, 0.46, 150.0)
_BILE: Final = Tissue(0.22, 0.0, 1.05, 8.0)
_GUT: Final = Tissue(0.33, 0.02, 0.45, 62.0)
_PANCREAS: Final = Tissue(0.48, 0.05, 0.40, 88.0)
_GAS: Final = Tissue(0.0, 0.0, 0.0, -900.0)


class Loop(NamedTuple):
    """A piece of bowel: a wall around its content."""

    shape: Ellipsoid
    content: Tissue


@dataclass(frozen=True, kw_only=True)
class Abdomen:
    """One person."""

    scale: Point  # of the reference body along x, y and z
    fat: float  # thickness of the subcutaneous fat
    dome: float  # z of the top of the right diaphragm
    tip: float  # z of the lowest point of the liver
    slope: float  # of the liver's lower surface along x
    lobe: float  # x where the left lobe ends
    kidneys: tuple[Ellipsoid, Ellipsoid]  # right, left
    spleen: Ellipsoid
    hollow: Ellipsoid  # what bounds the spleen towards the middle
    stomach: Ellipsoid
    level: float  # y of the surface of what the stomach holds
    gallbladder: Ellipsoid
    branches: tuple[Tube, ...]  # vessels of the liver
    bowel: tuple[Loop, ...]


def sample_abdomen(rng: np.random.Generator) -> Abdomen:
    """Draw a person."""
    width = rng.uniform(0.88, 1.12)
    dome = rng.uniform(84.0, 98.0)
    kidneys = (_kidney(-1, rng.uniform(-46, -28), rng), _kidney(1, rng.uniform(-30, -12), rng))
    stomach = Ellipsoid(
        (rng.uniform(42, 56), rng.uniform(-28, -8), rng.uniform(30, 46)),
        (rng.uniform(34, 46), rng.uniform(27, 40), rng.uniform(44, 60)),
        (rng.uniform(0.1, 0.4), rng.uniform(0.0, 0.25)),
    )
    length = rng.uniform(46, 62)
    place = rng.uniform(88, 98), rng.uniform(28, 40), rng.uniform(22, 38)
    return Abdomen(
        scale=(width, width * rng.uniform(0.92, 1.08), rng.uniform(0.92, 1.08)),
        fat=rng.uniform(7, 26),
        dome=dome,
        tip=rng.uniform(-88, -58),
        slope=rng.uniform(0.5, 0.72),
        lobe=rng.uniform(32, 72),
        kidneys=kidneys,
        spleen=Ellipsoid(place, (rng.uniform(42, 52), rng.uniform(46, 58), length)),
        hollow=Ellipsoid(
            (rng.uniform(42, 50), rng.uniform(-6, 6), place[2]),
            (rng.uniform(38, 45), rng.uniform(46, 54), 1.6 * length),
        ),
        stomach=stomach,
        level=stomach.centre[1] + rng.uniform(-22, 4),
        gallbladder=Ellipsoid(
            (rng.uniform(-62, -42), rng.uniform(-42, -26), rng.uniform(-30, -12)),
            (rng.uniform(11, 16), rng.uniform(11, 17), rng.uniform(20, 30)),
            (rng.uniform(-0.2, 0.2), rng.uniform(0.0, 0.5)),
        ),
        branches=_branches(dome, rng),
        bowel=_bowel(rng),
    )


def paint_abdomen(person: Abdomen, canvas: Canvas) -> None:
    """Paint a person on an empty canvas."""
    space = canvas.space
    wall = (np.hypot(space.x / CAVITY[0], space.y / CAVITY[1]) - 1) * min(CAVITY)
    _paint_wall(person, canvas, wall)
    diaphragm = _diaphragm(person, space)
    canvas.paint(np.maximum(wall + 2, diaphragm), _LUNG)
    heart = Ellipsoid((20, -26, person.dome + 8), (54, 38, 38))
    canvas.paint_ellipsoid(heart, _MUSCLE)
    canvas.paint_ellipsoid(heart, _VEIN, shrink=9)
    for loop in person.bowel:
        canvas.paint_ellipsoid(loop.shape, _GUT)
        canvas.paint_ellipsoid(loop.shape, loop.content, shrink=3.5)
    _paint_back(canvas)
    canvas.paint_ellipsoid(Ellipsoid((14, 2, 2), (50, 10, 11), (0.0, 0.2)), _PANCREAS)
    _paint_stomach(person, canvas, wall, diaphragm)
    _paint_liver(person, canvas, wall, diaphragm)
    _paint_spleen(person, canvas, wall, diaphragm)
    for kidney, label in zip(person.kidneys, (RIGHT_KIDNEY, LEFT_KIDNEY), strict=True):
        _paint_kidney(canvas, kidney, label)
    _paint_spine(canvas)


def _kidney(side: int, z: float, rng: np.random.Generator) -> Ellipsoid:
    return Ellipsoid(
        (side * rng.uniform(56, 64), rng.uniform(34, 42), z),
        (rng.uniform(22, 27), rng.uniform(24, 29), rng.uniform(48, 58)),
        (-side * rng.uniform(0.08, 0.2), rng.uniform(0.05, 0.16)),
    )


def _branches(dome: float, rng: np.random.Generator) -> tuple[Tube, ...]:
    """Return hepatic veins, which meet under the dome, and branches of the portal vein."""
    veins, portal = (-20.0, 22.0, dome - 38), (-24.0, 4.0, 14.0)
    tubes = [Tube((2.0, 6.0, -6.0), portal, (7.0, 6.0))]
    for start, radius, x, z in (
        *((veins, 7.0, (-100, 10), (0, 45)) for _ in range(5)),
        *((portal, 6.5, (-100, -30), (-35, 60)) for _ in range(6)),
    ):
        end = rng.uniform(*x), rng.uniform(-50, 50), rng.uniform(*z)
        tubes.append(Tube(start, end, (radius * rng.uniform(0.7, 1.1), 2.2)))
    return tuple(tubes)


def _bowel(rng: np.random.Generator) -> tuple[Loop, ...]:
    """Return the colon along the sides and small bowel in the lower front."""
    contents = (_FLUID, _GUT, _GAS, _FAT, _PANCREAS)
    shapes = [
        Ellipsoid((-92, rng.uniform(-12, 8), -95), (22, 20, rng.uniform(38, 58))),
        Ellipsoid((100, rng.uniform(0, 25), -60), (15, 17, rng.uniform(60, 80))),
        Ellipsoid((rng.uniform(-20, 20), -56, rng.uniform(-45, -20)), (70, 14, 16)),
    ]
    for _ in range(int(rng.integers(34, 48))):
        centre = rng.uniform(-76, 88), rng.uniform(-64, 30), rng.uniform(-125, -8)
        size = rng.uniform(9, 18)
        shapes.append(Ellipsoid(centre, (size * rng.uniform(1, 2), size, size * rng.uniform(1, 2))))
    return tuple(Loop(shape, contents[int(rng.integers(len(contents)))]) for shape in shapes)


def _paint_wall(person: Abdomen, canvas: Canvas, wall: Field) -> None:
    """Paint skin, fat, muscle and ribs, and the fat between the organs."""
    space = canvas.space
    canvas.paint(wall - person.fat - _WALL - 2, _MUSCLE)
    canvas.paint(wall - person.fat - _WALL, _FAT)
    canvas.paint(wall - _WALL, _MUSCLE)
    front = np.abs(space.y + 4) / CAVITY[1]
    beat = np.abs((space.z + 55 * front) / 27 % 1 - 0.5) * 27  # ribs fall to the front
    ribs = np.maximum(np.abs(wall - 5) - 4.0, beat - 5.5)
    canvas.paint(np.maximum(ribs, -20 - space.z), _RIB)
    canvas.paint(wall, _FAT)


def _paint_back(canvas: Canvas) -> None:
    """Paint the muscles beside the spine, aorta and inferior vena cava."""
    space = canvas.space
    grown = np.clip((35 - space.z) / 6, 2, 21)
    for side in (-1, 1):
        canvas.paint_ellipsoid(Ellipsoid((side * 37, 90, 0), (30, 19, 900)), _MUSCLE)
        psoas = np.hypot(space.x - side * (24 + 0.55 * grown), 1.1 * (space.y - 52)) - grown
        canvas.paint(psoas, _MUSCLE)
        canvas.paint_ellipsoid(Ellipsoid((side * 15, 30, 60), (8, 11, 75)), _MUSCLE)


def _paint_stomach(person: Abdomen, canvas: Canvas, wall: Field, diaphragm: Field) -> None:
    shape = person.stomach
    box = around(canvas.space, shape)
    near = canvas.space.cut(box)
    distance = smooth_max(8.0, ellipsoid(near, shape), wall[box] + 4, 1 - diaphragm[box])
    canvas.paint(distance, _GUT, 0, box)
    canvas.paint(distance + 4, _FLUID._replace(t2=0.8), 0, box)
    canvas.paint(np.maximum(distance + 4, near.y - person.level), _GAS, 0, box)


def _paint_liver(person: Abdomen, canvas: Canvas, wall: Field, diaphragm: Field) -> None:
    space = canvas.space
    below = person.tip + person.slope * (space.x + 110) + 0.22 * space.y - space.z
    side = np.where(space.x < -25, -1.25 * (space.x + 25), -0.55 * (space.x + 25))
    behind = (space.y - 24 - side) / 1.3
    distance = smooth_max(7.0, wall + 3, -diaphragm, 0.85 * below, behind, space.x - person.lobe)
    canvas.paint(distance, _LIVER, LIVER)
    canvas.paint_ellipsoid(person.gallbladder, _GUT)
    canvas.paint_ellipsoid(person.gallbladder, _BILE, shrink=2.0)
    for tube in person.branches:
        canvas.paint_tube(tube, _BRANCH, within=LIVER)
    high = person.dome - 30
    canvas.paint_tube(Tube((-20, 27, -200), (-21, 24, high), (11, 11)), _VEIN)
    canvas.paint_tube(Tube((13, 24, -200), (9, 27, 200), (9.5, 10.5)), _ARTERY)


def _paint_spleen(person: Abdomen, canvas: Canvas, wall: Field, diaphragm: Field) -> None:
    box = around(canvas.space, person.spleen)
    near = canvas.space.cut(box)
    distance = smooth_max(
        6.0,
        ellipsoid(near, person.spleen),
        -ellipsoid(near, person.hollow),
        wall[box] + 4,
        1 - diaphragm[box],
    )
    canvas.paint(distance, _SPLEEN, SPLEEN, box)


def _paint_kidney(canvas: Canvas, shape: Ellipsoid, label: int) -> None:
    """Paint fat around a kidney, its cortex, pyramids, and the sinus, which is no kidney."""
    canvas.paint_ellipsoid(shape, _FAT, shrink=-5.0)
    (x, y, z), (width, height, length) = shape.centre, shape.sizes
    inwards = -np.sign(x)
    hilum = Ellipsoid(
        (x + inwards * (width + 1), y - 5, z), (13.0, 11.0, 0.36 * length), shape.lean
    )
    sinus = Ellipsoid((x + 6 * inwards, y - 2, z), (0.42 * width, 0.36 * height, 0.42 * length))
    box = around(canvas.space, shape)
    near = canvas.space.cut(box)
    distance = smooth_max(4.0, ellipsoid(near, shape), -ellipsoid(near, hilum))
    canvas.paint(distance, _CORTEX, label, box)
    angle = np.arctan2(near.y - y, near.x - x)
    pyramids = 3.5 * np.cos(6 * angle) * np.cos((near.z - z) / 5.5)
    canvas.paint(np.maximum(distance + 8 + pyramids, distance + 5), _MEDULLA, label, box)
    canvas.paint_ellipsoid(sinus._replace(lean=shape.lean), _FAT)
    canvas.paint_ellipsoid(sinus._replace(lean=shape.lean), _FLUID, shrink=4.5)


def _paint_spine(canvas: Canvas) -> None:
    """Paint vertebrae, discs and the spinal canal."""
    space = canvas.space
    x, y = _SPINE
    body = (np.hypot((space.x - x) / 25, (space.y - y) / 18) - 1) * 18
    beat = np.abs(space.z / _VERTEBRA % 1 - 0.5) * _VERTEBRA
    canvas.paint(body, _RIB)
    canvas.paint(body + 2.5, _MARROW)
    canvas.paint(np.maximum(body - 1, beat - 4), _DISC)
    arch = (np.hypot((space.x - x) / 19, (space.y - y - 29) / 15) - 1) * 15
    canvas.paint(arch, _RIB)
    process = np.maximum(np.abs(space.x) - 3.5, np.abs(space.y - y - 48) - 16)
    canvas.paint(np.maximum(process, 6 - beat), _RIB)
    canal = np.hypot(space.x - x, space.y - y - 27)
    canvas.paint(canal - 10, _FLUID)
    canvas.paint(canal - 5.5, _CORD)


def _diaphragm(person: Abdomen, space: Space) -> Field:
    """Return the distance from the lungs: negative above the domes, positive below."""
    right = person.dome - ((space.x + 60) ** 2 + (space.y + 8) ** 2) / 135
    left = person.dome - 10 - ((space.x - 66) ** 2 + (space.y + 8) ** 2) / 135
    middle = person.dome - 16 - ((space.x - 4) ** 2 + (space.y + 20) ** 2) / 135
    return 0.75 * (np.maximum(np.maximum(right, left), middle) - space.z)
