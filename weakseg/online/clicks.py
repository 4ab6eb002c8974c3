"""Where a simulated user clicks (spec sec. 3.7): half inside the object, half outside."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from weakseg.online.annotation import Point

Clicking = Literal["random", "error", "residual", "worst", "components"]
"""How clicks are placed.

``random``: anywhere; ``error``: at random where the mask on show is wrong; ``residual``: at
random where front and back end disagree; ``worst``: where they disagree most; ``components``: in
the middle of the regions of disagreement, the largest first.
"""


def clicks(
    how: Clicking,
    count: int,
    *,
    reference: NDArray[np.bool_],
    known: NDArray[np.bool_],
    residual: NDArray[Any] | None,
    shown: NDArray[Any] | None,
    rng: np.random.Generator,
) -> tuple[Point, ...]:
    """Return ``count`` true clicks, the odd one inside; fewer only where voxels run out.

    Where the wanted places do not suffice, the rest is clicked at random: in the first round,
    which has no residual, and where both ends agree.

    Args:
        how: where to click.
        count: number of clicks.
        reference: bool [D, H, W].
        known: bool [D, H, W], voxels not to ask about again.
        residual: float [D, H, W] in [0, 1], or None where there is none yet.
        shown: float [D, H, W] in [0, 1], what the user looks at, or None.
        rng: generator of the random choices.
    """
    points: list[Point] = []
    for inside, number in ((True, count - count // 2), (False, count // 2)):
        free = (reference == inside) & ~known
        chosen = _wanted(how, number, free, reference, residual, shown, rng)
        others = np.setdiff1d(np.flatnonzero(free), chosen)
        missing = min(number - len(chosen), len(others))
        chosen = np.concatenate([chosen, rng.choice(others, missing, replace=False)])
        for index in chosen:
            z, y, x = np.unravel_index(int(index), reference.shape)
            points.append(Point((int(z), int(y), int(x)), inside))
    return tuple(points)


def _wanted(
    how: Clicking,
    number: int,
    free: NDArray[np.bool_],
    reference: NDArray[np.bool_],
    residual: NDArray[Any] | None,
    shown: NDArray[Any] | None,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Return the flat indices, at most ``number``, that the rule asks for."""
    nowhere = np.zeros(0, np.int64)
    if how == "error" and shown is not None:
        places = np.flatnonzero(free & ((shown > 0.5) != reference))
        return rng.choice(places, min(number, len(places)), replace=False)
    if residual is None or how in ("random", "error"):
        return nowhere
    if how == "worst":
        places = np.flatnonzero(free & (residual > 0))
        return places[np.argsort(-residual.ravel()[places], kind="stable")[:number]]
    disagreement = free & (residual > 0.5)
    if how == "components":
        return _middles(disagreement, number)
    places = np.flatnonzero(disagreement)
    return rng.choice(places, min(number, len(places)), replace=False)


def _middles(mask: NDArray[np.bool_], number: int) -> NDArray[np.int64]:
    """Return the deepest voxel of each 26-connected component, largest components first."""
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1, 1:-1]
    places = np.flatnonzero(mask)
    part = ndimage.label(mask, np.ones((3, 3, 3)))[0].ravel()[places]
    order = np.lexsort((places, -depth.ravel()[places], part))
    _, first, sizes = np.unique(part[order], return_index=True, return_counts=True)
    return places[order][first][np.argsort(-sizes, kind="stable")[:number]]
