"""The shape of a heart in short-axis slices: ventricles, wall, atria; per disease group and phase.

Lengths are mm. The origin is where the long axis of the left ventricle meets its base; z grows
towards the apex, x to the right of the image and y downwards.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from weakseg.data.sources.acdc import GROUPS

Field = NDArray[np.floating[Any]]


class _Norm(NamedTuple):
    """Means of a disease group; ejection fractions as measured per group in ACDC."""

    radius: float  # of the LV cavity at the base, end diastole
    wall: float  # mean thickness, end diastole
    rv_depth: float  # from the septum to the free wall
    ejection: float
    rv_ejection: float


_NORMS: Final = {
    "DCM": _Norm(radius=35.5, wall=8.8, rv_depth=34.0, ejection=0.20, rv_ejection=0.35),
    "HCM": _Norm(radius=26.0, wall=10.5, rv_depth=38.0, ejection=0.66, rv_ejection=0.55),
    "MINF": _Norm(radius=29.5, wall=9.3, rv_depth=23.0, ejection=0.32, rv_ejection=0.45),
    "NOR": _Norm(radius=25.5, wall=8.3, rv_depth=39.0, ejection=0.59, rv_ejection=0.55),
    "RV": _Norm(radius=24.0, wall=7.3, rv_depth=63.0, ejection=0.54, rv_ejection=0.30),
}


@dataclass(frozen=True, kw_only=True)
class Heart:
    """One heart in one phase. Angles are radians, clockwise from the image's right."""

    base: float  # z of the base; moves towards the apex during contraction
    length: float  # of the LV cavity, base to apex
    radius: float
    wall: float
    rv_depth: float
    rv_height: float  # half height of the RV, in radii of the LV with its wall
    rv_length: float  # share of the LV's length that the RV reaches down
    outflow: float  # how far the RV reaches over the base
    septum: float  # direction from the LV to the RV
    tilt: tuple[float, float]  # of the base plane against the slices, mm per mm along x and y
    lean: tuple[float, float]  # how far the axis moves per mm of z
    oval: tuple[float, ...]  # harmonics 2 and 3 of the LV outline
    rv_shape: tuple[float, ...]  # harmonics 2 and 3 of the RV outline
    patch: tuple[float, float, float]  # direction, angular width, relative change of the wall
    papillary: tuple[float, float, float]  # two directions, size mm


class Tissue(NamedTuple):
    """Share of each pixel that a structure fills, float32 [H, W] in [0, 1].

    ``lv``, ``wall`` and ``rv`` are the labelled structures; ``papillary`` lies inside ``lv``.
    ``rv_wall``, ``atria`` and ``sac`` (the fat around all of it) are background.
    """

    lv: Field
    wall: Field
    rv: Field
    papillary: Field
    rv_wall: Field
    atria: Field
    sac: Field


def sample_heart(group: str, rng: np.random.Generator) -> tuple[Heart, Heart]:
    """Draw a heart of a disease group, at end diastole and at end systole.

    Raises:
        ValueError: no such group.
    """
    if group not in _NORMS:
        raise ValueError(f"group must be one of {GROUPS}, got {group!r}")
    norm = _NORMS[group]
    radius = norm.radius * rng.uniform(0.88, 1.12)
    patch = {"MINF": (rng.uniform(0, 2 * np.pi), 0.8, -0.42), "HCM": (np.pi, 0.9, 0.5)}
    septum = np.pi + rng.uniform(-0.45, 0.4)
    direction, width, change = patch.get(group, (0.0, 0.8, rng.uniform(-0.1, 0.1)))
    heart = Heart(
        base=0.0,
        length=(58.0 + radius) * rng.uniform(0.92, 1.08),
        radius=radius,
        wall=norm.wall * rng.uniform(0.88, 1.15),
        rv_depth=norm.rv_depth * rng.uniform(0.85, 1.15),
        rv_height=rng.uniform(1.0, 1.2),
        rv_length=rng.uniform(0.78, 0.97),
        outflow=rng.uniform(0.0, 4.0),
        septum=septum,
        tilt=(rng.normal(0, 0.07), rng.normal(0, 0.07)),
        lean=(rng.normal(0.08, 0.07), rng.normal(0.0, 0.07)),
        oval=tuple(rng.normal(0, (0.04, 0.04, 0.02, 0.02))),
        rv_shape=tuple(rng.normal(0, (0.07, 0.07, 0.05, 0.05))),
        patch=(direction if group == "MINF" else septum + 0.3 * rng.normal(), width, change),
        papillary=(
            septum + rng.uniform(1.9, 2.4),
            septum - rng.uniform(1.8, 2.4),
            rng.uniform(3.2, 5.0),
        ),
    )
    return heart, _contract(heart, norm, rng)


def _contract(heart: Heart, norm: _Norm, rng: np.random.Generator) -> Heart:
    """Return the heart at end systole; the volume of its wall is conserved."""
    ejection = float(np.clip(norm.ejection + rng.normal(0, 0.05), 0.08, 0.75))
    drop = 15.0 * ejection
    stretch = heart.length / (heart.length - drop)
    radius = heart.radius * float(np.sqrt((1 - ejection) * stretch))
    outer = (heart.radius + heart.wall) ** 2 - heart.radius**2
    rv_ejection = float(np.clip(norm.rv_ejection + rng.normal(0, 0.06), 0.1, 0.7))
    return dataclasses.replace(
        heart,
        base=heart.base + drop,
        length=heart.length - drop,
        radius=radius,
        wall=float(np.sqrt(radius**2 + outer * stretch)) - radius,
        rv_depth=heart.rv_depth * (1 - rv_ejection) ** 0.75,
        rv_height=heart.rv_height * 0.97,
        oval=tuple(1.3 * value for value in heart.oval),
    )


def tissue(heart: Heart, x: Field, y: Field, z: float, soft: float) -> Tissue:
    """Return what fills the pixels of a thin slice.

    Args:
        heart: whose.
        x: float32 [H, W], mm from the LV's axis at the base.
        y: the same, downwards.
        z: mm from the base at end diastole.
        soft: width of the edges, mm; about a pixel.
    """
    x, y = x - heart.lean[0] * z, y - heart.lean[1] * z
    r, theta = np.hypot(x, y), np.arctan2(y, x)
    level = (z - heart.base + heart.tilt[0] * x + heart.tilt[1] * y) / heart.length
    below = edge(-level * heart.length, 4.0)  # under the base plane
    outline = _harmonics(theta - heart.septum, heart.oval)
    taper = _taper(level, 1.0, 2.6)
    endo = heart.radius * taper * outline
    direction, width, change = heart.patch
    bump = np.exp((np.cos(theta - direction) - 1) / width**2)
    wall = heart.wall * (1 + change * bump) * (0.72 + 0.28 * taper)
    epi = endo + wall * _taper(level, 1.0 + heart.wall / heart.length, 4.0)
    inside, within = edge(r - endo, soft) * below, edge(r - epi, soft) * below
    rv, rv_outer = _right_ventricle(heart, x, y, level, soft)
    atria, atria_wall = _atria(heart, x, y, level, soft)
    atria, atria_wall = (part * (1 - below) * (1 - rv_outer) for part in (atria, atria_wall))
    sac = np.maximum(edge(r - epi - 5.0, soft), rv_outer)
    return Tissue(
        lv=inside,
        wall=within * (1 - inside),
        rv=rv * (1 - within),
        papillary=inside * _papillary(heart, x, y, level, soft),
        rv_wall=np.maximum((rv_outer - rv) * (1 - within), atria_wall - atria).clip(0),
        atria=atria,
        sac=np.maximum(sac, atria_wall),
    )


def edge(distance: Field, soft: float) -> Field:
    """Return 1 inside (negative distances), 0 outside, a ramp ``soft`` mm wide between."""
    share: Field = np.clip(0.5 - distance / soft, 0, 1).astype(np.float32)
    return share


def _taper(level: Field, end: float, power: float) -> Field:
    """Return the relative radius at a level: 1 at the base (0), 0 at ``end``."""
    rest = np.clip(1 - np.clip(level / end, 0, 1) ** power, 0, 1)
    return np.asarray(np.sqrt(rest), np.float32)


def _harmonics(angle: Field, terms: tuple[float, ...]) -> Field:
    """Return the relative radius of a wavy outline; terms are cos 2a, sin 2a, cos 3a, sin 3a."""
    waves = (np.cos(2 * angle), np.sin(2 * angle), np.cos(3 * angle), np.sin(3 * angle))
    outline = 1 + sum(term * wave for term, wave in zip(terms, waves, strict=True))
    return np.asarray(outline, np.float32)


def _right_ventricle(
    heart: Heart, x: Field, y: Field, level: Field, soft: float
) -> tuple[Field, Field]:
    """Return the RV and the RV with its wall; the LV still has to be taken out of both.

    It is an oval whose near end lies inside the LV, so that a crescent remains.
    """
    reach = (heart.radius + heart.wall) * _taper(level, 1.1, 2.6)
    taper = _taper(level, heart.rv_length, 2.2)
    above = np.clip(-level * heart.length, 0, 25)  # mm over the base: the outflow tract
    near, far = -0.3 * reach, reach + heart.rv_depth * taper
    centre, across = (near + far) / 2 + 0.3 * above, (far - near) / 2 * taper**0.3 - 0.4 * above
    along = heart.rv_height * reach * taper**0.8 - 0.75 * above
    cos, sin = np.cos(heart.septum), np.sin(heart.septum)
    u = x * cos + y * sin - centre
    v = y * cos - x * sin - 0.8 * above
    angle = np.arctan2(v, u)
    outline = _harmonics(angle, heart.rv_shape)
    across, along = np.maximum(across, 0.5), np.maximum(along, 0.5)
    ratio = np.hypot(u / across, v / along) / outline
    distance = (ratio - 1) * np.sqrt(across * along)
    distance = distance + np.where((taper < 0.05) | (above > heart.outflow), 50.0, 0.0)
    return edge(distance, soft), edge(distance - 3.0, soft)


def _atria(heart: Heart, x: Field, y: Field, level: Field, soft: float) -> tuple[Field, Field]:
    """Return the chambers and vessels over the base, and the same with their walls."""
    cos, sin = np.cos(heart.septum), np.sin(heart.septum)
    u, v = x * cos + y * sin, y * cos - x * sin
    radius = heart.radius
    chambers = np.full_like(x, np.inf)
    # Left atrium, aortic root, right atrium, pulmonary trunk: (towards the RV, along the septum,
    # radius), in radii of the LV.
    for du, dv, size in (
        (-0.35, -0.1, 0.85),
        (0.7, 0.25, 0.5),
        (1.35, -0.75, 0.8),
        (1.25, 0.95, 0.55),
    ):
        distance = np.hypot(u - du * radius, (v - dv * radius) * 1.15) - size * radius
        chambers = np.minimum(chambers, distance.astype(np.float32))
    return edge(chambers, soft), edge(chambers - 3.0, soft)


def _papillary(heart: Heart, x: Field, y: Field, level: Field, soft: float) -> Field:
    """Return the two papillary muscles, which run through the middle of the cavity's length."""
    first, second, size = heart.papillary
    grown = size * np.sqrt(np.clip(1 - ((level - 0.5) / 0.32) ** 2, 0, 1)).astype(np.float32)
    seat = 0.68 * heart.radius * _taper(level, 1.0, 2.6)
    share = np.zeros_like(x)
    for direction in (first, second):
        distance = np.hypot(x - seat * np.cos(direction), y - seat * np.sin(direction)) - grown
        share = np.maximum(share, edge(distance, soft) * (grown > 0.5))
    return share
