"""Overlap and surface distances of one volume against its reference, in millimetres.

Surfaces are the voxels of a mask that its erosion with the face-connected cross removes, as in
medpy; voxels on the border of the volume belong to the surface. Distances come from exact
Euclidean distance transforms of the crop around both masks, which gives the same values as
transforms of the whole volume at a fraction of the time.

The rule for empty masks: a class absent from both volumes is not counted (all values NaN); a class
absent from one of them has Dice 0 and no distance, and is counted as missed or spurious. A missed
structure never earns a distance, so distances must be shown beside these counts.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_NOT_DEFINED = float("nan")


class CaseMetrics(NamedTuple):
    """Scores of one class of one volume; distances in mm, NaN where the rule gives none.

    ``hd95`` is the 95th percentile of the pooled distances of both directions (medpy);
    ``hd95_max`` the larger of the two directed 95th percentiles (MONAI); ``assd`` the mean of the
    two directed mean distances (medpy). ``missed`` is 1 where only the reference holds the class,
    ``spurious`` is 1 where only the prediction does.
    """

    cls: str
    dice: float
    hd95: float
    hd95_max: float
    assd: float
    missed: int
    spurious: int


def case_metrics(
    prediction: NDArray[Any],
    reference: NDArray[Any],
    spacing: Sequence[float],
    classes: Sequence[str],
) -> list[CaseMetrics]:
    """Score every foreground class of one volume at the resolution of its arrays.

    Args:
        prediction: integer [D, H, W] (or [H, W]), labels 0 .. len(classes), 0 = background.
        reference: integer, same shape and labels.
        spacing: mm per voxel along each axis, in the order of the axes.
        classes: names of the labels 1, 2, ...

    Returns:
        One record per class, in the order of ``classes``.

    Raises:
        ValueError: shapes differ, a spacing is not a positive number, a label has no class.
        TypeError: an array does not hold integers.

    Example:
        >>> mask = np.zeros((2, 8, 8), np.uint8)
        >>> mask[:, 2:6, 2:6] = 1
        >>> case_metrics(mask, mask, (10.0, 1.5, 1.5), ("LV",))[0][1:5]
        (1.0, 0.0, 0.0, 0.0)
    """
    _check(prediction, reference, spacing, classes)
    return [
        _class_metrics(name, prediction == label, reference == label, spacing)
        for label, name in enumerate(classes, start=1)
    ]


def dice(prediction: NDArray[np.bool_], reference: NDArray[np.bool_]) -> float:
    """Return 2 |P and G| / (|P| + |G|); NaN where both masks are empty."""
    size = np.count_nonzero(prediction) + np.count_nonzero(reference)
    return float(2 * np.count_nonzero(prediction & reference) / size) if size else _NOT_DEFINED


def surface_distances(
    prediction: NDArray[np.bool_], reference: NDArray[np.bool_], spacing: Sequence[float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Measure how far each surface voxel of one mask is from the surface of the other.

    Args:
        prediction: bool [D, H, W] or [H, W], not empty.
        reference: bool, same shape, not empty.
        spacing: mm per voxel along each axis.

    Returns:
        mm; float [surface voxels of the prediction], float [surface voxels of the reference].

    Raises:
        ValueError: a mask is empty.
    """
    if not (prediction.any() and reference.any()):
        raise ValueError("surface distances need two masks that are not empty")
    box = ndimage.find_objects((prediction | reference).astype(np.uint8))[0]
    first, second = _surface(prediction[box]), _surface(reference[box])
    to_second = ndimage.distance_transform_edt(~second, sampling=spacing)
    to_first = ndimage.distance_transform_edt(~first, sampling=spacing)
    return to_second[first], to_first[second]


def _class_metrics(
    name: str,
    prediction: NDArray[np.bool_],
    reference: NDArray[np.bool_],
    spacing: Sequence[float],
) -> CaseMetrics:
    found, exists = bool(prediction.any()), bool(reference.any())
    if not (found and exists):
        nothing = (_NOT_DEFINED,) * 3
        overlap = dice(prediction, reference)
        return CaseMetrics(name, overlap, *nothing, int(exists), int(found))
    forward, backward = surface_distances(prediction, reference, spacing)
    return CaseMetrics(
        cls=name,
        dice=dice(prediction, reference),
        hd95=float(np.percentile(np.concatenate([forward, backward]), 95)),
        hd95_max=float(max(np.percentile(forward, 95), np.percentile(backward, 95))),
        assd=float((forward.mean() + backward.mean()) / 2),
        missed=0,
        spurious=0,
    )


def _surface(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    cross = ndimage.generate_binary_structure(mask.ndim, 1)
    surface: NDArray[np.bool_] = mask & ~ndimage.binary_erosion(mask, cross)
    return surface


def _check(
    prediction: NDArray[Any],
    reference: NDArray[Any],
    spacing: Sequence[float],
    classes: Sequence[str],
) -> None:
    if prediction.shape != reference.shape:
        raise ValueError(
            f"prediction {prediction.shape} and reference {reference.shape} must share their shape"
        )
    if len(spacing) != reference.ndim or not all(np.isfinite(s) and s > 0 for s in spacing):
        raise ValueError(
            f"spacing must be {reference.ndim} positive numbers in mm, got {tuple(spacing)}"
        )
    for name, array in (("prediction", prediction), ("reference", reference)):
        if array.dtype.kind not in "iu":
            raise TypeError(f"{name} must hold integer labels, got {array.dtype}")
        if array.size and not 0 <= array.min() <= array.max() <= len(classes):
            raise ValueError(
                f"{name} must hold labels 0..{len(classes)} ({', '.join(classes)}), "
                f"got {array.min()}..{array.max()}"
            )
