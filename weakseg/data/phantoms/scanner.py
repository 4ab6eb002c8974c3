"""A cine MR scanner: images a heart in its torso, slice by slice, with the blemishes of cardiac MR.

A slice has partial volume in the plane and through its thickness, is displaced by its own
breath-hold, shaded by the receive coil, and carries Rician noise.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from weakseg.data.phantoms.heart import Field, Heart, Tissue, tissue
from weakseg.data.phantoms.torso import WARP, Torso, noise, paint, render, sample_torso
from weakseg.seeding import generator


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
    scar: tuple[float, float, float] | None = None  # direction, angular width, brightness


def sample_scan(heart: Heart, size: int | None, rng: np.random.Generator) -> Scan:
    """Draw how a patient is imaged, with slices from about the base to the apex.

    ``size`` fixes the matrix of a slice; the field of view stays.
    """
    between = float(rng.choice([10.0, 7.0, 6.5, 5.0], p=[0.86, 0.05, 0.05, 0.04]))
    first = rng.uniform(-5.0, 7.0)
    covered = heart.length - first + rng.uniform(-8.0, 7.0)
    depth = int(np.clip(round(covered / between) + 1, 7, 10 if between == 10 else 16))
    pixel = round(float(rng.uniform(1.35, 1.8)), 4)
    view = rng.uniform(310, 385), rng.uniform(270, 345)  # y, x
    rows, columns = (int(np.clip(round(side / pixel), 150, 230)) for side in view)
    if size is not None:
        rows, columns, pixel = size, size, round(min(view) / size, 4)
    return Scan(
        shape=(depth, rows, columns),
        spacing=(between, pixel, pixel),
        first=first,
        heart=(rows * rng.uniform(0.42, 0.54), columns * rng.uniform(0.42, 0.54)),
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


def surroundings(heart: Heart, scan: Scan, rng: np.random.Generator) -> Torso:
    """Draw the torso around a heart so that it fits the field of view of a scan."""
    _, rows, columns = scan.shape
    pixel = scan.spacing[1]
    half = columns * pixel / 2, rows * pixel / 2
    offset = (columns / 2 - scan.heart[1]) * pixel, (rows / 2 - scan.heart[0]) * pixel
    outer = heart.radius + heart.wall
    return sample_torso(half, offset, (-outer - 0.7 * heart.rv_depth, outer), rng)


def acquire(
    hearts: tuple[Heart, ...], torso: Torso, scan: Scan, key: tuple[int, int]
) -> list[tuple[NDArray[np.int16], NDArray[np.uint8]]]:
    """Image the phases of a heart in one torso.

    Args:
        hearts: the heart per phase.
        torso: what surrounds it in all phases.
        scan: how to image it.
        key: whatever is random is a function of this.

    Returns:
        Per phase an int16 image and its uint8 reference, [D, H, W] each.
    """
    volumes = [(np.zeros(scan.shape, np.int16), np.zeros(scan.shape, np.uint8)) for _ in hearts]
    rng = generator("phantom scan", *key)
    drift = rng.normal(0, 0.25, 2)
    bend = [noise(scan.shape[1:], round(40 / scan.spacing[1]) + 1, rng) * 4 for _ in range(2)]
    for index in range(scan.shape[0]):
        rng = generator("phantom slice", *key, index)
        z = scan.first + index * scan.spacing[0]
        place = _place(scan, z, rng.normal(0, 1.6, 2) + drift * index)
        around = _surroundings(torso, place, bend, rng)
        shade = _shade(scan, place)
        for (image, reference), heart in zip(volumes, hearts, strict=True):
            clean = around.copy()
            reference[index] = _insert_heart(clean, heart, place, scan, rng)
            image[index] = _digitise(clean * shade, scan, rng)
    return volumes


class _Place(NamedTuple):
    """Where the pixels of a slice lie, mm from the heart's axis at its base; float32 [H, W]."""

    x: Field
    y: Field
    z: float
    pixel: float

    def cut(self, box: tuple[slice, slice]) -> "_Place":
        return self._replace(x=self.x[box], y=self.y[box])

    def noise(self, cell: float, rng: np.random.Generator) -> Field:
        """Return smooth noise whose bumps are about ``cell`` mm wide."""
        return noise((self.x.shape[0], self.x.shape[1]), max(2, round(cell / self.pixel)), rng)


def _place(scan: Scan, z: float, breath: NDArray[np.float64]) -> _Place:
    _, rows, columns = scan.shape
    pixel = scan.spacing[1]
    y = (np.arange(rows) - scan.heart[0]) * pixel - breath[0]
    x = (np.arange(columns) - scan.heart[1]) * pixel - breath[1]
    columns_x, rows_y = np.meshgrid(x.astype(np.float32), y.astype(np.float32))
    return _Place(columns_x, rows_y, z, pixel)


def _surroundings(
    torso: Torso, place: _Place, bend: list[Field], rng: np.random.Generator
) -> Field:
    """Render the torso with outlines that wander, and with grain."""
    moved = [
        at + np.clip(slow + 1.2 * place.noise(12, rng), -WARP, WARP)
        for at, slow in zip((place.x, place.y), bend, strict=True)
    ]
    image = render(torso, moved[0], moved[1], place.z, place.pixel, place.noise(9, rng))
    return np.asarray(image * (1 + 0.12 * place.noise(4, rng)), np.float32)


def _insert_heart(
    image: Field, heart: Heart, place: _Place, scan: Scan, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Paint the heart into the image, in place; return the slice's reference."""
    reach = heart.radius + heart.wall + heart.rv_depth + 15
    box = tuple(
        slice(*np.searchsorted(axis, (-reach, reach))) for axis in (place.y[:, 0], place.x[0])
    )
    near = place.cut((box[0], box[1]))
    near = near._replace(x=near.x + near.noise(15, rng), y=near.y + near.noise(15, rng))
    parts = _partial_volume(heart, near, scan.spacing[0])
    _paint_heart(image[box], parts, near, scan, rng)
    rest = 1 - parts.rv - parts.wall - parts.lv
    reference = np.zeros(image.shape, np.uint8)
    reference[box] = np.argmax(np.stack([rest, parts.rv, parts.wall, parts.lv]), axis=0)
    return reference


def _partial_volume(heart: Heart, place: _Place, thickness: float) -> Tissue:
    """Average the tissue over the slice's thickness, of which a fifth is gap."""
    layers = [
        tissue(heart, place.x, place.y, place.z + offset * thickness, place.pixel)
        for offset in (-0.27, 0.0, 0.27)
    ]
    return Tissue(*(np.mean(parts, axis=0) for parts in zip(*layers, strict=True)))


def _paint_heart(
    image: Field, parts: Tissue, place: _Place, scan: Scan, rng: np.random.Generator
) -> None:
    """Paint fat, muscle and blood into an image, in place.

    Trabeculae and papillary muscles are dark but belong to the cavities, as in ACDC's labels.
    """
    flow, grain = place.noise(14, rng), place.noise(3, rng)
    fat = np.clip(0.5 + 0.5 * place.noise(18, rng), 0.12, 1.05)
    muscle = scan.myocardium * (1 + 0.1 * flow + 0.1 * grain)
    wall = muscle if scan.scar is None else _scarred(muscle, parts, place, scan.scar, flow)
    weave = np.clip(1.4 * place.noise(5, rng) - 0.6, 0, 1)
    paint(image, parts.sac, fat)
    paint(image, parts.rv_wall, muscle)
    paint(image, parts.atria, 0.9 + 0.1 * flow)
    image *= 1 - parts.lv - parts.rv - parts.wall
    image += parts.wall * wall
    for share, level, wide in ((parts.lv, 1.0, 9), (parts.rv, scan.rv_blood, 13)):
        blood = level * (1 + 0.08 * flow)
        rim = 3 * (1 - ndimage.uniform_filter(share, max(3, round(wide / place.pixel))))
        dark = np.clip(rim * weave, 0, 0.9)
        if share is parts.lv:
            dark = np.maximum(dark, parts.papillary)
        image += share * (blood - dark * (blood - 1.1 * muscle))


def _scarred(
    muscle: Field, parts: Tissue, place: _Place, scar: tuple[float, float, float], ragged: Field
) -> Field:
    """Return muscle with a bright patch on the side of the cavity, as enhanced scar has it."""
    direction, width, bright = scar
    inside = np.cos(np.arctan2(place.y, place.x) - direction) - np.cos(width)
    inside = 4 * inside / (1 - np.cos(width)) + 0.8 * ragged
    cavity = ndimage.uniform_filter(parts.lv, max(3, round(14 / place.pixel)))
    share = np.clip(inside, 0, 1) * np.clip(8 * cavity - 0.3, 0, 1)
    return np.asarray(muscle + share * (bright - muscle), np.float32)


def _shade(scan: Scan, place: _Place) -> Field:
    """Return the sensitivity of the receive coil, 1 at the heart."""
    left, top, depth, floor = scan.coil
    near = np.exp(-np.hypot(place.x - left, place.y - top) / depth)
    at_heart = np.exp(-np.hypot(left, top) / depth)
    return np.asarray(floor + (1 - floor) * near / at_heart, np.float32)


def _digitise(clean: Field, scan: Scan, rng: np.random.Generator) -> NDArray[np.int16]:
    """Blur to the scanner's resolution, add Rician noise, round."""
    signal = ndimage.gaussian_filter(clean, 0.45)
    real, imaginary = rng.standard_normal((2, *clean.shape), dtype=np.float32) * scan.noise
    magnitude = np.hypot(signal + real, imaginary) * scan.scale
    return np.asarray(np.rint(np.clip(magnitude, 0, 32767)), np.int16)
