"""Masks between two drawn ones from their shapes alone (Raya & Udupa, IEEE TMI 1990)."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from scipy.special import expit


def signed_distance(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the distance to the outline of a mask, pixels, positive inside.

    Args:
        mask: bool [H, W]. A mask without outline counts as far inside or far outside everywhere.

    Returns:
        float32 [H, W]; +0.5 and -0.5 on the two sides of the outline.
    """
    if mask.all() or not mask.any():
        far = float(sum(mask.shape))
        return np.full(mask.shape, far if mask.all() else -far, np.float32)
    inside, outside = distance_transform_edt(mask), distance_transform_edt(~mask)
    distance: NDArray[np.float32] = np.where(mask, inside - 0.5, 0.5 - outside).astype(np.float32)
    return distance


def between(
    below: NDArray[np.float32], above: NDArray[np.float32], position: float
) -> NDArray[np.float32]:
    """Return the soft mask between two signed distances: the logistic of twice their mean.

    Args:
        below: float32 [H, W], from :func:`signed_distance`.
        above: float32 [H, W].
        position: 0 at ``below``, 1 at ``above``.

    Returns:
        float32 [H, W] in [0, 1].
    """
    mixed = (1 - position) * below + position * above
    soft: NDArray[np.float32] = expit(2 * mixed).astype(np.float32)
    return soft
