"""What voxels may hold, whichever file they came from."""

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_SHOWN: Final = 5


def label_map(array: NDArray[Any], codes: Iterable[int], path: Path) -> NDArray[np.uint8]:
    """Return labels as uint8.

    Args:
        array: of integers, or of floats that hold integers.
        codes: the ids that may occur, 0 to 255.
        path: where it came from.

    Raises:
        ValueError: a value is not among ``codes``; the message holds the file, the ids and the
            number of their voxels.
    """
    known = sorted(set(codes))
    bad = ~np.isin(array, known)
    if bad.any():
        ids, counts = np.unique(array[bad], return_counts=True)
        shown = zip(ids[:_SHOWN], counts[:_SHOWN], strict=True)
        listed = ", ".join(f"{i} ({n} voxel{'' if n == 1 else 's'})" for i, n in shown)
        more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
        raise ValueError(f"{path}: label id {listed}{more}; expected only {known}")
    return array.astype(np.uint8)


def repaired(array: NDArray[Any], path: Path) -> NDArray[Any]:
    """Return an image of finite values, zeros where all are equal; a repair is a warning.

    NaN and -Inf become the smallest finite value, Inf the largest.

    Raises:
        ValueError: no value is finite.
    """
    finite = np.isfinite(array)
    if not finite.any():
        raise ValueError(f"{path}: no finite value in the image; export it again")
    low, high = array[finite].min(), array[finite].max()
    if not finite.all():
        warnings.warn(
            f"{path}: {(~finite).sum()} voxels are not finite; NaN and -Inf are set to {low}, "
            f"Inf to {high}",
            stacklevel=3,
        )
        array = np.nan_to_num(array, copy=True, nan=low, neginf=low, posinf=high)
    if low == high:
        warnings.warn(f"{path}: every voxel is {low}; the image is set to zeros", stacklevel=3)
        return np.zeros_like(array)
    return array
