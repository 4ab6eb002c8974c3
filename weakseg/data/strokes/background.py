"""Strokes on the background, the same for all generators."""

from collections.abc import Iterator

import numpy as np
from scipy import ndimage

from weakseg.data import curves
from weakseg.data.curves import Curve, Mask
from weakseg.data.strokes import hand


def around(
    organs: Mask,
    centre: Curve,
    spacing: tuple[float, float],
    length: float,
    margin: float,
    rng: np.random.Generator,
) -> Iterator[Curve]:
    """Draw loops around everything that is not background, zigzags where there is nothing.

    Args:
        organs: bool [H, W].
        centre: (y, x) in pixels, where the organs of other slices are.
        spacing: along y and x, mm.
        length: of the line that is wanted, pixels.
        margin: mean distance of the first loop from the organs, mm.
        rng: source of randomness.

    Yields:
        Curves without end, none where background is too narrow; parts outside are left out.
    """
    while not organs.any():
        yield hand.zigzag(centre, min(length, 2.5 * min(organs.shape)), rng)
    distance = ndimage.distance_transform_edt(~organs, sampling=spacing)
    sway = _sway(organs.shape, rng)
    field = ndimage.gaussian_filter(distance, 3.0) * sway / sway[distance < 2 * margin].mean()
    level = min(margin * hand.jitter(0.18, rng), 0.6 * float(field.max()))
    last = None
    while loops := _loops(field, min(level, 0.97 * float(field.max())), last, rng):
        for loop in loops:
            last = loop[-1]
            yield loop
        level *= rng.uniform(1.1, 1.4)


def _sway(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Return a slowly varying factor by which the hand strays."""
    coarse = rng.normal(0, 1, (5, 5))
    zoom = [size / 5 for size in shape]
    smooth = ndimage.zoom(ndimage.gaussian_filter(coarse, 0.6), zoom, order=3, mode="nearest")
    return np.asarray(np.exp(0.2 * smooth / max(float(smooth.std()), 1e-9)))


def _loops(
    field: np.ndarray, level: float, last: Curve | None, rng: np.random.Generator
) -> list[Curve]:
    """Return the contours of a level, longest first, from the points nearest to ``last``."""
    found = []
    for contour in hand.contours(field, level):
        closed = bool((contour[0] == contour[-1]).all())
        line = curves.smooth(contour, 4.0, closed=closed)
        if closed:
            start = int(rng.integers(len(line) - 1))
            if last is not None:
                start = int(((line[:-1] - last) ** 2).sum(axis=1).argmin())
            line = curves.start_at(line, start)
        found.append(line)
    return found
